import { CniError, codes } from '../cni/errors.ts';
import { isAlive } from './alive.ts';
import { exclusiveHolders } from './index-files.ts';
import { describeAttachment } from './key.ts';
import type { AttachmentRecord } from './record.ts';
import { listRecords } from './store.ts';
import { enforcedInterfacesOf } from './sections.ts';

/**
 * Throws code 102 when a container would have one network under a policy with `exclusive` and another one of ours
 * without a policy, whichever comes second: the one without bypasses the other. Called under the lock of the tables.
 */
export function refuseBypass(next: AttachmentRecord): void {
  if (next.state !== 'ready') return;
  const isExclusive = next.egress?.policy.exclusive === true;
  if (!isExclusive && !isOpen(next)) return;
  const others = isExclusive ? listRecords().records.filter(isOpen) : exclusiveHolders(next);
  const other = others.find(({ key, containerId }) => key !== next.key && containerId === next.containerId);
  if (other === undefined || !isAlive(other)) return;
  const [exclusive, open] = isExclusive ? [next, other] : [other, next];
  throw new CniError(
    codes.conflict,
    `Cannot have ${describeAttachment(open)} without a policy: ${describeAttachment(exclusive)} is under one with "exclusive"`,
    'Give the other network a policy too, leave that network out, or take "exclusive" out of the policy',
  );
}

/** The networks of a container that bypass the policy of another one, each once, with one that has a policy. */
export function bypassesOf(
  records: readonly AttachmentRecord[],
): { readonly open: AttachmentRecord; readonly enforced: AttachmentRecord }[] {
  const enforced = records.filter(({ egress }) => egress !== undefined);
  return records.filter(isOpen).flatMap((open) => {
    const other = enforced.find(({ containerId }) => containerId === open.containerId);
    return other === undefined ? [] : [{ open, enforced: other }];
  });
}

/** An interface of ours without a policy, and none to come; one of another's may get its policy later in the chain. */
function isOpen(record: AttachmentRecord): boolean {
  const { state, egress, link } = record;
  return state === 'ready' && egress === undefined && link !== undefined && enforcedInterfacesOf(record).length === 0;
}
