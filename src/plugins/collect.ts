import type { AttachmentId, GcRequest } from '../cni/request.ts';
import { isAlive } from '../records/alive.ts';
import { holdAttachment, isSameAdd } from '../records/attachment-lock.ts';
import type { AttachmentRecord } from '../records/record.ts';
import { hostTapOf } from '../records/sections.ts';
import { listRecords, readSoundRecord } from '../records/store.ts';

/**
 * Calls `remove` for each attachment of the network that is not in the runtime's list; without a list for each that is
 * provably dead, and so does a tap that somebody made by hand. A record is read again when no other verb of its
 * attachment is under way any more: what was added since is spared. Goes on past failures and returns them.
 */
export async function collectAttachments(
  { validAttachments: valid, config }: GcRequest,
  remove: (record: AttachmentRecord) => Promise<void>,
): Promise<unknown[]> {
  const isGarbage = (record: AttachmentRecord): boolean =>
    valid.kind === 'list' && hostTapOf(record)?.manual !== true
      ? !isListed(valid.attachments, record)
      : !isAlive(record);
  const errors: unknown[] = [];
  for (const seen of listRecords().records.filter(({ network }) => network === config.name)) {
    if (!isGarbage(seen)) continue;
    const removed = holdAttachment(seen, 'GC', async () => {
      const now = readSoundRecord(seen.key);
      if (now !== undefined && isSameAdd(now, seen) && isGarbage(now)) await remove(now);
    });
    await removed.catch((error: unknown) => errors.push(error));
  }
  return errors;
}

/** A lease of the old form names no interface: it is its container's. */
export function isListed(
  list: readonly AttachmentId[],
  { containerId, ifname }: { readonly containerId: string; readonly ifname?: string | undefined },
): boolean {
  return list.some((valid) => valid.containerId === containerId && (ifname === undefined || valid.ifname === ifname));
}
