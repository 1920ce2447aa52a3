/** Something of an attachment that is not as its record, or its policy's file, says. */
export interface Finding {
  readonly kind: 'ended' | 'adding' | 'link' | 'inside' | 'namespace' | 'rules' | 'policy' | 'waiting';
  /** One sentence without a period. */
  readonly what: string;
}
