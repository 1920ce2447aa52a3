import { addressBytes } from '../../ip/bytes.ts';
import { splitPrefix } from '../../ip/prefix.ts';
import type { LinkCommand, LinkCommandKind, LinkSettings, NewAddress, Route, VethEnd } from '../../links/command.ts';
import { macBytes } from './mac.ts';
import { planNeighbour } from './neighbour-request.ts';
import { planFilterQueue, planQueueRemoval, planRedirection, planRedirectionRemoval } from './queue-request.ts';
import {
  attribute,
  concat,
  encodeAttributes,
  flag,
  text,
  type,
  u16,
  u32,
  u8,
  type Attribute,
  type Request,
} from './message.ts';

/** What a request needs that only the kernel and the file system know. */
export interface Lookup {
  /** Index of an interface. */
  readonly index: (name: string) => number;
  /** Descriptor of the file of a network namespace. */
  readonly namespace: (path: string) => number;
}

/** A request that wants {@link Lookup}; whatever that throws passes through. */
export type PlannedRequest = (lookup: Lookup) => Request;

/** The request to the kernel that is a command. Undefined for a kind, or a value, that is left to a program. Pure. */
export function requestOf<Kind extends LinkCommandKind>(command: LinkCommand<Kind>): PlannedRequest | undefined {
  return requests[command.kind]?.(command);
}

/** What is not here is left to a program: VLANs, routing rules, limits, and filters that are programs. */
const requests: {
  readonly [Kind in LinkCommandKind]?: (command: LinkCommand<Kind>) => PlannedRequest | undefined;
} = {
  addBridge: (command) => planNewLink('bridge', command),
  addVeth: ({ end, peer }) => planVeth(end, peer),
  addIfb: (command) => planNewLink('ifb', command),
  setLink: planLinkChange,
  setBridge: ({ name, vlanFiltering, groupForwardMask }) =>
    vlanFiltering !== undefined
      ? undefined
      : planLinkInfo(name, [
          attribute(info.kind, text('bridge')),
          attribute(
            info.data,
            optional(groupForwardMask, (value) => attribute(bridgeGroupForwardMask, u16(value))),
          ),
        ]),
  setPort: ({ name, hairpin, isolated, learning }) =>
    planLinkInfo(name, [
      attribute(info.slaveKind, text('bridge')),
      attribute(info.slaveData, [
        ...optional(hairpin, (value) => attribute(bridgePort.hairpin, u8(Number(value)))),
        ...optional(isolated, (value) => attribute(bridgePort.isolated, u8(Number(value)))),
        ...optional(learning, (value) => attribute(bridgePort.learning, u8(Number(value)))),
        ...optional(learning, (value) => attribute(bridgePort.unicastFlood, u8(Number(value)))),
      ]),
    ]),
  deleteLink:
    ({ name }) =>
    () =>
      linkRequest(type.delLink, 0, [ifname(name)]),
  replaceAddress: (command) => planAddress(type.newAddress, flag.create | flag.replace, command),
  deleteAddress: (command) => planAddress(type.delAddress, 0, command),
  replaceNeighbour: planNeighbour,
  replaceStaticMac: planNeighbour,
  addRoute: (route) => planRoute(type.newRoute, flag.create | flag.exclusive, route),
  appendRoute: (route) => planRoute(type.newRoute, flag.create | flag.append, route),
  prependRoute: (route) => planRoute(type.newRoute, flag.create, route),
  replaceRoute: (route) => planRoute(type.newRoute, flag.create | flag.replace, route),
  deleteRoute: (route) => planRoute(type.delRoute, 0, route),
  addFilterQueue: planFilterQueue,
  deleteQueue: planQueueRemoval,
  redirectIncoming: planRedirection,
  deleteRedirection: planRedirectionRemoval,
};

/** Attributes of linux/if_link.h. */
const ifla = {
  address: 1,
  ifname: 3,
  mtu: 4,
  master: 10,
  queueLength: 13,
  linkInfo: 18,
  afSpec: 26,
  group: 27,
  netnsFd: 28,
} as const;
const info = { kind: 1, data: 2, slaveKind: 4, slaveData: 5 } as const;
const vethPeer = 1;
const bridgeGroupForwardMask = 9;
const bridgePort = { hairpin: 4, learning: 8, unicastFlood: 9, isolated: 33 } as const;
const AF_INET = 2;
const AF_INET6 = 10;
const inet6AddrGenMode = 8;
const ADDR_GEN_MODE_NONE = 1;
/** Flags of linux/if.h. */
const iff = { up: 0x1, promiscuous: 0x100, allMulticast: 0x200 } as const;

/** Both ends at once. */
function planVeth(end: VethEnd, peer: VethEnd): PlannedRequest | undefined {
  const [own, other] = [planEnd(end), planEnd(peer)];
  if (own === undefined || other === undefined) return undefined;
  return (lookup) =>
    linkRequest(type.newLink, flag.create | flag.exclusive, [
      ...own(lookup),
      attribute(ifla.linkInfo, [
        attribute(info.kind, text('veth')),
        attribute(info.data, [attribute(vethPeer, concat([linkHead(0, 0), encodeAttributes(other(lookup))]))]),
      ]),
    ]);
}

function planEnd({ name, netns, mtu, mac, master, group }: VethEnd): ((lookup: Lookup) => Attribute[]) | undefined {
  const address = macBytes(mac);
  // A name without a slash is one of /run/netns for `ip`.
  if (address === undefined || (netns !== undefined && !netns.startsWith('/'))) return undefined;
  return ({ index, namespace }) => [
    ifname(name),
    attribute(ifla.mtu, u32(mtu)),
    attribute(ifla.address, address),
    ...optional(master, (value) => attribute(ifla.master, u32(index(value)))),
    ...optional(group, (value) => attribute(ifla.group, u32(value))),
    ...optional(netns, (value) => attribute(ifla.netnsFd, u32(namespace(value)))),
  ];
}

function planNewLink(
  kind: 'bridge' | 'ifb',
  { name, mac, mtu }: { readonly name: string; readonly mac: string; readonly mtu?: number },
): PlannedRequest | undefined {
  const address = macBytes(mac);
  if (address === undefined) return undefined;
  return () =>
    linkRequest(type.newLink, flag.create | flag.exclusive, [
      ifname(name),
      attribute(ifla.address, address),
      ...optional(mtu, (value) => attribute(ifla.mtu, u32(value))),
      attribute(ifla.linkInfo, [attribute(info.kind, text(kind))]),
    ]);
}

function planLinkChange(command: { readonly name: string } & LinkSettings): PlannedRequest | undefined {
  const { name, mac, mtu, master, group, addressGeneration, queueLength } = command;
  const address = mac === undefined ? undefined : macBytes(mac);
  if (mac !== undefined && address === undefined) return undefined;
  const { flags, change } = flagsOf(command);
  const generation = [attribute(AF_INET6, [attribute(inet6AddrGenMode, u8(ADDR_GEN_MODE_NONE))])];
  return ({ index }) => ({
    type: type.newLink,
    flags: 0,
    head: linkHead(flags, change),
    attributes: [
      ifname(name),
      ...optional(mtu, (value) => attribute(ifla.mtu, u32(value))),
      ...optional(address, (value) => attribute(ifla.address, value)),
      ...optional(master, (value) => attribute(ifla.master, u32(index(value)))),
      ...optional(group, (value) => attribute(ifla.group, u32(value))),
      ...optional(queueLength, (value) => attribute(ifla.queueLength, u32(value))),
      ...optional(addressGeneration, () => attribute(ifla.afSpec, generation)),
    ],
  });
}

function flagsOf({ state, promiscuous, allMulticast }: LinkSettings): { flags: number; change: number } {
  const wanted = [
    [iff.up, state === undefined ? undefined : state === 'up'],
    [iff.promiscuous, promiscuous],
    [iff.allMulticast, allMulticast],
  ] as const;
  return {
    flags: wanted.reduce((sum, [bit, isOn]) => sum | (isOn === true ? bit : 0), 0),
    change: wanted.reduce((sum, [bit, isOn]) => sum | (isOn === undefined ? 0 : bit), 0),
  };
}

function planLinkInfo(name: string, attributes: readonly Attribute[]): PlannedRequest {
  return () => linkRequest(type.newLink, 0, [ifname(name), attribute(ifla.linkInfo, attributes)]);
}

function linkRequest(kind: number, flags: number, attributes: readonly Attribute[]): Request {
  return { type: kind, flags, head: linkHead(0, 0), attributes };
}

/** struct ifinfomsg; the interface is told by its name. */
function linkHead(flags: number, change: number): Uint8Array {
  return concat([u32(0), u32(0), u32(flags), u32(change)]);
}

function ifname(name: string): Attribute {
  return attribute(ifla.ifname, text(name));
}

const ifa = { address: 1, local: 2 } as const;
const IFA_F_NODAD = 0x02;
/** Of rtnetlink(7), for addresses and routes. */
const scopes = { global: 0, link: 253, host: 254, nowhere: 255 } as const;

/** struct ifaddrmsg. */
function planAddress(
  kind: number,
  flags: number,
  { name, address, nodad = false }: NewAddress,
): PlannedRequest | undefined {
  const prefix = prefixBytes(address);
  if (prefix === undefined) return undefined;
  const { family, bytes, length } = prefix;
  const scope = family === AF_INET && bytes[0] === 127 ? scopes.host : scopes.global;
  return ({ index }) => ({
    type: kind,
    flags,
    head: concat([u8(family, length, nodad ? IFA_F_NODAD : 0, scope), u32(index(name))]),
    attributes: [attribute(ifa.local, bytes), attribute(ifa.address, bytes)],
  });
}

const rta = {
  destination: 1,
  outInterface: 4,
  gateway: 5,
  priority: 6,
  preferredSource: 7,
  metrics: 8,
  table: 15,
} as const;
const rtax = { mtu: 2, advmss: 8 } as const;
const mainTable = 254;
const protocols = { kernel: 2, boot: 3 } as const;
const RTN_UNICAST = 1;

/** struct rtmsg. */
function planRoute(kind: number, flags: number, route: Route): PlannedRequest | undefined {
  const { dst, via, dev, protocol = 'boot', mtu, advmss, metric, table = mainTable, source } = route;
  const prefix = prefixBytes(dst);
  const [gateway, preferred] = [via, source].map((value) => (value === undefined ? undefined : addressBytes(value)));
  if (prefix === undefined) return undefined;
  // A gateway of the other family is another attribute.
  if (via !== undefined && gateway?.length !== prefix.bytes.length) return undefined;
  if (source !== undefined && preferred?.length !== prefix.bytes.length) return undefined;
  // What is deleted is found whatever its scope is.
  const anyScope = kind === type.delRoute ? scopes.nowhere : gateway === undefined ? scopes.link : scopes.global;
  const metrics = [
    ...optional(mtu, (value) => attribute(rtax.mtu, u32(value))),
    ...optional(advmss, (value) => attribute(rtax.advmss, u32(value))),
  ];
  const head = concat([
    u8(prefix.family, prefix.length, 0, 0, table < 256 ? table : 0),
    u8(protocols[protocol], route.scope ?? anyScope, RTN_UNICAST),
    u32(0),
  ]);
  return ({ index }) => ({
    type: kind,
    flags,
    head,
    attributes: [
      ...(prefix.length === 0 ? [] : [attribute(rta.destination, prefix.bytes)]),
      ...optional(gateway, (value) => attribute(rta.gateway, value)),
      attribute(rta.outInterface, u32(index(dev))),
      ...optional(preferred, (value) => attribute(rta.preferredSource, value)),
      ...optional(metric, (value) => attribute(rta.priority, u32(value))),
      ...(table < 256 ? [] : [attribute(rta.table, u32(table))]),
      ...(metrics.length === 0 ? [] : [attribute(rta.metrics, metrics)]),
    ],
  });
}

function optional<Value, Made>(value: Value | undefined, make: (value: Value) => Made): Made[] {
  return value === undefined ? [] : [make(value)];
}

function prefixBytes(value: string): { family: number; bytes: Uint8Array; length: number } | undefined {
  const { address, length: bits } = splitPrefix(value);
  const bytes = addressBytes(address);
  const length = Number(bits);
  if (bytes === undefined || !Number.isInteger(length) || length > bytes.length * 8) return undefined;
  return { family: familyOf(bytes), bytes, length };
}

function familyOf(bytes: Uint8Array): number {
  return bytes.length === 4 ? AF_INET : AF_INET6;
}
