/**
 * Something of an attachment that is not as its record, or its policy's file, says; or "unused", which nothing is wrong
 * with.
 */
export interface Finding {
  /** "unclear": whether it is so could not be found out. */
  readonly kind:
    | 'unclear'
    | 'ended'
    | 'adding'
    | 'link'
    | 'inside'
    | 'unused'
    | 'namespace'
    | 'rules'
    | 'policy'
    | 'waiting';
  /** One sentence without a period. */
  readonly what: string;
}
