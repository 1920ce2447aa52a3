import { blockerOf, narrowerRejects, placeBeforeEnd, type Packet } from './evaluate.ts';
import type { Listing, Rule } from './listing.ts';

/** What of the host a bridge's containers are to reach; the shape of a policy's rule for ports. */
export interface HostPort {
  /** "any" without ports is everything. */
  readonly protocol: 'any' | 'tcp' | 'udp' | 'sctp' | 'icmp';
  /** Inclusive; absent means every port. */
  readonly ports?: { readonly from: number; readonly to: number };
}

/** What has to pass for a bridge. */
export interface Opening {
  readonly bridge: string;
  readonly hostPorts: readonly HostPort[];
  /** "published": from outside only answers and what was translated to a container; "open": everything. */
  readonly ingress: 'published' | 'open';
}

export interface OpeningPlan {
  /** Input of `iptables-restore --noflush`, one transaction; "" when there is nothing to do. */
  readonly text: string;
  /** What would drop the bridge's traffic if no rule of ours were there, in words, each once. */
  readonly blockers: readonly string[];
  /** What drops it with the rules as they are; empty when ours are in force. */
  readonly dropping: readonly string[];
  /** Rules about something narrower that ours come before, because they stand behind what drops everything of ours. */
  readonly overruled: readonly string[];
}

/** A rule and the chain that it stands in. */
interface PlacedRule {
  readonly chain: string;
  readonly text: string;
}

/** The same with its place in the chain, from 1. */
interface Insertion extends PlacedRule {
  readonly place: number;
}

/**
 * Plans the accepts that a filter table needs to let a bridge's traffic pass: in FORWARD, or in DOCKER-USER
 * where that comes first (dockerd puts its own jumps before everything at each start, and leaves that chain alone),
 * and in INPUT. They come before the rule that drops everything of ours, or last where the policy does, so that what an
 * operator rejects by address goes on being rejected. A table that drops nothing of ours gets no rule.
 */
export function planOpening(listing: Listing, family: 4 | 6, opening: Opening): OpeningPlan {
  const ours = ourRules(listing, opening.bridge);
  const without = withoutRules(listing, ours);
  const packets = packetsOf(family, opening);
  const blockers = unique(packets.map((packet) => blockerOf(without, packet)));
  const dropping = unique(packets.map((packet) => blockerOf(listing, packet)));
  if (blockers.length === 0) return { text: '', blockers, dropping, overruled: [] };

  const hooks = new Set(packets.filter((packet) => blockerOf(without, packet) !== undefined).map(({ hook }) => hook));
  const chain = forwardChain(without);
  const wanted = [
    ...(hooks.has('FORWARD') ? placed(without, { chain, hook: 'FORWARD', packets }, forwardAccepts(opening)) : []),
    ...(hooks.has('INPUT')
      ? placed(without, { chain: 'INPUT', hook: 'INPUT', packets }, inputAccepts(family, opening))
      : []),
  ];
  const overruled = unique(
    packets.filter(({ hook }) => hooks.has(hook)).flatMap((packet) => behind(without, packet, wanted)),
  );
  const text = isAsWanted(listing, without, wanted)
    ? ''
    : transaction([...ours.map(deletion), ...wanted.map(insertion)]);
  return { text, blockers, dropping, overruled };
}

/** Plans the removal of every rule of ours for a bridge; "" when there is none. */
export function planClosing(listing: Listing, bridge: string): string {
  return transaction(ourRules(listing, bridge).map(deletion));
}

/** Tells our rules from all others, and a bridge's from another's. */
function commentOf(bridge: string): string {
  return `drawbridge: ${bridge}`;
}

function ourRules({ chains }: Listing, bridge: string): Rule[] {
  const comment = commentOf(bridge);
  return [...chains.values()].flat().filter((rule) => rule.comment === comment);
}

function withoutRules({ policies, chains }: Listing, rules: readonly Rule[]): Listing {
  return {
    policies,
    chains: new Map([...chains].map(([name, list]) => [name, list.filter((rule) => !rules.includes(rule))])),
  };
}

/** Examples of everything that has to pass: one packet of each kind that our rules tell apart. */
function packetsOf(family: 4 | 6, { bridge, hostPorts, ingress }: Opening): Packet[] {
  const from: Packet[] = ['tcp', 'udp'].map((protocol) => ({ hook: 'FORWARD', in: bridge, protocol, states: ['NEW'] }));
  const to: Packet[] = [['ESTABLISHED'], ['NEW', 'DNAT'], ...(ingress === 'open' ? [['NEW']] : [])].map((states) => ({
    hook: 'FORWARD',
    out: bridge,
    protocol: 'tcp',
    states,
  }));
  const icmp: Packet[] = icmpTypes[family].map((icmpType) => ({
    hook: 'INPUT',
    in: bridge,
    protocol: icmpName[family],
    icmpType,
    states: ['NEW'],
  }));
  const answers: Packet = { hook: 'INPUT', in: bridge, protocol: 'tcp', port: 32768, states: ['ESTABLISHED'] };
  const ports = hostPorts.flatMap(({ protocol, ports: range }): Packet[] =>
    protocol === 'icmp'
      ? []
      : protocolsOf(protocol).map((one) => ({
          hook: 'INPUT',
          in: bridge,
          protocol: one,
          port: range?.from ?? 1,
          states: ['NEW'],
        })),
  );
  return [...from, ...to, answers, ...icmp, ...ports];
}

const icmpName = { 4: 'icmp', 6: 'ipv6-icmp' } as const;

/** Echo, and for IPv6 neighbour solicitation and advertisement, without which no address is found at all. */
const icmpTypes = { 4: [8], 6: [128, 135, 136] } as const;

function forwardAccepts({ bridge, ingress }: Opening): string[] {
  const inward = ingress === 'open' ? '' : ' -m conntrack --ctstate RELATED,ESTABLISHED,DNAT';
  return [`-i ${bridge}`, `-o ${bridge}${inward}`].map((match) => accept(match, bridge));
}

function inputAccepts(family: 4 | 6, { bridge, hostPorts }: Opening): string[] {
  const icmp = icmpName[family];
  const option = family === 4 ? '-m icmp --icmp-type' : '-m icmp6 --icmpv6-type';
  const matches = [
    '-m conntrack --ctstate RELATED,ESTABLISHED',
    ...icmpTypes[family].map((type) => `-p ${icmp} ${option} ${type}`),
    ...hostPorts.flatMap(({ protocol, ports }) => {
      if (protocol === 'icmp') return [`-p ${icmp}`];
      if (protocol === 'any' && ports === undefined) return [''];
      return protocolsOf(protocol).map(
        (one) => `-p ${one}${ports === undefined ? '' : ` -m ${one} --dport ${portText(ports)}`}`,
      );
    }),
  ];
  return unique(matches).map((match) => accept(`-i ${bridge} ${match}`.trim(), bridge));
}

function protocolsOf(protocol: 'any' | 'tcp' | 'udp' | 'sctp'): ('tcp' | 'udp' | 'sctp')[] {
  return protocol === 'any' ? ['tcp', 'udp', 'sctp'] : [protocol];
}

function portText({ from, to }: { from: number; to: number }): string {
  return from === to ? String(from) : `${from}:${to}`;
}

/** In the very words in which iptables prints it, so that what is there can be compared with what should be. */
function accept(match: string, bridge: string): string {
  return `${match} -m comment --comment "${commentOf(bridge)}" -j ACCEPT`;
}

function forwardChain({ chains }: Listing): string {
  const first = chains.get('FORWARD')?.[0];
  return first?.target === 'DOCKER-USER' && first.matches.length === 0 && chains.has('DOCKER-USER')
    ? 'DOCKER-USER'
    : 'FORWARD';
}

/** Where accepts go in a chain. */
interface Destination {
  readonly chain: string;
  readonly hook: Packet['hook'];
  readonly packets: readonly Packet[];
}

/** Each rule at its own place, so that the order is the one given. */
function placed(without: Listing, { chain, hook, packets }: Destination, texts: readonly string[]): Insertion[] {
  const first = placeBeforeEnd(
    without,
    packets.filter((packet) => packet.hook === hook),
    chain,
  );
  return texts.map((text, index) => ({ chain, text, place: first + index + 1 }));
}

/** What accepts of a packet's hook come before: the rest of their chain, and of the one that it was jumped to from. */
function behind(without: Listing, packet: Packet, wanted: readonly Insertion[]): string[] {
  const chains = packet.hook === 'INPUT' ? ['INPUT'] : ['FORWARD', 'DOCKER-USER'];
  const first = wanted.find(({ chain }) => chains.includes(chain));
  if (first === undefined) return [];
  const rest = narrowerRejects(without, packet, { chain: first.chain, from: first.place - 1 });
  if (first.chain !== 'DOCKER-USER') return rest;
  return [...rest, ...narrowerRejects(without, packet, { chain: 'FORWARD', from: 1 })];
}

/** Whether the listing has these rules of ours, each at its place, and no other. */
function isAsWanted(listing: Listing, without: Listing, wanted: readonly Insertion[]): boolean {
  return [...listing.chains].every(([name, rules]) => {
    const texts = (without.chains.get(name) ?? []).map(({ text }) => text);
    for (const { text, place } of wanted.filter(({ chain }) => chain === name)) texts.splice(place - 1, 0, text);
    return texts.length === rules.length && rules.every(({ text }, at) => text === texts[at]);
  });
}

function deletion({ chain, text }: PlacedRule): string {
  return `-D ${chain} ${text}`;
}

function insertion({ chain, text, place }: Insertion): string {
  return `-I ${chain} ${place} ${text}`;
}

function transaction(lines: readonly string[]): string {
  return lines.length === 0 ? '' : ['*filter', ...lines, 'COMMIT', ''].join('\n');
}

function unique(values: readonly (string | undefined)[]): string[] {
  return [...new Set(values.filter((value) => value !== undefined))];
}
