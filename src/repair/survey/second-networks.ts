import { bypassesOf } from '../../records/exclusive.ts';
import type { AttachmentRecord } from '../../records/record.ts';

/** A container whose policy on one network is bypassed by another network of its. */
export interface Bypass {
  readonly containerId: string;
  /** One sentence without a subject and a period. */
  readonly what: string;
}

export function bypassWords(records: readonly AttachmentRecord[]): Bypass[] {
  return bypassesOf(records).map(({ open, enforced }) => ({
    containerId: open.containerId,
    what: `bypasses its policy on network "${enforced.network}": it has none on network "${open.network}" (${open.ifname})`,
  }));
}
