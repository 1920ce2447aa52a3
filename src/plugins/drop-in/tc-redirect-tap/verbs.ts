import { CniError, codes } from '../../../cni/errors.ts';
import type { AttachmentRequest, GcRequest } from '../../../cni/request.ts';
import type { Result } from '../../../cni/result.ts';
import { warn } from '../../../cni/warn.ts';
import { readInterface } from '../../../host/interfaces.ts';
import { addRedirection } from '../../../host/tap.ts';
import { hasIpv6 } from '../../../host/sysctl.ts';
import { hasRoomForIpv6 } from '../../../links/conf.ts';
import { planRedirection } from '../../../links/tap.ts';
import { attachmentKey, describeAttachment } from '../../../records/key.ts';
import type { RedirectedRecord } from '../../../records/record.ts';
import { forgetSection, removeSection } from '../../../records/remove.ts';
import { upkeep } from '../../../records/upkeep.ts';
import { readOwnRecord } from '../../../records/store.ts';
import { requirePrograms } from '../../status.ts';
import { requirePrevResult } from '../portmap/conf.ts';
import { collectSections, writeSection } from '../section.ts';
import { parseRedirection } from './conf.ts';

/**
 * Puts a tap beside the interface that the chain before us made, and has both hand on what they get: a guest of a VMM
 * in the namespace then has MAC and addresses of that interface. The result tells the guest as tc-redirect-tap does.
 */
export async function add(request: AttachmentRequest): Promise<Result> {
  const tap = parseRedirection(request);
  requirePrevResult('tc-redirect-tap', request);
  const { id, netns, prevResult } = request;
  const inside = await readInterface(id.ifname, { netns });
  const place = (prevResult?.interfaces ?? []).findIndex(
    ({ name, sandbox }) => name === id.ifname && sandbox === netns,
  );
  if (prevResult === undefined || inside === undefined || place === -1)
    throw new CniError(
      codes.invalidConfig,
      `Cannot put a tap beside "${id.ifname}" in "${netns}": "prevResult" or the namespace does not have it`,
      'Put "tc-redirect-tap" after the plugin that makes the interface',
    );
  const ips = prevResult.ips.filter((ip) => ip.interface === undefined || ip.interface === place);
  const { mac, mtu } = inside;
  refuseOtherMac(request, mac);
  const redirected: RedirectedRecord = {
    tap,
    mac,
    addresses: ips.map(({ address, gateway }) => (gateway === undefined ? { address } : { address, gateway })),
    nameservers: prevResult.dns.nameservers ?? [],
  };
  const record = await writeSection(request, 'redirected', redirected);
  try {
    const ipv6 = hasIpv6() && hasRoomForIpv6(mtu);
    await addRedirection(planRedirection(tap, { ifname: id.ifname, mtu, ipv6 }), {
      tap: tap.name,
      ifname: id.ifname,
      netns,
    });
  } catch (error) {
    await forgetSection(record, 'redirected').catch((undoing: unknown) =>
      warn(`Cannot undo the ADD that failed: ${String(undoing)}`),
    );
    throw error;
  }
  const interfaces = [
    ...prevResult.interfaces,
    { name: tap.name, sandbox: netns },
    { name: tap.name, mac, sandbox: id.containerId },
  ];
  const own = ips.map((ip) => ({ ...ip, interface: interfaces.length - 1 }));
  return { ...prevResult, interfaces, ips: [...prevResult.ips, ...own] };
}

/** Whoever guards the interface lets its own MAC pass alone. Throws code 2. */
function refuseOtherMac({ args }: AttachmentRequest, mac: string): void {
  const asked = args.pairs.get('TC_REDIRECT_TAP_GUEST_MAC');
  if (asked === undefined || asked.toLowerCase() === mac) return;
  throw new CniError(
    codes.unsupportedField,
    `Cannot give the guest the MAC ${JSON.stringify(asked)}: the interface has "${mac}", and the guest has it too`,
    'Leave TC_REDIRECT_TAP_GUEST_MAC out, or give the interface that MAC (capability "mac")',
  );
}

export async function del({ id }: AttachmentRequest): Promise<void> {
  const record = readOwnRecord(attachmentKey(id));
  if (record?.redirected !== undefined) await removeSection(record, 'redirected');
}

/** Throws code 103 when the tap is gone or down. */
export async function check(request: AttachmentRequest): Promise<void> {
  parseRedirection(request);
  requirePrevResult('tc-redirect-tap', request);
  const record = readOwnRecord(attachmentKey(request.id));
  const [first] =
    record?.redirected === undefined
      ? [`There is no record of a tap of ${describeAttachment(request.id)}`]
      : ((await upkeep.redirected.differences?.(record.redirected, record, request)) ?? []);
  if (first !== undefined) throw new CniError(codes.checkFailed, first);
}

export async function gc(request: GcRequest): Promise<void> {
  await collectSections(request, 'redirected');
}

export async function status(): Promise<void> {
  requirePrograms(['ip', 'nsenter', 'tc']);
}
