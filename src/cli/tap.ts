import { CniError, codes } from '../cni/errors.ts';
import { findLink } from '../host/interfaces.ts';
import { removeVeth } from '../host/veth.ts';
import { isUnheldTap } from '../links/tap.ts';
import { add as connect } from '../plugins/drawbridge/add.ts';
import { interfaceDefaults } from '../plugins/drawbridge/defaults.ts';
import { removeRecorded } from '../repair/orphans/records.ts';
import { findAttachments } from '../repair/survey/find.ts';
import { mappingWords, policyWords } from '../repair/survey/words.ts';
import { holdAttachment, isSameAdd } from '../records/attachment-lock.ts';
import { attachmentKey } from '../records/key.ts';
import { isTapOf } from '../records/own-tap.ts';
import type { AttachmentRecord } from '../records/record.ts';
import { guestOf, hostInterfacesOf, hostTapOf, portsOf } from '../records/sections.ts';
import { listRecords, readOwnRecord } from '../records/store.ts';
import type { Invocation } from './command.ts';
import { tapRequest } from './tap/request.ts';
import { printJson, type Terminal } from './terminal.ts';

/** `tap add`: makes a tap on the host for the guest of a VM that somebody starts by hand, under a policy. */
export async function add(invocation: Invocation, terminal: Terminal): Promise<number> {
  const { request, notices } = tapRequest(invocation);
  for (const notice of notices) terminal.note(`${terminal.paint.warn('!')} ${notice}`);
  await connect(request, interfaceDefaults.drawbridge);
  const record = readOwnRecord(attachmentKey(request.id));
  if (record === undefined)
    throw new CniError(codes.conflict, `Cannot tell of "${request.id.containerId}": it was removed meanwhile`);
  tell(record, invocation, terminal);
  return 0;
}

/** `tap show`: tells of a guest, behind a tap of the host or of a namespace, what it and its VMM are to be told. */
export async function show(invocation: Invocation, terminal: Terminal): Promise<number> {
  const [name = ''] = invocation.operands;
  const record = findAttachments(name, listRecords().records).find((found) => guestOf(found) !== undefined);
  if (record === undefined)
    throw new CniError(
      codes.conflict,
      `Cannot tell of "${name}": no tap of ours has a guest of that name`,
      '"drawbridge list" has the guests and containers of this host',
    );
  tell(record, invocation, terminal);
  return 0;
}

function tell(record: AttachmentRecord, { options }: Invocation, terminal: Terminal): void {
  if (options['json'] === true) printJson(terminal, describe(record));
  else printGuest(record, terminal);
}

/** `tap remove`: takes the tap away, with its address, its ports and its rules. */
export async function remove({ operands: [name = ''], options }: Invocation, terminal: Terminal): Promise<number> {
  const found = findTap(name);
  if (found === undefined) return removeUnrecorded(name, terminal);
  await holdAttachment(found, 'tap remove', async () => {
    const now = readOwnRecord(found.key);
    if (now === undefined || !isSameAdd(now, found)) return;
    const [tap = ''] = hostInterfacesOf(now);
    if (options['force'] !== true) refuseHeld({ containerId: now.containerId, tap });
    await removeRecorded(now);
  });
  if (options['json'] === true) printJson(terminal, { network: found.network, containerId: found.containerId });
  else terminal.out(`${found.containerId} is gone: its tap, its address, its ports and its rules.`);
  return 0;
}

/** A tap of ours whose record was lost. */
async function removeUnrecorded(name: string, { out }: Terminal): Promise<number> {
  refuseHeld({ containerId: name, tap: name });
  await removeVeth(name);
  out(`${name} is gone: its record was lost, and "drawbridge clean" removes what else is left of it.`);
  return 0;
}

/**
 * Undefined for a tap of ours without a record. Throws code 3 where there is none, and 102 for a container, which is
 * its runtime's to remove.
 */
function findTap(name: string): AttachmentRecord | undefined {
  const { records } = listRecords();
  if (isTapOf(name, '')) return undefined;
  const [found] = findAttachments(name, records);
  if (found !== undefined && hostTapOf(found) !== undefined) return found;
  throw new CniError(
    codes.conflict,
    `Cannot remove "${name}": it is not behind a tap on the host`,
    'What a runtime added its DEL removes, and "drawbridge clean" what no living container owns',
  );
}

function refuseHeld({ containerId, tap }: { readonly containerId: string; readonly tap: string }): void {
  const link = findLink(tap);
  if (link === undefined || !link.isUp || isUnheldTap(link)) return;
  throw new CniError(
    codes.conflict,
    `Cannot remove "${containerId}": a process holds its tap "${tap}"`,
    'End the VM first, or add --force: the VM then stays without a network',
  );
}

/** As conf/schema/tap.json has it. */
function describe(record: AttachmentRecord): object {
  const { network, containerId, ifname, egress } = record;
  return {
    network,
    containerId,
    ifname,
    guest: guestOf(record) ?? null,
    policy: egress === undefined ? null : policyWords(egress),
    ports: portsOf(record).map(({ hostIp, hostPort, containerPort, protocol }) => ({
      ...(hostIp === undefined ? {} : { hostIp }),
      hostPort,
      containerPort,
      protocol,
    })),
  };
}

function printGuest(record: AttachmentRecord, { out, paint }: Terminal): void {
  const guest = guestOf(record);
  if (guest === undefined) return;
  const { tap, mac, addresses, nameservers, kernelArgument, initArgument } = guest;
  const ways = addresses.map(({ address, gateway }) =>
    gateway === undefined ? address : `${address}, gateway ${gateway}`,
  );
  const ports = portsOf(record).map(mappingWords);
  const rows = [
    ['tap', [tap]],
    ['MAC', [mac]],
    ['address', ways],
    ['DNS', nameservers],
    ['ports', ports],
    ['policy', [policyWords(record.egress)]],
    ['kernel', [kernelArgument, initArgument].filter((argument) => argument !== undefined)],
    [
      'QEMU',
      [`-netdev tap,id=net0,ifname=${tap},script=no,downscript=no`, `-device virtio-net-pci,netdev=net0,mac=${mac}`],
    ],
    ['Firecracker', [JSON.stringify({ iface_id: record.ifname, guest_mac: mac, host_dev_name: tap })]],
  ] as const;
  out(paint.strong(record.containerId));
  for (const [title, lines] of rows)
    for (const [place, text] of lines.entries()) out(`  ${(place === 0 ? title : '').padEnd(12)} ${text}`);
}
