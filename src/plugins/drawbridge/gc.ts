import { delegateGc, delegationOf } from '../../cni/delegate.ts';
import { combineErrors } from '../../cni/errors.ts';
import type { AttachmentId, GcRequest } from '../../cni/request.ts';
import { collect } from '../../ipam/ledger.ts';
import { defaultDataDir } from '../../ipam/ranges.ts';
import { isAlive } from '../../records/alive.ts';
import { listRecords } from '../../records/store.ts';
import { ipamOf } from './addresses.ts';
import { sweep } from '../../records/sweep.ts';
import { removeAttachment } from './remove.ts';

/**
 * Removes what attachments of this network left that are not in the runtime's list. An empty list means that
 * none is valid. Without a list nothing is known of them, so only what is provably dead goes: attachments whose
 * namespace and links are gone, and the leases of those.
 *
 * Goes on past failures, and throws all of them at the end.
 */
export async function gc(request: GcRequest): Promise<void> {
  const { validAttachments: valid, config } = request;
  const records = listRecords().records.filter(({ network }) => network === config.name);
  const dead = records.filter((record) =>
    valid.kind === 'list' ? !isListed(valid.attachments, record) : !isAlive(record),
  );
  const errors: unknown[] = [];
  for (const record of dead) errors.push(...(await removeAttachment(request, record)));
  await sweep().catch((error: unknown) => errors.push(error));
  try {
    const ipam = ipamOf(request);
    if (ipam.type === 'host-local' && valid.kind === 'list') {
      collect(ipam.dataDir ?? defaultDataDir, config.name, (lease) => isListed(valid.attachments, lease));
    }
    if (ipam.type !== 'host-local' && ipam.type !== '') await delegateGc(delegationOf(request, ipam.type));
  } catch (error) {
    errors.push(error);
  }
  const error = combineErrors(`collect garbage of network "${config.name}"`, errors);
  if (error !== undefined) throw error;
}

/** A lease of the old form names no interface: it is its container's. */
function isListed(
  list: readonly AttachmentId[],
  { containerId, ifname }: { containerId: string; ifname?: string },
): boolean {
  return list.some((valid) => valid.containerId === containerId && (ifname === undefined || valid.ifname === ifname));
}
