import type { AttachmentRecord } from '../../records/record.ts';

/** What stops a packet whatever the policy says. */
export interface Obstacle {
  readonly kind: 'link' | 'rules' | 'forwarding' | 'route' | 'firewall' | 'dns' | 'quota' | 'bound';
  /** One sentence without a period. */
  readonly what: string;
  /** Commands that mend it, ready to be pasted; what to do in words when `isAdvice`. */
  readonly remedy: string;
  readonly isAdvice?: boolean;
}

/** A packet that may be stopped. */
export interface Way {
  readonly record: AttachmentRecord;
  readonly address: string;
  readonly protocol: string;
  readonly port?: number;
  /** All that is attached. */
  readonly records: readonly AttachmentRecord[];
}
