import { delegateGc, delegationOf } from '../../cni/delegate.ts';
import { combineErrors } from '../../cni/errors.ts';
import type { GcRequest } from '../../cni/request.ts';
import { collect } from '../../ipam/ledger.ts';
import type { Lease } from '../../ipam/store.ts';
import { defaultDataDir } from '../../ipam/ranges.ts';
import { attachmentKey } from '../../records/key.ts';
import { readRecord } from '../../records/store.ts';
import { collectAttachments, isListed } from '../collect.ts';
import { ipamOf } from '../../ipam/conf-of-request.ts';
import { sweep } from '../../records/sweep.ts';
import { removeAttachment } from '../../records/remove.ts';

/**
 * Removes what attachments of this network left that are not in the runtime's list. An empty list means that
 * none is valid. Without a list nothing is known of them, so only what is provably dead goes: attachments whose
 * namespace and links are gone, and the leases of those.
 *
 * Goes on past failures, and throws all of them at the end.
 */
export async function gc(request: GcRequest): Promise<void> {
  const { validAttachments: valid, config } = request;
  const errors: unknown[] = [];
  const failed = await collectAttachments(request, async (record) => {
    errors.push(...(await removeAttachment(record, request)));
  });
  errors.push(...failed);
  await sweep().catch((error: unknown) => errors.push(error));
  try {
    const ipam = ipamOf(request);
    if (ipam.type === 'host-local' && valid.kind === 'list') {
      // An ADD that began since has its record before its lease, and is not in the list yet. A record that a newer
      // drawbridge wrote, or that cannot be read, keeps its lease too: an address has one owner.
      const isAdded = ({ containerId, ifname }: Lease): boolean =>
        ifname !== undefined && readRecord(attachmentKey({ network: config.name, containerId, ifname })) !== undefined;
      collect(
        ipam.dataDir ?? defaultDataDir,
        config.name,
        (lease) => isListed(valid.attachments, lease) || isAdded(lease),
      );
    }
    if (ipam.type !== 'host-local' && ipam.type !== '') await delegateGc(delegationOf(request, ipam.type));
  } catch (error) {
    errors.push(error);
  }
  const error = combineErrors(`collect garbage of network "${config.name}"`, errors);
  if (error !== undefined) throw error;
}
