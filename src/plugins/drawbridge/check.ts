import { delegateCheck, delegationOf } from '../../cni/delegate.ts';
import { CniError, codes } from '../../cni/errors.ts';
import type { AttachmentRequest } from '../../cni/request.ts';
import type { Result, ResultRoute } from '../../cni/result.ts';
import { readAttachment } from '../../host/interfaces.ts';
import { checkLeases } from '../../ipam/ledger.ts';
import { completeAddresses } from '../../links/addresses.ts';
import { gatewayInterfaceOf } from '../../links/bridge.ts';
import { parseLinkConf, type LinkConf } from '../../links/conf.ts';
import { findDifferences } from '../../links/differences.ts';
import { findMissing } from '../../records/check.ts';
import { attachmentKey, describeAttachment } from '../../records/key.ts';
import type { AttachmentRecord, LinkRecord } from '../../records/record.ts';
import { readOwnRecord } from '../../records/store.ts';
import { waitsForPolicy } from '../../records/waiting.ts';
import { isPortIsolated } from '../../records/sections.ts';
import { checkFirewalls } from '../../records/firewalls.ts';
import type { InterfaceDefaults } from './defaults.ts';
import { errorWithoutRecord } from '../without-record.ts';

/**
 * Compares everything that ADD made with what is there now. Throws code 103 naming each difference, and 3 when
 * we know nothing of the attachment.
 *
 * What plugins after us changed and wrote into the result, a MAC for instance, counts as expected.
 */
export async function check(request: AttachmentRequest, defaults: InterfaceDefaults): Promise<void> {
  const conf = parseLinkConf(request.config.fields, defaults);
  const record = readOwnRecord(attachmentKey(request.id));
  if (record?.link === undefined) throw await errorWithoutRecord(request, { code: codes.checkFailed });

  const { link } = record;
  const [links, rules, firewalls] = await Promise.all([
    linkDifferences(request, conf, { ...record, link }),
    findMissing(record),
    checkFirewalls(link.bridge),
    link.ipam.type === 'host-local' || link.ipam.type === ''
      ? undefined
      : delegateCheck(delegationOf(request, link.ipam.type)),
  ]);
  const differences = [
    ...links,
    ...leaseDifferences(record, link),
    ...rules.map((what) => `Missing in nftables: ${what}`),
    ...firewalls,
    ...(waitsForPolicy(record)
      ? [
          'it waits for a policy that never came, and reaches nothing: "egress-policy" was not called after "drawbridge"',
        ]
      : []),
  ];
  const [first] = differences;
  if (first === undefined) return;
  const more = differences.length === 1 ? '' : ` (and ${differences.length - 1} more)`;
  throw new CniError(
    codes.checkFailed,
    `${describeAttachment(request.id)} is not as ADD made it: ${first}${more}`,
    differences.join('; '),
  );
}

async function linkDifferences(
  { netns, id, prevResult }: AttachmentRequest,
  conf: LinkConf,
  record: AttachmentRecord & { readonly link: LinkRecord },
): Promise<string[]> {
  const { link, egress } = record;
  const { bridge, hostInterface } = link;
  const { gateways } = completeAddresses({ ips: [...link.addresses], routes: [] }, conf);
  const gatewayInterface = gatewayInterfaceOf(bridge, { vlan: conf.vlan, gateways });
  const found = await readAttachment({ netns, ifname: id.ifname, hostInterface, bridge, gatewayInterface });
  const place = placeOf(prevResult, id.ifname);
  const told = prevResult?.interfaces[place];
  const mac = told?.mac ?? link.mac;
  const isOn = (address: string): boolean => egress?.policy.ipv6 !== 'disable' || !address.includes(':');
  const toldHost = findInterface(prevResult, ({ name }) => name === hostInterface);
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
      promiscMode: conf.promiscMode,
      disableContainerInterface: conf.disableContainerInterface,
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

function leaseDifferences(record: AttachmentRecord, { ipam, addresses }: LinkRecord): string[] {
  if (ipam.type !== 'host-local' || ipam.dataDir === undefined) return [];
  return checkLeases(
    ipam.dataDir,
    record,
    addresses.map(({ address }) => address.split('/', 1)[0] ?? ''),
  );
}
