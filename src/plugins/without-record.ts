import { CniError, codes } from '../cni/errors.ts';
import type { AttachmentRequest } from '../cni/request.ts';
import { isLinkThere, readInterface } from '../host/interfaces.ts';
import { leasesOf } from '../ipam/ledger.ts';
import { attachmentKey, describeAttachment, hostInterfaceOf } from '../records/key.ts';
import { ipamOf } from '../ipam/conf-of-request.ts';
import { defaultDataDir } from '../ipam/ranges.ts';

/**
 * What CHECK throws for an attachment without a record: code 3 when nothing of it is there, for that code promises a
 * runtime that no DEL is needed (SPEC.md 1.1.0, "Error"), else `code`, and what a DEL would remove is named. `part` is
 * what a chained plugin has of the attachment; the interface that it was called for is that of a plugin before it.
 */
export async function errorWithoutRecord(
  request: AttachmentRequest,
  { part, code }: { readonly part?: string; readonly code: number },
): Promise<CniError> {
  const { id } = request;
  const left = await findLeft(request, part !== undefined);
  const checked = `Cannot check ${part === undefined ? '' : `${part} `}${describeAttachment(id)}`;
  return left.length === 0
    ? new CniError(
        codes.unknownContainer,
        `${checked}: there is no record of it`,
        'It was never added, or it is gone: after a reboot it has to be added again',
      )
    : new CniError(
        code,
        `${checked}: there is no record of it, and ${left.join(' and ')} ${left.length === 1 ? 'is' : 'are'} there`,
        'The record was lost, or this plugin never ran: send a DEL, and an ADD if the container is still needed',
      );
}

async function findLeft(request: AttachmentRequest, isChained: boolean): Promise<string[]> {
  const { id, netns } = request;
  const hostInterface = hostInterfaceOf(attachmentKey(id));
  const { type, dataDir = defaultDataDir } = ipamOf(request);
  const leases = type === 'host-local' ? leasesOf(dataDir, id) : [];
  const inside = isChained ? await readInterface(id.ifname, { netns }) : undefined;
  return [
    ...(isLinkThere(hostInterface) ? [`the host interface "${hostInterface}"`] : []),
    ...(inside === undefined ? [] : [`"${id.ifname}" in "${netns}"`]),
    ...leases.map((address) => `the lease of ${address}`),
  ];
}
