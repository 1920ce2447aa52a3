/**
 * Lines of `ip -batch` -> requests to the kernel: those of its words that links/ writes. A line with any other word is
 * not understood, and is left to `ip` itself. Pure.
 */
import { addressBytes, macBytes } from './address.ts';
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

/** What a request needs that only the kernel and the file system know. Each throws {@link NotFoundError}. */
export interface Lookup {
  /** Index of an interface. */
  readonly index: (name: string) => number;
  /** Descriptor of the file of a network namespace. */
  readonly namespace: (path: string) => number;
}

/** Something that a line names is not there; the message is what `ip` prints then. */
export class NotFoundError extends Error {}

export type PlannedLine = (found: Lookup) => Request;

/** Undefined for a line that is not understood. */
export function planLine(line: string): PlannedLine | undefined {
  const [object, verb, ...words] = line.split(' ');
  switch (`${object} ${verb}`) {
    case 'link add':
      return planVeth(words);
    case 'link set':
      return planLinkChange(words);
    case 'link del':
      return words[0] === 'dev' && words.length === 2 ? linkRequest(type.delLink, 0, [ifname(words[1])]) : undefined;
    case 'address add':
      return planAddress(words, flag.create | flag.exclusive);
    case 'address replace':
      return planAddress(words, flag.create | flag.replace);
    case 'route append':
      return planRoute(words, flag.create | flag.append);
    case 'route add':
      return planRoute(words, flag.create | flag.exclusive);
    case 'neighbour replace':
      return planNeighbour(words);
    default:
      return undefined;
  }
}

/** Attributes of linux/if_link.h. */
const ifla = { address: 1, ifname: 3, mtu: 4, master: 10, linkInfo: 18, afSpec: 26, netnsFd: 28 } as const;
const info = { kind: 1, data: 2, slaveKind: 4, slaveData: 5 } as const;
const vethPeer = 1;
const bridgePort = { hairpin: 4, isolated: 33 } as const;
const AF_INET = 2;
const AF_INET6 = 10;
const inet6AddrGenMode = 8;
const ADDR_GEN_MODE_NONE = 1;
const IFF_UP = 0x1;
const IFF_PROMISC = 0x100;

/** "name H … type veth peer name C …": both ends at once. */
function planVeth(words: readonly string[]): PlannedLine | undefined {
  const place = words.indexOf('type');
  const [, kind, peerWord] = words.slice(place);
  const own = readWords(words.slice(0, place), endWords);
  const peer = readWords(words.slice(place + 3), endWords);
  if (place === -1 || kind !== 'veth' || peerWord !== 'peer' || own?.get('name') === undefined || peer === undefined)
    return undefined;
  const ends = [endAttributes(own), endAttributes(peer)] as const;
  if (ends[0] === undefined || ends[1] === undefined) return undefined;
  const [ownEnd, peerEnd] = ends;
  return (found) =>
    linkRequest(type.newLink, flag.create | flag.exclusive, [
      ...ownEnd(found),
      attribute(ifla.linkInfo, [
        attribute(info.kind, text('veth')),
        attribute(info.data, [attribute(vethPeer, concat([linkHead(0, 0), encodeAttributes(peerEnd(found))]))]),
      ]),
    ])(found);
}

const endWords = ['name', 'mtu', 'address', 'master', 'netns'] as const;

function endAttributes(words: ReadonlyMap<string, string>): ((found: Lookup) => Attribute[]) | undefined {
  const mtu = words.get('mtu');
  const address = words.get('address');
  const mac = address === undefined ? undefined : macBytes(address);
  if ((mtu !== undefined && !isNumber(mtu)) || (address !== undefined && mac === undefined)) return undefined;
  const master = words.get('master');
  const netns = words.get('netns');
  // A name without a slash is one of /run/netns for `ip`.
  if (netns !== undefined && !netns.startsWith('/')) return undefined;
  return ({ index, namespace }) => [
    ...(words.has('name') ? [ifname(words.get('name'))] : []),
    ...(mtu === undefined ? [] : [attribute(ifla.mtu, u32(Number(mtu)))]),
    ...(mac === undefined ? [] : [attribute(ifla.address, mac)]),
    ...(master === undefined ? [] : [attribute(ifla.master, u32(index(master)))]),
    ...(netns === undefined ? [] : [attribute(ifla.netnsFd, u32(namespace(netns)))]),
  ];
}

/** "dev H" and then what it shall be: "type bridge_slave hairpin on", or flags, MTU, MAC, master. */
function planLinkChange([dev, name, ...words]: readonly string[]): PlannedLine | undefined {
  if (dev !== 'dev' || name === undefined || words.length === 0) return undefined;
  if (words[0] === 'type') return planPortChange(name, words.slice(1));
  const states = words.filter((word) => word === 'up' || word === 'down');
  const values = readWords(
    words.filter((word) => word !== 'up' && word !== 'down'),
    ['mtu', 'address', 'master', 'addrgenmode', 'promisc'],
  );
  const end = values && endAttributes(values);
  const promiscuous = values?.get('promisc');
  if (
    end === undefined ||
    states.length > 1 ||
    !['none', undefined].includes(values?.get('addrgenmode')) ||
    !['on', 'off', undefined].includes(promiscuous)
  )
    return undefined;
  const change = (states.length > 0 ? IFF_UP : 0) | (promiscuous === undefined ? 0 : IFF_PROMISC);
  const flags = (states[0] === 'up' ? IFF_UP : 0) | (promiscuous === 'on' ? IFF_PROMISC : 0);
  const withoutAddress =
    values?.get('addrgenmode') === undefined
      ? []
      : [attribute(ifla.afSpec, [attribute(AF_INET6, [attribute(inet6AddrGenMode, u8(ADDR_GEN_MODE_NONE))])])];
  return (found) => ({
    type: type.newLink,
    flags: 0,
    head: linkHead(flags, change),
    attributes: [ifname(name), ...end(found), ...withoutAddress],
  });
}

function planPortChange(name: string, [kind, ...words]: readonly string[]): PlannedLine | undefined {
  const values = readWords(words, ['hairpin', 'isolated']);
  if (kind !== 'bridge_slave' || values === undefined || ![...values.values()].every(isSwitch)) return undefined;
  const data = [...values].map(([key, value]) =>
    attribute(bridgePort[key as keyof typeof bridgePort], u8(value === 'on' ? 1 : 0)),
  );
  return linkRequest(type.newLink, 0, [
    ifname(name),
    attribute(ifla.linkInfo, [attribute(info.slaveKind, text('bridge')), attribute(info.slaveData, data)]),
  ]);
}

const ifa = { address: 1, local: 2 } as const;
const IFA_F_NODAD = 0x02;
const scopes = { global: 0, link: 253, host: 254 } as const;

/** "A/L dev D", and "nodad" for an address that nobody else has. */
function planAddress(
  [address = '', dev, name = '', ...rest]: readonly string[],
  flags: number,
): PlannedLine | undefined {
  const prefix = readPrefix(address);
  const isPlain = rest.length === 0 || (rest.length === 1 && rest[0] === 'nodad');
  if (prefix === undefined || dev !== 'dev' || !isPlain) return undefined;
  const { family, bytes, length } = prefix;
  const scope = family === AF_INET && bytes[0] === 127 ? scopes.host : scopes.global;
  return ({ index }) => ({
    type: type.newAddress,
    flags,
    head: concat([u8(family, length, rest.length === 0 ? 0 : IFA_F_NODAD, scope), u32(index(name))]),
    attributes: [attribute(ifa.local, bytes), attribute(ifa.address, bytes)],
  });
}

const rta = { destination: 1, outInterface: 4, gateway: 5, priority: 6, metrics: 8, table: 15 } as const;
const rtax = { mtu: 2, advmss: 8 } as const;
const mainTable = 254;
const RTPROT_BOOT = 3;
const RTN_UNICAST = 1;

/** "D/L [via G] dev I …", numbers only. */
function planRoute([destination = '', ...words]: readonly string[], flags: number): PlannedLine | undefined {
  const prefix = readPrefix(destination);
  const values = readWords(words, ['via', 'dev', 'mtu', 'advmss', 'metric', 'table', 'scope']);
  const name = values?.get('dev');
  if (prefix === undefined || values === undefined || name === undefined) return undefined;
  const via = values.get('via');
  const gateway = via === undefined ? undefined : addressBytes(via);
  // A gateway of the other family is another attribute.
  if (via !== undefined && gateway?.length !== prefix.bytes.length) return undefined;
  const numbers = ['mtu', 'advmss', 'metric', 'table', 'scope'].map((key) => values.get(key));
  if (!numbers.every((value) => value === undefined || isNumber(value))) return undefined;
  const [mtu, advmss, metric, table, scope] = numbers.map((value) => (value === undefined ? undefined : Number(value)));
  const metrics = [
    ...(mtu === undefined ? [] : [attribute(rtax.mtu, u32(mtu))]),
    ...(advmss === undefined ? [] : [attribute(rtax.advmss, u32(advmss))]),
  ];
  const reach = scope ?? (gateway === undefined ? scopes.link : scopes.global);
  const inTable = table ?? mainTable;
  return ({ index }) => ({
    type: type.newRoute,
    flags,
    head: concat([
      u8(prefix.family, prefix.length, 0, 0, inTable < 256 ? inTable : 0, RTPROT_BOOT, reach, RTN_UNICAST),
      u32(0),
    ]),
    attributes: [
      ...(prefix.length === 0 ? [] : [attribute(rta.destination, prefix.bytes)]),
      ...(gateway === undefined ? [] : [attribute(rta.gateway, gateway)]),
      attribute(rta.outInterface, u32(index(name))),
      ...(metric === undefined ? [] : [attribute(rta.priority, u32(metric))]),
      ...(inTable < 256 ? [] : [attribute(rta.table, u32(inTable))]),
      ...(metrics.length === 0 ? [] : [attribute(rta.metrics, metrics)]),
    ],
  });
}

const nda = { destination: 1, linkAddress: 2 } as const;
const NUD_REACHABLE = 0x02;

/** "A lladdr M dev D nud reachable". */
function planNeighbour([address = '', ...words]: readonly string[]): PlannedLine | undefined {
  const values = readWords(words, ['lladdr', 'dev', 'nud']);
  const bytes = addressBytes(address);
  const mac = macBytes(values?.get('lladdr') ?? '');
  const name = values?.get('dev');
  if (bytes === undefined || mac === undefined || name === undefined || values?.get('nud') !== 'reachable')
    return undefined;
  return ({ index }) => ({
    type: type.newNeighbour,
    flags: flag.create | flag.replace,
    head: concat([u8(familyOf(bytes), 0), u16(0), u32(index(name)), u16(NUD_REACHABLE), u8(0, 0)]),
    attributes: [attribute(nda.destination, bytes), attribute(nda.linkAddress, mac)],
  });
}

/** Words in pairs, each key once; undefined when there is another one, or one without a value. */
function readWords(words: readonly string[], known: readonly string[]): Map<string, string> | undefined {
  const values = new Map<string, string>();
  for (let at = 0; at < words.length; at += 2) {
    const [key = '', value] = words.slice(at, at + 2);
    if (!known.includes(key) || value === undefined || values.has(key)) return undefined;
    values.set(key, value);
  }
  return values;
}

function linkRequest(kind: number, flags: number, attributes: readonly Attribute[]): PlannedLine {
  return () => ({ type: kind, flags, head: linkHead(0, 0), attributes });
}

/** struct ifinfomsg; the interface is told by its name. */
function linkHead(flags: number, change: number): Uint8Array {
  return concat([u32(0), u32(0), u32(flags), u32(change)]);
}

function ifname(name = ''): Attribute {
  return attribute(ifla.ifname, text(name));
}

function readPrefix(value: string): { family: number; bytes: Uint8Array; length: number } | undefined {
  const [address = '', bits = '', ...more] = value.split('/');
  const bytes = addressBytes(address);
  if (bytes === undefined || !isNumber(bits) || Number(bits) > bytes.length * 8 || more.length > 0) return undefined;
  return { family: familyOf(bytes), bytes, length: Number(bits) };
}

function familyOf(bytes: Uint8Array): number {
  return bytes.length === 4 ? AF_INET : AF_INET6;
}

function isNumber(value: string): boolean {
  return /^\d{1,9}$/u.test(value);
}

function isSwitch(value: string): boolean {
  return value === 'on' || value === 'off';
}
