import { delegateCheck, delegationOf } from '../../../cni/delegate.ts';
import { CniError, codes } from '../../../cni/errors.ts';
import type { AttachmentRequest } from '../../../cni/request.ts';
import type { Result, ResultRoute } from '../../../cni/result.ts';
import { readAttachment, readInterface } from '../../../host/interfaces.ts';
import { readRedirections } from '../../../host/tap.ts';
import { familyOf } from '../../../ip/family.ts';
import { checkLeases } from '../../../ipam/ledger.ts';
import { gatewayInterfaceOf } from '../../../links/bridge.ts';
import { findDifferences } from '../../../links/differences.ts';
import { isTiedToMac } from '../../../links/veth.ts';
import type { AttachmentRecord, LinkRecord } from '../../record.ts';
import { isPortIsolated } from '../../sections.ts';
import { completeRecorded, hostsOf, settingsOf } from '../link.ts';

/**
 * Compares links, addresses, routes and leases with the record, and asks the plugin that gave the addresses. What
 * plugins after us changed and wrote into the result, a MAC for instance, counts as expected.
 *
 * Throws code 7 when prevResult does not have the interface, and what that plugin says.
 */
export async function linkDifferences(
  link: LinkRecord,
  record: AttachmentRecord,
  told: AttachmentRequest,
): Promise<string[]> {
  const { type } = link.ipam;
  const [links] = await Promise.all([
    differencesOfLinks(link, record, told),
    type === 'host-local' || type === '' ? undefined : delegateCheck(delegationOf(told, type)),
  ]);
  return [...links, ...leaseDifferences(record, link)];
}

async function differencesOfLinks(
  link: LinkRecord,
  record: AttachmentRecord,
  { netns, id, prevResult }: AttachmentRequest,
): Promise<string[]> {
  const { bridge = '', hostInterface } = link;
  const { egress } = record;
  const conf = settingsOf(link);
  const { gateways } = completeRecorded(link);
  const gatewayInterface = bridge === '' ? hostInterface : gatewayInterfaceOf(bridge, { vlan: conf.vlan, gateways });
  const { tap, hostTap } = conf;
  const [links, own, redirections] = await Promise.all([
    readAttachment({
      ...(hostTap === undefined ? { inside: { netns, ifname: id.ifname } } : {}),
      hostInterface,
      bridge,
      gatewayInterface,
    }),
    tap === undefined ? undefined : readInterface(tap.name, { netns }),
    tap === undefined ? undefined : readRedirections({ tap: tap.name, ifname: id.ifname, netns }),
  ]);
  const found = { ...links, tap: own, redirections };
  const place = placeOf(prevResult, hostTap === undefined ? id.ifname : hostInterface);
  const told = prevResult?.interfaces[place];
  const mac = told?.mac ?? link.mac;
  const isOn = (address: string): boolean => egress?.policy.ipv6 !== 'disable' || familyOf(address) === 4;
  const toldHost = findInterface(prevResult, ({ name, sandbox = '' }) => name === hostInterface && sandbox === '');
  const bridgeMac = findInterface(prevResult, ({ name }) => name === bridge)?.mac;
  return findDifferences(
    {
      netns,
      ifname: id.ifname,
      hostInterface,
      bridge,
      gatewayInterface,
      mac,
      // A result of an older version has no place for an MTU: a later plugin (tuning) may have lowered it without a
      // word.
      mtu: told?.mtu ?? Math.min(link.containerMtu ?? link.mtu, found.container?.mtu ?? link.mtu),
      ...(toldHost?.mac === undefined ? {} : { hostMac: toldHost.mac }),
      hostMtu: toldHost?.mtu ?? link.mtu,
      ...(bridgeMac === undefined ? {} : { bridgeMac }),
      // The result is what the last plugin of the list left of ours: it may have taken addresses and routes away.
      addresses: (prevResult?.ips ?? [])
        .filter((ip) => ip.interface === place)
        .map(({ address }) => address)
        .filter(isOn),
      routes: (prevResult?.routes ?? []).filter((route) => isOn(route.dst) && isOurs(route, link)),
      gateways,
      hairpinMode: conf.hairpinMode,
      portIsolation: isPortIsolated(record),
      learns: !isTiedToMac(link),
      promiscMode: conf.promiscMode,
      groupForwardMask: conf.groupForwardMask ?? 0,
      disableContainerInterface: conf.disableContainerInterface,
      ...(tap === undefined ? {} : { tap: tap.name }),
      isOnHost: hostTap !== undefined,
    },
    found,
  );
}

/** Where the result has the container's interface. Throws code 7 when it does not have it. */
function placeOf(result: Result | undefined, ifname: string): number {
  const place = (result?.interfaces ?? []).findIndex(
    ({ name, sandbox }) => name === ifname && sandbox !== undefined && sandbox !== '',
  );
  if (place !== -1) return place;
  throw new CniError(
    codes.invalidConfig,
    `Invalid "prevResult": it does not have the container's interface "${ifname}"`,
    'Pass the result of ADD as "prevResult"',
  );
}

/** Other plugins of the list have routes there too, at other interfaces and of other kinds: theirs to check. */
function isOurs({ dst, gw, table }: ResultRoute, { routes }: LinkRecord): boolean {
  return routes === undefined || routes.some((own) => own.dst === dst && own.gw === gw && own.table === table);
}

function findInterface(
  result: Result | undefined,
  matches: (candidate: Result['interfaces'][number]) => boolean,
): Result['interfaces'][number] | undefined {
  return result?.interfaces.find(matches);
}

function leaseDifferences(record: AttachmentRecord, link: LinkRecord): string[] {
  const { ipam } = link;
  if (ipam.type !== 'host-local' || ipam.dataDir === undefined) return [];
  return checkLeases(ipam.dataDir, record, hostsOf(link));
}
