/**
 * Makes established connections qualify again after a policy was changed:
 *
 *   1. In the transaction that puts the new policy in force, {@link requalifyElements}: from then on every
 *      packet of those containers' connections is judged anew, in both directions. What the new policy
 *      allows goes on undisturbed, what it denies is refused.
 *   2. List what the kernel knows of each address (host/conntrack.ts), judge it, and delete what is denied,
 *      nothing else: an entry that is deleted under an allowed and masqueraded connection kills it when the
 *      far end speaks first.
 *   3. The elements run out. Where flows cannot be deleted, put them without a timeout: else a container
 *      could wait and go on with what stayed in the kernel's table. They cost a judgement per packet.
 */
import { familyOf } from '../../ip/family.ts';
import { interfacePart, type Element } from '../../nft/element.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { sourcesOf } from './egress.ts';

/** Elements that have an attachment's connections judged anew; for `seconds`, or until they are dropped. */
export function requalifyElements({ egress }: AttachmentRecord, seconds: number | undefined = 600): Element[] {
  if (egress === undefined) return [];
  return sourcesOf(egress).map((address): Element => ({
    table: 'inet drawbridge',
    set: `requalify${familyOf(address)}`,
    key: [interfacePart(egress.ingressInterface), address],
    ...(seconds === undefined ? {} : { timeout: seconds }),
  }));
}
