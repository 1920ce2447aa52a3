import { combineErrors } from '../../cni/errors.ts';
import type { GcRequest } from '../../cni/request.ts';
import { isAlive } from '../../records/alive.ts';
import { listRecords } from '../../records/store.ts';
import { isEnforced } from './enforce.ts';
import { removePolicy } from './remove.ts';

/**
 * Removes the policies of attachments of this network that are not in the runtime's list; without a list those of
 * containers that are provably gone. What our interface plugin made is removed by its own GC, policy and all.
 */
export async function gc({ validAttachments: valid, config }: GcRequest): Promise<void> {
  const errors: unknown[] = [];
  for (const record of listRecords().records.filter(({ network }) => network === config.name)) {
    if (!isEnforced(record)) continue;
    const isValid =
      valid.kind === 'list'
        ? valid.attachments.some((one) => one.containerId === record.containerId && one.ifname === record.ifname)
        : isAlive(record);
    if (!isValid) await removePolicy(record).catch((error: unknown) => errors.push(error));
  }
  const error = combineErrors(`collect garbage of network "${config.name}"`, errors);
  if (error !== undefined) throw error;
}
