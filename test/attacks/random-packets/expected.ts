/** What a made-up packet may reach, and what it must, by the one function that judges: src/egress/judge.ts. */
import { judge, type Surroundings } from '../../../src/egress/judge.ts';
import type { Policy } from '../../../src/egress/policy.ts';
import type { End, RandomPacket } from './packet.ts';

/** Where packets are heard. */
export interface Place {
  readonly name: string;
  /** Of a container: its addresses, and whether it is on the link of the one that sends. */
  readonly end?: End & { readonly isNear: boolean };
}

/** Who sends, and what is around. */
export interface Ground {
  readonly own: End;
  readonly gateway: End;
  /** Whether the host routes to those that are near, in place of a bridge. */
  readonly isRouted: boolean;
  readonly policy: Policy;
  readonly surroundings: Surroundings;
  readonly places: readonly Place[];
  /** Where the published ports of the host lead. */
  readonly publisher: string;
  /** Addresses that are out there, and have an owner. */
  readonly outside: readonly string[];
}

/** Whether a packet, or a later fragment of it, may be heard at a place. */
export function mayReach(packet: RandomPacket, place: Place, isLate: boolean, ground: Ground): boolean {
  if (isTagged(packet, ground) || packet.fromMac !== ground.own.mac) return false;
  if (packet.kind === 'ethertype') return false;
  if (packet.kind === 'arp') return mayAsk(packet, ground.own) && isOpenSibling(place, packet.family, ground);
  if (packet.kind === 'neighbour')
    return (
      mayDiscover(packet, ground.own) &&
      (place.name === 'host' ? speaksOfNeighbours(packet) : isOpenSibling(place, packet.family, ground))
    );
  if (packet.source !== ownSource(packet, ground.own)) return false;
  if (place.end !== undefined && place.name !== ground.publisher && !place.end.isNear) return false;
  if (place.end?.isNear === true && mayReachSibling(packet, place.end, isLate, ground)) return true;
  if (isDetour(packet)) return false;
  if (place.name === 'host' && isGroup(packet.destination)) return isWholeHostOpen(packet, ground);
  const leadsTo = placeOf(packet, ground);
  return leadsTo === place.name && mayLeave(packet, ground);
}

/** The place where a plain packet must be heard; undefined where nothing is promised. */
export function mustReach(packet: RandomPacket, ground: Ground): string | undefined {
  const isPlain =
    packet.kind === 'ip' &&
    packet.tags.length === 0 &&
    packet.extras.length === 0 &&
    packet.hops >= 8 &&
    ['whole', 'ordered', 'reversed'].includes(packet.cut) &&
    packet.fromMac === ground.own.mac &&
    packet.source === (packet.family === 4 ? ground.own.ip4 : ground.own.ip6) &&
    packet.quote === undefined &&
    beginsSomething(packet);
  if (!isPlain) return undefined;
  const near = ground.places.find(({ end }) => end?.isNear === true && [end.ip4, end.ip6].includes(packet.destination));
  if (near?.end !== undefined) {
    const nextMac = ground.isRouted ? ground.gateway.mac : near.end.mac;
    return packet.toMac === nextMac && isAllowed(packet, packet.destination, ground) ? near.name : undefined;
  }
  if (packet.toMac !== ground.gateway.mac || !isAllowed(packet, packet.destination, ground)) return undefined;
  const place = placeOf(packet, ground);
  if (place === 'outside') return ground.outside.includes(packet.destination) ? place : undefined;
  // A packet from the outside world's side of things: 127.0.0.1 and fe80 are the host's, and never come by a link.
  return place === 'host' && !/^(127\.|::1$|fe80)/u.test(packet.destination) ? place : undefined;
}

/**
 * Number 0 is a priority and no VLAN: a bridge's guard takes it all the same, and a routed veth is judged as without.
 */
function isTagged({ tags }: RandomPacket, { isRouted }: Ground): boolean {
  return isRouted ? tags.some((tag) => tag !== 0) : tags.length > 0;
}

function beginsSomething({ number, flags, type }: RandomPacket): boolean {
  if (number === 6) return flags === 'S';
  return number === 17 || number === 132 || (number === 1 && type === 8) || (number === 58 && type === 128);
}

function ownSource({ family, source }: RandomPacket, own: End): string {
  if (family === 4) return own.ip4;
  return source === own.fe80 ? own.fe80 : own.ip6;
}

/** Which place the host leads a packet to that is for its own MAC. */
function placeOf(packet: RandomPacket, { surroundings, publisher, places }: Ground): string {
  const { gateways, hostAddresses, published } = surroundings;
  const { destination, port } = packet;
  if (gateways.includes(destination) || hostAddresses.includes(destination)) {
    const isPublished = published.some((one) => one.port === port && one.protocol === protocolOf(packet));
    return isPublished ? publisher : 'host';
  }
  return places.find(({ end }) => end?.ip4 === destination || end?.ip6 === destination)?.name ?? 'outside';
}

/** What the host hears of a group is the host's: "hostPorts" are open at the gateway addresses alone. */
function isWholeHostOpen(packet: RandomPacket, ground: Ground): boolean {
  return ground.policy.audit || (ground.policy.hostAccess === 'all' && !isDenied(packet, ground));
}

function isGroup(address: string): boolean {
  return /^(22[4-9]|23\d|255)\.|\.255$|^ff/u.test(address);
}

function mayLeave(packet: RandomPacket, ground: Ground): boolean {
  const { quote } = packet;
  if (isAllowed(packet, packet.destination, ground)) return true;
  // An error about a flow that the policy allows goes back to whom it came from.
  return (
    quote !== undefined &&
    quote.source === packet.source &&
    quote.destination === packet.destination &&
    judge(ground.policy, { address: quote.destination, protocol: 'udp', port: quote.port }, ground.surroundings)
      .verdict === 'allow'
  );
}

/**
 * Inside a link a sibling hears what is for it, and what is for all, where neither is kept apart. What the policy
 * denies is denied there too, by the address that the packet is for.
 */
function mayReachSibling(packet: RandomPacket, end: End, isLate: boolean, ground: Ground): boolean {
  const place = { name: '', end: { ...end, isNear: true } };
  const isOwn = [end.ip4, end.ip6, end.fe80].includes(packet.destination);
  // To the MAC of a container goes what is for an address of that container.
  if (!ground.isRouted && packet.toMac === end.mac && !isOwn && !isGroup(packet.destination)) return false;
  // Rules of a bridge know of no connections: what nothing begins with may be an answer.
  if (!ground.isRouted && packet.toMac !== ground.gateway.mac && mayBeAnswer(packet))
    return isOpenSibling(place, packet.family, ground);
  const asked = isLate ? withoutPorts(ground) : ground;
  const isTalkOpen = isOwn
    ? isAllowed(packet, packet.family === 4 ? end.ip4 : end.ip6, asked)
    : isOpenSibling(place, packet.family, ground);
  return isTalkOpen && !isDenied(packet, asked);
}

/** Of a later fragment nobody knows the port: what is denied by ports is then kept from the first one. */
function withoutPorts(ground: Ground): Ground {
  const deny = ground.policy.deny.filter(({ ports }) => ports === undefined);
  return { ...ground, policy: { ...ground.policy, deny } };
}

/** Whether `deny` closes the destination, whatever else is open. */
function isDenied(packet: RandomPacket, { policy }: Ground): boolean {
  const open: Policy = { ...policy, mode: 'open', audit: false };
  return policy.audit ? false : judge(open, { address: packet.destination, ...serviceOf(packet) }).verdict === 'deny';
}

function isOpenSibling({ end }: Place, family: 4 | 6, ground: Ground): boolean {
  if (end === undefined || !end.isNear) return false;
  const policy: Policy = { ...ground.policy, deny: [] };
  const address = family === 4 ? end.ip4 : end.ip6;
  return judge(policy, { address, protocol: 'icmp' }, ground.surroundings).verdict === 'allow';
}

function mayBeAnswer({ kind, number, flags, type = -1 }: RandomPacket): boolean {
  if (kind !== 'ip') return false;
  if (number === 6) return !(flags?.includes('S') === true && !flags.includes('A'));
  return number === 1 ? [0, 3, 11, 12].includes(type) : number === 58 && [1, 2, 3, 4, 129].includes(type);
}

function isAllowed(packet: RandomPacket, address: string, { policy, surroundings }: Ground): boolean {
  return judge(policy, { address, ...serviceOf(packet) }, surroundings).verdict === 'allow';
}

function serviceOf(packet: RandomPacket): { protocol: string; port?: number } {
  const { port } = packet;
  return { protocol: protocolOf(packet), ...(port === undefined ? {} : { port }) };
}

const protocols: Readonly<Record<number, string>> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'icmp', 132: 'sctp' };

function protocolOf({ number, family }: RandomPacket): string {
  if (number === (family === 4 ? 58 : 1)) return 'other';
  return protocols[number] ?? 'other';
}

/** A source route or a routing header leads to another destination than the one that was judged. */
function isDetour({ extras }: RandomPacket): boolean {
  return extras.some((extra) => extra === 'lsrr' || extra === 'ssrr' || extra === 'routing');
}

/** Whether ARP says nothing but the truth about its sender. */
function mayAsk({ source, claimedMac, type }: RandomPacket, own: End): boolean {
  return claimedMac === own.mac && (source === own.ip4 || (source === '0.0.0.0' && type === 1));
}

const [
  listenerQuery,
  listenerReport,
  listenerDone,
  routerAdvertisement,
  solicitation,
  advertisement,
  redirect,
  report2,
] = [130, 131, 132, 134, 135, 136, 137, 143];

function mayDiscover({ source, type, target }: RandomPacket, own: End): boolean {
  if (type === routerAdvertisement || type === redirect || type === listenerQuery) return false;
  const mine = [own.ip6, own.fe80];
  if (type === advertisement && !mine.includes(target ?? '')) return false;
  if (mine.includes(source)) return true;
  if (source !== '::') return false;
  if (type === solicitation) return mine.includes(target ?? '');
  return [listenerReport, listenerDone, report2].includes(type ?? 0);
}

function speaksOfNeighbours({ type }: RandomPacket): boolean {
  return type === solicitation || type === advertisement;
}
