import { Fields } from '../../cni/fields.ts';
import { egressElements, guardElements } from '../../dataplane/elements/egress.ts';
import { addressOf } from '../../ip/prefix.ts';
import type { RangeSet } from '../../ipam/pool.ts';
import { vlanGatewayElements } from '../../dataplane/elements/vlan-gateway.ts';
import { parseIpam } from '../../ipam/ranges.ts';
import { completeAddresses, completeRoutedAddresses, type CompleteAddresses } from '../../links/addresses.ts';
import { planBridge } from '../../links/bridge.ts';
import { parseLinkConf } from '../../links/conf.ts';
import type { RoutedEnd } from '../../links/routed.ts';
import type { HostTap } from '../../links/tap.ts';
import { isTiedToMac } from '../../links/veth.ts';
import { vlanGatewayNames } from '../../links/vlan.ts';
import type { Element } from '../../nft/element.ts';
import { isAtLoopback, publicationElements } from '../../dataplane/elements/publication.ts';
import { overlaps } from '../../ports/mapping.ts';
import { masqueradeElements } from '../../dataplane/elements/masquerade.ts';
import { routedElements, routedUse } from '../../dataplane/elements/routed.ts';
import type { AddressRecord, AttachmentRecord, EgressRecord, LinkRecord, LinkSettings } from '../record.ts';
import {
  flag,
  hardwareAddress,
  interfaceName,
  ipText,
  list,
  matching,
  object,
  prefixText,
  readDefaultRoutes,
  readPorts,
  text,
  whole,
} from './read-value.ts';
import { guestOf } from './guest.ts';
import type { Guest, Section } from './section.ts';

/** What the interface plugin made: the veth and its port, addresses, masquerading, ports, and the way to its IPAM. */
export const link: Section<LinkRecord> = {
  read,
  elements,
  claims: (value) => ({
    addresses: hostsOf(value),
    prefixes: value.addresses.map(({ address }) => address),
    ports: value.ports,
    mac: value.mac,
    ingressInterface: value.ingressInterface,
    hostInterface: value.hostInterface,
    ...guestIn(value),
    ...hostTapOf(value),
    ...(value.group === undefined ? {} : { siblingsOf: routedUse(value.group) }),
    ...(value.ipam.dataDir === undefined ? {} : { leaseFolder: value.ipam.dataDir }),
    isOpened: true,
    isPortIsolated: settingsOf(value).portIsolation,
    isEnforced: value.enforced === true,
    isAtLoopback: isAtLoopback({ addresses: hostsOf(value), ports: value.ports, snat: value.snat ?? true }),
  }),
  port: (value) => {
    if (value.bridge === undefined) return undefined;
    const { hairpinMode, ...vlans } = settingsOf(value);
    return {
      name: value.hostInterface,
      bridge: value.bridge,
      hairpin: hairpinMode,
      learns: !isTiedToMac(value),
      mac: value.mac,
      vlans,
    };
  },
  bridge: (value) => {
    if (value.bridge === undefined) return undefined;
    const { gateways } = completeRecorded(value);
    return planBridge({ ...settingsOf(value), bridge: value.bridge, mtu: value.mtu, gateways });
  },
  routedEnd,
  withoutPort: (value, mapping) => ({ ...value, ports: value.ports.filter((port) => !overlaps(port, mapping)) }),
};

/** The addresses of a record once more as ADD had them, with those of the host. */
export function completeRecorded(value: LinkRecord): CompleteAddresses {
  const given = { ips: [...value.addresses], routes: [] };
  const conf = settingsOf(value);
  return value.bridge === undefined ? completeRoutedAddresses(given, conf) : completeAddresses(given, conf);
}

function hostTapOf(value: LinkRecord): { readonly hostTap?: HostTap } {
  const { hostTap } = settingsOf(value);
  return hostTap === undefined ? {} : { hostTap };
}

function guestIn(value: LinkRecord): { readonly guest?: Guest } {
  const { tap, hostTap } = settingsOf(value);
  const name = hostTap === undefined ? tap?.name : value.hostInterface;
  if (name === undefined) return {};
  const { mac, addresses, nameservers = [], routes = [] } = value;
  return { guest: guestOf({ tap: name, mac, addresses, nameservers, networks: routes.map(({ dst }) => dst) }) };
}

function routedEnd(value: LinkRecord): RoutedEnd | undefined {
  if (value.bridge !== undefined) return undefined;
  const { hostInterface, mac, addresses } = value;
  const { gateways } = completeRecorded(value);
  return { hostInterface, mac, addresses: addresses.map(({ address }) => address), gateways };
}

/** Where the container's packets enter the host, as a policy is told of it. */
export function hostSideOf(value: LinkRecord): Pick<EgressRecord, 'ingressInterface' | 'port' | 'vlanGateway'> {
  const { bridge, ingressInterface, hostInterface } = value;
  if (bridge === undefined) return { ingressInterface };
  if (ingressInterface === bridge) return { ingressInterface, port: hostInterface };
  const { port } = vlanGatewayNames(bridge, settingsOf(value).vlan);
  return { ingressInterface, port: hostInterface, vlanGateway: { bridge, port } };
}

/** The container's addresses without prefix length. */
export function hostsOf({ addresses }: Pick<LinkRecord, 'addresses'>): string[] {
  return addresses.map(({ address }) => addressOf(address));
}

const parsed = new WeakMap<LinkRecord, LinkSettings>();

/**
 * What the conf of ADD says of links. Records of before 0.2.0 have its text alone, in which keys are spelled in any
 * letter case; one that is not valid by the rules of today has the defaults.
 */
export function settingsOf(value: LinkRecord): LinkSettings {
  const settings = value.settings ?? parsed.get(value) ?? parseSettings(value);
  if (value.settings === undefined) parsed.set(value, settings);
  return settings;
}

function parseSettings({ conf, bridge }: LinkRecord): LinkSettings {
  const parse = (value: unknown): LinkSettings => parseLinkConf(new Fields(value), { defaultBridge: bridge ?? '' });
  try {
    return parse(conf);
  } catch {
    return parse({});
  }
}

/** The entry of the network's list that ADD was called for, as it was written: entries tell one list from another. */
export function entryOf({ conf }: LinkRecord): Readonly<Record<string, unknown>> {
  return conf;
}

/** The range sets of our own address management, as the conf of ADD lists them; none when there are no such ones. */
export function rangeSetsOf({ conf, ipam }: LinkRecord): readonly RangeSet[] {
  try {
    const fields = ipam.type === 'host-local' ? new Fields(conf).object('ipam') : undefined;
    return fields === undefined ? [] : parseIpam(fields, { isGateway: false }).sets;
  } catch {
    return [];
  }
}

function read(value: unknown): LinkRecord {
  const from = object(value, '"link"');
  if (from['bridge'] !== undefined || from['group'] === undefined) matching(from, 'bridge', interfaceName);
  if (from['group'] !== undefined) whole(from, 'group', 1, 2 ** 32);
  if (from['ingressInterface'] !== undefined) matching(from, 'ingressInterface', interfaceName);
  matching(from, 'hostInterface', interfaceName);
  matching(from, 'mac', hardwareAddress);
  for (const key of ['masquerade', 'macspoofchk']) flag(from, key);
  for (const key of ['snat', 'enforced']) flag(from, key, { mayMiss: true });
  readDefaultRoutes(from);
  if (from['noMasquerade'] !== undefined)
    list(from, 'noMasquerade').forEach((prefix) => prefixText(prefix, 'noMasquerade'));
  whole(from, 'mtu', 0, 2 ** 31);
  if (from['containerMtu'] !== undefined) whole(from, 'containerMtu', 0, 2 ** 31);
  list(from, 'addresses').forEach(readAddressRecord);
  if (from['routes'] !== undefined) list(from, 'routes').forEach(readRoute);
  readPorts(from);
  readIpam(object(from['ipam'], '"ipam"'));
  object(from['conf'], '"conf"');
  if (from['settings'] !== undefined) readSettings(object(from['settings'], '"settings"'));
  return { ingressInterface: from['bridge'] ?? from['hostInterface'], ...from } as unknown as LinkRecord;
}

function readAddressRecord(value: unknown): void {
  const { address, gateway } = object(value, 'an address') as Partial<Record<keyof AddressRecord, unknown>>;
  prefixText(address, 'address');
  if (gateway !== undefined) ipText(gateway, 'gateway');
}

function readIpam(from: Record<string, unknown>): void {
  if (from['path'] === undefined) return;
  for (const folder of list(from, 'path')) text({ path: folder }, 'path');
}

function readRoute(value: unknown): void {
  text(object(value, 'a route'), 'dst');
}

const switches = [
  'isGateway',
  'isDefaultGateway',
  'forceAddress',
  'hairpinMode',
  'promiscMode',
  'preserveDefaultVlan',
  'macspoofchk',
  'disableContainerInterface',
  'portIsolation',
  'enabledad',
] as const satisfies readonly (keyof LinkSettings)[];

function readSettings(from: Record<string, unknown>): void {
  flag(from, 'routed', { mayMiss: true });
  if (from['routed'] !== true) matching(from, 'bridge', interfaceName);
  for (const key of switches) flag(from, key);
  whole(from, 'mtu', 0, 2 ** 31);
  whole(from, 'metric', 0, 2 ** 32);
  whole(from, 'groupForwardMask', 0, 0xffff);
  whole(from, 'vlan', 0, 4094);
  list(from, 'trunk').forEach((vlan) => whole({ trunk: vlan }, 'trunk', 1, 4094));
}

function elements(value: LinkRecord, record: AttachmentRecord): Element[] {
  const { ingressInterface, ports, snat = true, defaultRoutes } = value;
  const publication = {
    ingressInterface,
    addresses: hostsOf(value),
    ports,
    snat,
    ...(defaultRoutes === undefined ? {} : { defaultRoutes }),
  };
  return [
    ...publicationElements(publication, record),
    ...masqueradeElements(record),
    ...vlanGatewayElements(hostSideOf(value), value.hostInterface),
    ...routedElements(value),
    // With a policy these are the policy's own to say.
    ...(record.egress === undefined ? [...egressElements(record), ...guardElements(record)] : []),
  ];
}
