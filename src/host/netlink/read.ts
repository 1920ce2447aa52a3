/**
 * Interfaces and routes as the kernel tells them, in the shape that host/interfaces.ts has from `ip -json` otherwise.
 */
import { addressText } from '../../ip/bytes.ts';
import type { HostAddress } from '../../links/overlaps.ts';
import type { AddressState, InterfaceState, LinkState, RouteState } from '../../links/state.ts';
import { Conversation, RefusedError } from './conversation.ts';
import { openKernel, openLibrary } from './libc.ts';
import { readBy } from './read-by.ts';
import { macText } from './mac.ts';
import {
  attribute,
  concat,
  decodeAttributes,
  flag,
  readNumber,
  readText,
  text,
  type,
  u32,
  u8,
  type Answer,
} from './message.ts';

/** Runs a reading of one namespace; undefined where that has to be done in another way. */
export async function readWith<T>(
  netns: string | undefined,
  read: (conversation: Conversation) => T,
  protocol?: number,
): Promise<{ readonly value: T } | undefined> {
  return readBy(openKernel(), { netns, protocol }, read);
}

let standing: Conversation | undefined;

/**
 * As {@link readWith} in the namespace of this process, at once, and from every command. Its socket stays for the next
 * one.
 */
export function readNow<T>(read: (conversation: Conversation) => T): { readonly value: T } | undefined {
  const kernel = openLibrary();
  standing ??= kernel && Conversation.open(kernel);
  if (standing === undefined) return undefined;
  try {
    return { value: read(standing) };
  } catch (error) {
    standing.close();
    standing = undefined;
    if (error instanceof RefusedError) return undefined;
    throw error;
  }
}

const ifla = {
  address: 1,
  ifname: 3,
  mtu: 4,
  link: 5,
  master: 10,
  operState: 16,
  linkInfo: 18,
  group: 27,
  carrierChanges: 35,
  netnsId: 37,
} as const;
const info = { kind: 1, data: 2, slaveKind: 4, slaveData: 5 } as const;
/** IFLA_BR_GROUP_FWD_MASK of linux/if_link.h. */
const bridgeGroupMask = 9;
const bridgePort = { state: 1, hairpin: 4, learning: 8, isolated: 33 } as const;
const portStates = ['disabled', 'listening', 'learning', 'forwarding', 'blocking'];
/** RFC 2863, as linux/if.h numbers them. */
const operStates = ['unknown', 'notpresent', 'down', 'lowerlayerdown', 'testing', 'dormant', 'up'];
const IFF_UP = 0x1;
const IFF_PROMISC = 0x100;
const ENODEV = 19;

/** Undefined when there is none of that name. */
export function readInterfaceOf(conversation: Conversation, name: string): InterfaceState | undefined {
  const link = readLinkOf(conversation, name);
  return link === undefined ? undefined : { ...link, addresses: readAddresses(conversation, link.index) };
}

/** As {@link readInterfaceOf}, without the addresses, which cost a listing of all. */
export function readLinkOf(conversation: Conversation, name: string): LinkState | undefined {
  const link = readLink(conversation, attribute(ifla.ifname, text(name)));
  return link === undefined ? undefined : linkState(link, (index) => nameOf(conversation, index));
}

/** All links of the namespace. */
export function readLinksOf(conversation: Conversation): LinkState[] {
  const links = conversation.read({
    type: type.getLink,
    flags: flag.dump,
    head: new Uint8Array(16),
    attributes: [],
  });
  const names = new Map(links.map((link) => [indexOf(link), readText(attributesOf(link).get(ifla.ifname) ?? u8())]));
  return links.map((link) => linkState(link, (index) => names.get(index)));
}

function linkState(link: Answer, nameOfIndex: (index: number) => string | undefined): LinkState {
  const attributes = attributesOf(link);
  const flags = readNumber(link.payload, 8, 4);
  const linkInfo = decodeAttributes(attributes.get(ifla.linkInfo) ?? u8());
  const isPort = readText(linkInfo.get(info.slaveKind) ?? u8()) === 'bridge';
  const port = decodeAttributes((isPort ? linkInfo.get(info.slaveData) : undefined) ?? u8());
  const kind = readText(linkInfo.get(info.kind) ?? u8());
  const mask = kind === 'bridge' ? decodeAttributes(linkInfo.get(info.data) ?? u8()).get(bridgeGroupMask) : undefined;
  const master = attributes.get(ifla.master);
  const masterName = master === undefined ? undefined : nameOfIndex(readNumber(master));
  const state = port.get(bridgePort.state);
  const group = attributes.get(ifla.group);
  const [otherEnd, netnsId] = [attributes.get(ifla.link), attributes.get(ifla.netnsId)];
  const changes = attributes.get(ifla.carrierChanges);
  return {
    name: readText(attributes.get(ifla.ifname) ?? u8()),
    index: indexOf(link),
    kind,
    mac: macText(attributes.get(ifla.address) ?? u8()),
    mtu: readNumber(attributes.get(ifla.mtu) ?? u8(0)),
    isUp: (flags & IFF_UP) !== 0,
    isPromiscuous: (flags & IFF_PROMISC) !== 0,
    operState: operStates[readNumber(attributes.get(ifla.operState) ?? u8(0))] ?? '',
    ...(changes === undefined ? {} : { carrierChanges: readNumber(changes) }),
    ...(otherEnd === undefined ? {} : { otherEnd: readNumber(otherEnd) }),
    ...(netnsId === undefined ? {} : { netnsId: readNumber(netnsId) | 0 }),
    ...(masterName === undefined ? {} : { master: masterName }),
    ...(state === undefined ? {} : { portState: portStates[readNumber(state)] ?? '' }),
    ...(mask === undefined ? {} : { groupForwardMask: readNumber(mask) }),
    group: group === undefined ? 0 : readNumber(group),
    hairpin: isOn(port.get(bridgePort.hairpin)),
    isolated: isOn(port.get(bridgePort.isolated)),
    learns: isOn(port.get(bridgePort.learning)),
  };
}

function indexOf({ payload }: Answer): number {
  return readNumber(payload, 4, 4);
}

function attributesOf({ payload }: Answer): Map<number, Uint8Array> {
  return decodeAttributes(payload.subarray(16));
}

/** Unicast routes through an interface, of every table. */
export function readRoutesOf(conversation: Conversation, name: string, families: readonly (4 | 6)[]): RouteState[] {
  const link = readLink(conversation, attribute(ifla.ifname, text(name)));
  if (link === undefined) return [];
  const index = readNumber(link.payload, 4, 4);
  return families.flatMap((family) =>
    dumpRoutes(conversation, family).flatMap((answer) => routesOf(answer, family, index)),
  );
}

/** Destinations of unicast routes of every table, each with the index of an interface that it leads through. */
export function readWaysOf(
  conversation: Conversation,
  families: readonly (4 | 6)[],
): { readonly index: number; readonly dst: string }[] {
  return families.flatMap((family) =>
    dumpRoutes(conversation, family).flatMap((answer) =>
      hopsOf(decodeAttributes(answer.payload.subarray(12))).flatMap(({ index }) =>
        routesOf(answer, family, index).map(({ dst }) => ({ index, dst })),
      ),
    ),
  );
}

function dumpRoutes(conversation: Conversation, family: 4 | 6): Answer[] {
  const head = Uint8Array.from({ length: 12 }, (_, at) => (at === 0 ? number[family] : 0));
  return [...conversation.read({ type: type.getRoute, flags: flag.dump, head, attributes: [] })];
}

function readLink(conversation: Conversation, which: ReturnType<typeof attribute>): Answer | undefined {
  try {
    return conversation.read({ type: type.getLink, flags: 0, head: new Uint8Array(16), attributes: [which] })[0];
  } catch (error) {
    if (error instanceof RefusedError && error.errno === ENODEV) return undefined;
    throw error;
  }
}

function nameOf(conversation: Conversation, index: number): string | undefined {
  const head = concat([u32(0), u32(index), u32(0), u32(0)]);
  const [link] = conversation.read({ type: type.getLink, flags: 0, head, attributes: [] });
  const name = link === undefined ? undefined : decodeAttributes(link.payload.subarray(16)).get(ifla.ifname);
  return name === undefined ? undefined : readText(name);
}

const number = { 4: 2, 6: 10 } as const;
const ifa = { address: 1, local: 2, label: 3, flags: 8 } as const;
const IFA_F_DADFAILED = 0x08;
const IFA_F_TENTATIVE = 0x40;
const scopes: Readonly<Record<number, string>> = { 0: 'global', 200: 'site', 253: 'link', 254: 'host', 255: 'nowhere' };

function readAddresses(conversation: Conversation, index: number): AddressState[] {
  const all = conversation.read({ type: type.getAddress, flags: flag.dump, head: new Uint8Array(8), attributes: [] });
  return all
    .filter(({ payload }) => readNumber(payload, 4, 4) === index)
    .map(({ payload }) => {
      const attributes = decodeAttributes(payload.subarray(8));
      // The local end; of IPv6 there is mostly one address only.
      const bytes = attributes.get(ifa.local) ?? attributes.get(ifa.address) ?? u8();
      const flags = readNumber(attributes.get(ifa.flags) ?? payload.subarray(2, 3));
      return {
        address: `${addressText(bytes)}/${readNumber(payload, 1, 1)}`,
        scope: scopes[readNumber(payload, 3, 1)] ?? '',
        tentative: (flags & IFA_F_TENTATIVE) !== 0,
        dadfailed: (flags & IFA_F_DADFAILED) !== 0,
      };
    });
}

/** Every address of the namespace that reaches beyond a link. */
export function readHostAddressesOf(conversation: Conversation): HostAddress[] {
  const names = new Map<number, string | undefined>();
  const nameOnce = (index: number): string | undefined => {
    if (!names.has(index)) names.set(index, nameOf(conversation, index));
    return names.get(index);
  };
  const all = conversation.read({ type: type.getAddress, flags: flag.dump, head: new Uint8Array(8), attributes: [] });
  // Addresses of IPv4 say it themselves, where there are as many interfaces as containers.
  for (const { payload } of all) {
    const label = decodeAttributes(payload.subarray(8)).get(ifa.label);
    if (label !== undefined) names.set(readNumber(payload, 4, 4), readText(label).split(':', 1)[0]);
  }
  return all
    .filter(({ payload }) => readNumber(payload, 3, 1) < scopeOfLink)
    .flatMap(({ payload }) => {
      const attributes = decodeAttributes(payload.subarray(8));
      const bytes = attributes.get(ifa.local) ?? attributes.get(ifa.address) ?? u8();
      const name = nameOnce(readNumber(payload, 4, 4));
      return name === undefined
        ? []
        : [{ interface: name, address: `${addressText(bytes)}/${readNumber(payload, 1, 1)}` }];
    });
}

const scopeOfLink = 253;

const rta = { destination: 1, outInterface: 4, gateway: 5, priority: 6, metrics: 8, multipath: 9, table: 15 } as const;
const rtax = { mtu: 2, advmss: 8 } as const;
const RTN_UNICAST = 1;
const RTM_F_CLONED = 0x200;

function routesOf({ payload }: Answer, family: 4 | 6, index: number): RouteState[] {
  // Exceptions that the kernel learnt (a path's MTU) are no routes.
  if (readNumber(payload, 7, 1) !== RTN_UNICAST || (readNumber(payload, 8, 4) & RTM_F_CLONED) !== 0) return [];
  const attributes = decodeAttributes(payload.subarray(12));
  const table = attributes.get(rta.table);
  const metrics = decodeAttributes(attributes.get(rta.metrics) ?? u8());
  const [mtu, advmss] = [metrics.get(rtax.mtu), metrics.get(rtax.advmss)];
  const priority = attributes.get(rta.priority);
  const destination = attributes.get(rta.destination) ?? new Uint8Array(family === 4 ? 4 : 16);
  return hopsOf(attributes)
    .filter((hop) => hop.index === index)
    .map(({ gateway }) => ({
      dst: `${addressText(destination)}/${readNumber(payload, 1, 1)}`,
      ...(gateway === undefined ? {} : { gw: addressText(gateway) }),
      table: table === undefined ? readNumber(payload, 4, 1) : readNumber(table),
      priority: priority === undefined ? 0 : readNumber(priority),
      ...(mtu === undefined ? {} : { mtu: readNumber(mtu) }),
      ...(advmss === undefined ? {} : { advmss: readNumber(advmss) }),
    }));
}

/** One, or several where routes that differ in their gateways alone became one (struct rtnexthop). */
function hopsOf(attributes: ReadonlyMap<number, Uint8Array>): { index: number; gateway: Uint8Array | undefined }[] {
  const single = attributes.get(rta.outInterface);
  if (single !== undefined) return [{ index: readNumber(single), gateway: attributes.get(rta.gateway) }];
  const several = attributes.get(rta.multipath) ?? u8();
  const hops: { index: number; gateway: Uint8Array | undefined }[] = [];
  for (let at = 0; at + 8 <= several.length;) {
    const length = readNumber(several, at, 2);
    if (length < 8) break;
    const own = decodeAttributes(several.subarray(at + 8, at + length));
    hops.push({ index: readNumber(several, at + 4, 4), gateway: own.get(rta.gateway) });
    at += (length + 3) & ~3;
  }
  return hops;
}

function isOn(value: Uint8Array | undefined): boolean {
  return value !== undefined && readNumber(value) === 1;
}
