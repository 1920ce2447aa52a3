import { CniError, codes } from '../cni/errors.ts';
import type { Fields } from '../cni/fields.ts';
import { readDns, type ResultDns } from '../cni/result.ts';
import { familyOf } from '../ip/family.ts';
import type { TapSettings } from './command.ts';
import { isPlainWord } from './plain-word.ts';
import type { HostTap, TapConf } from './tap.ts';
import { parseVlanTrunk } from './vlan-trunk.ts';
import { vlanGatewayNames } from './vlan.ts';

/** Keys of the interface plugin that are about links, those of the reference bridge plugin, after parsing. */
export interface LinkConf {
  /** "" of a routed container. */
  readonly bridge: string;
  /** The host's end of the veth is no port of a bridge: the host routes to the container's addresses. */
  readonly routed: boolean;
  /** Also true when only `isDefaultGateway` was. */
  readonly isGateway: boolean;
  readonly isDefaultGateway: boolean;
  readonly forceAddress: boolean;
  /** Bytes; 0 means that of the uplink. */
  readonly mtu: number;
  readonly hairpinMode: boolean;
  readonly promiscMode: boolean;
  /** Metric of the container's routes that have none of their own; 0 leaves it to the kernel. */
  readonly metric: number;
  /** Bits for the link-local groups 01:80:c2:00:00:0X that the bridge forwards; 0 is the kernel's default: none. */
  readonly groupForwardMask: number;
  /** 0 means none. */
  readonly vlan: number;
  /** For a guest of a VMM inside the container's namespace. */
  readonly tap?: TapConf;
  /** For a guest of a VMM on the host: it takes the place of the veth. */
  readonly hostTap?: HostTap;
  /** Ascending, without repeats. */
  readonly trunk: readonly number[];
  readonly preserveDefaultVlan: boolean;
  readonly macspoofchk: boolean;
  readonly disableContainerInterface: boolean;
  readonly portIsolation: boolean;
  readonly enabledad: boolean;
  /** Absent when the conf says nothing about DNS: what address management returned then holds. */
  readonly dns?: ResultDns;
}

/**
 * Reads the keys that are about links.
 *
 * @param defaultBridge "drawbridge0" for drawbridge, "cni0" for the drop-in.
 * @param mayRoute whether there is a key "routed"; the reference has none.
 * Throws code 7 for a value that the kernel or the reference bridge plugin would refuse.
 */
export function parseLinkConf(
  fields: Fields,
  { defaultBridge, mayRoute = false }: { readonly defaultBridge: string; readonly mayRoute?: boolean },
): LinkConf {
  const routed = mayRoute && (fields.boolean('routed') ?? false);
  const isDefaultGateway = fields.boolean('isDefaultGateway') ?? false;
  const isGateway = fields.boolean('isGateway') ?? false;
  const dns = parseDns(fields);
  const tap = mayRoute ? parseTap(fields) : {};
  const conf: LinkConf = {
    bridge: routed ? '' : (parseBridgeName(fields) ?? defaultBridge),
    routed,
    isGateway: routed || isDefaultGateway || isGateway,
    isDefaultGateway,
    forceAddress: fields.boolean('forceAddress') ?? false,
    mtu: parseMtu(fields),
    hairpinMode: fields.boolean('hairpinMode') ?? false,
    promiscMode: fields.boolean('promiscMode') ?? false,
    metric: fields.integer('metric', { min: 0, max: 0xffff_ffff }) ?? 0,
    groupForwardMask: parseGroupForwardMask(fields),
    vlan: fields.integer('vlan', { min: 0, max: 4094 }) ?? 0,
    trunk: parseVlanTrunk(fields.objects('vlanTrunk') ?? []),
    preserveDefaultVlan: fields.boolean('preserveDefaultVlan') ?? false,
    macspoofchk: fields.boolean('macspoofchk') ?? false,
    disableContainerInterface: fields.boolean('disableContainerInterface') ?? false,
    portIsolation: fields.boolean('portIsolation') ?? false,
    enabledad: fields.boolean('enabledad') ?? false,
    ...(dns === undefined ? {} : { dns }),
    ...tap,
  };
  refuseContradictions(conf, fields);
  return conf;
}

/** Longest name of an interface in bytes: IFNAMSIZ without the closing zero. */
const longestName = 15;

function parseBridgeName(fields: Fields): string | undefined {
  const name = fields.string('bridge');
  if (name === undefined || name === '') return undefined;
  const isUsable =
    /^[\x21-\x7e]+$/u.test(name) && !/[/:#"'\\;*%]/u.test(name) && !reserved.has(name) && name.length <= longestName;
  if (!isUsable)
    throw fields.invalid(
      'bridge',
      `an interface name of 1 to ${longestName} ASCII characters without white space, quotes, "/", ":", "*", "%", "#", "\\" and ";", and not "all" or "default",`,
    );
  return name;
}

/** Names that mean something else in folders and below /proc/sys/net/. */
const reserved: ReadonlySet<string> = new Set(['.', '..', 'all', 'default']);

/** 68 is the least that IPv4 allows (RFC 791), 65535 the most that a veth takes. */
function parseMtu(fields: Fields): number {
  const mtu = fields.integer('mtu') ?? 0;
  if (mtu !== 0 && (mtu < 68 || mtu > 65535))
    throw fields.invalid('mtu', '0 (that of the uplink) or a whole number from 68 to 65535');
  return mtu;
}

/**
 * The kernel never forwards STP, pause frames and LACP: bits 0 to 2 (BR_GROUPFWD_RESTRICTED of
 * net/bridge/br_private.h).
 */
function parseGroupForwardMask(fields: Fields): number {
  const mask = fields.integer('group_fwd_mask', { min: 0, max: 0xffff }) ?? 0;
  if ((mask & 0b111) !== 0)
    throw fields.invalid('group_fwd_mask', 'a number without its lowest three bits, whose groups no bridge forwards,');
  return mask;
}

/** Least MTU of IPv6 (RFC 8200, section 5): the kernel takes IPv6 away from an interface with a smaller one. */
const leastIpv6Mtu = 1280;

export function hasRoomForIpv6(mtu: number): boolean {
  return mtu >= leastIpv6Mtu;
}

/** Throws code 7 for addresses of IPv6 on interfaces of an MTU that has no room for it. */
export function requireMtuFor(addresses: readonly string[], { mtu, bridge }: { mtu: number; bridge: string }): void {
  const first = addresses.find((address) => familyOf(address) === 6);
  if (first === undefined || hasRoomForIpv6(mtu)) return;
  throw new CniError(
    codes.invalidConfig,
    `Cannot give the container the address "${first}" with MTU ${mtu}: IPv6 needs ${leastIpv6Mtu} or more`,
    `Set "mtu" to ${leastIpv6Mtu} or more, or take the IPv6 ranges out of "ipam"; without "mtu" it is the least of "${bridge}" and of the host's default routes`,
  );
}

/** An empty object counts as absent: the reference takes what address management returned. */
function parseDns(fields: Fields): ResultDns | undefined {
  const dns = readDns(fields);
  return Object.keys(dns).length === 0 ? undefined : dns;
}

/** `true` for a tap named "tap0" in the namespace; an object says more. */
function parseTap(fields: Fields): Pick<LinkConf, 'tap' | 'hostTap'> {
  const value = fields.raw('tap');
  if (value === undefined || value === false) return {};
  if (value === true) return { tap: { name: defaultTap } };
  const tap = fields.object('tap');
  const name = tap?.string('name');
  if (tap === undefined || (name !== undefined && !isTapName(name)))
    throw fields.invalid('tap', 'true, or an object whose "name" is that of an interface');
  const settings = parseTapSettings(tap);
  const own = switchesOf(tap, ['ephemeral', 'manual']);
  if (tap.boolean('onHost') === true) return { hostTap: { ...(name === undefined ? {} : { name }), ...own, settings } };
  const [first] = Object.keys(own);
  if (first !== undefined)
    throw tap.invalid(
      first,
      'false unless "onHost" is true: another tap is its container\'s, and goes with it; so it is',
    );
  return { tap: { name: name ?? defaultTap, ...settings } };
}

/** The keys of "tap" in an object that has nothing else to say of links. Throws code 7. */
export function parseNamespaceTap(fields: Fields): TapConf {
  const name = fields.string('name') ?? defaultTap;
  return { name, ...parseTapSettings(fields) };
}

function parseTapSettings(tap: Fields): TapSettings {
  const id = (key: string): Record<string, number> => {
    const found = tap.integer(key, { min: 0, max: 0xffff_fffe });
    return found === undefined ? {} : { [key]: found };
  };
  return {
    ...id('owner'),
    ...id('group'),
    ...switchesOf(tap, ['multiQueue', 'vnetHeader']),
  };
}

/** Those of the keys that are true. */
function switchesOf<Key extends string>(fields: Fields, keys: readonly Key[]): { readonly [Each in Key]?: true } {
  const on = keys.filter((key) => fields.boolean(key) === true);
  return Object.fromEntries(on.map((key) => [key, true])) as { readonly [Each in Key]?: true };
}

/** Whether an interface can have the name. */
export function isTapName(name: string): boolean {
  return isPlainWord(name) && Buffer.byteLength(name) <= longestName && !/[/:%]/u.test(name) && !reserved.has(name);
}

const defaultTap = 'tap0';

function refuseContradictions(conf: LinkConf, fields: Fields): void {
  if (conf.hairpinMode && conf.promiscMode) {
    throw new CniError(
      codes.invalidConfig,
      'Cannot use "hairpinMode" and "promiscMode" together: both are true',
      'Both send a packet back out of the port that it came in by; keep one',
    );
  }
  const ipam = fields.object('ipam')?.string('type') ?? '';
  if (conf.routed) refuseKeysOfBridges(conf, fields, ipam);
  const hasTap = conf.tap !== undefined || conf.hostTap !== undefined;
  if (hasTap && (conf.disableContainerInterface || ipam === '' || ipam === 'dhcp'))
    throw new CniError(
      codes.invalidConfig,
      `Cannot use "tap" with "ipam.type" ${JSON.stringify(ipam)}: a guest is given an address that is known before`,
      'Use "host-local", or another plugin that gives addresses by itself',
    );
  if (conf.disableContainerInterface && ipam !== '') {
    throw new CniError(
      codes.invalidConfig,
      `Cannot use "disableContainerInterface" with addresses: "ipam.type" is ${JSON.stringify(ipam)}`,
      'An interface that stays down holds no usable address; leave "ipam" out',
    );
  }
  if (conf.vlan !== 0 && conf.isGateway) {
    const { name } = vlanGatewayNames(conf.bridge, conf.vlan);
    if (Buffer.byteLength(name) > longestName) {
      throw new CniError(
        codes.invalidConfig,
        `Cannot make a gateway for VLAN ${conf.vlan} of "${conf.bridge}": the interface name "${name}" is longer than ${longestName} bytes`,
        'Choose a shorter "bridge"',
      );
    }
  }
}

/** What a routed container has no use for; "hairpinMode" and "isGateway" ask for what it has anyway. */
function refuseKeysOfBridges(conf: LinkConf, fields: Fields, ipam: string): void {
  const asked = {
    bridge: (fields.string('bridge') ?? '') !== '',
    promiscMode: conf.promiscMode,
    vlan: conf.vlan !== 0,
    vlanTrunk: conf.trunk.length > 0,
    portIsolation: conf.portIsolation,
    group_fwd_mask: conf.groupForwardMask !== 0,
    disableContainerInterface: conf.disableContainerInterface,
  };
  const [key] = Object.entries(asked).flatMap(([name, isAsked]) => (isAsked ? [name] : []));
  if (key !== undefined)
    throw new CniError(
      codes.invalidConfig,
      `Cannot use ${JSON.stringify(key)} with "routed": a routed container is on no bridge`,
      `Leave ${JSON.stringify(key)} out, or "routed"`,
    );
  if (ipam === '' || ipam === 'dhcp')
    throw new CniError(
      codes.invalidConfig,
      `Cannot use "routed" with "ipam.type" ${JSON.stringify(ipam)}: the host routes to addresses that are known before`,
      'Use "host-local", or another plugin that gives addresses by itself',
    );
}
