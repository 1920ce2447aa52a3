import { commit } from '../../records/commit.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { closeGate } from '../../records/close-gate.ts';
import { openFirewalls } from '../../records/firewalls.ts';
import { warn } from '../../cni/warn.ts';

/** Makes an attachment that waits for a policy one that has none: what its network asks for, when no policy follows. */
export async function letGo({ link, ...record }: AttachmentRecord): Promise<void> {
  if (link === undefined) return;
  const { warnings } = await commit({ put: { ...record, link: { ...link, enforced: false } } });
  warnings.forEach(warn);
  await closeGate(link.ingressInterface, record.key);
  await openFirewalls(link.ingressInterface);
}
