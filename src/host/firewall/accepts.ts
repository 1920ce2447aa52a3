import { blockerOf, type Packet } from './evaluate.ts';
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
}

/** A rule and the chain that it stands in. */
interface PlacedRule {
  readonly chain: string;
  readonly text: string;
}

/**
 * Plans the accepts that a filter table needs to let a bridge's traffic pass: first in FORWARD, or in DOCKER-USER
 * where that comes first (dockerd puts its own jumps before everything at each start, and leaves that chain alone),
 * and first in INPUT. A table that drops nothing of ours gets no rule.
 */
export function planOpening(listing: Listing, family: 4 | 6, opening: Opening): OpeningPlan {
  const ours = ourRules(listing, opening.bridge);
  const without = withoutRules(listing, ours);
  const packets = packetsOf(family, opening);
  const blockers = unique(packets.map((packet) => blockerOf(without, packet)));
  const dropping = unique(packets.map((packet) => blockerOf(listing, packet)));
  if (blockers.length === 0) return { text: '', blockers, dropping };

  const hooks = new Set(packets.filter((packet) => blockerOf(without, packet) !== undefined).map(({ hook }) => hook));
  const wanted = [
    ...(hooks.has('FORWARD') ? forwardAccepts(opening).map((text) => ({ chain: forwardChain(without), text })) : []),
    ...(hooks.has('INPUT') ? inputAccepts(family, opening).map((text) => ({ chain: 'INPUT', text })) : []),
  ];
  if (dropping.length === 0 && sameRules(ours, wanted)) return { text: '', blockers, dropping };
  return { text: transaction([...ours.map(deletion), ...insertions(wanted)]), blockers, dropping };
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

function sameRules(left: readonly PlacedRule[], right: readonly PlacedRule[]): boolean {
  const words = (rules: readonly PlacedRule[]) =>
    rules
      .map(({ chain, text }) => `${chain} ${text}`)
      .toSorted()
      .join('\n');
  return words(left) === words(right);
}

function deletion({ chain, text }: PlacedRule): string {
  return `-D ${chain} ${text}`;
}

/** Each rule at its own place from the top, so that the order is the one given. */
function insertions(rules: readonly PlacedRule[]): string[] {
  const places = new Map<string, number>();
  return rules.map(({ chain, text }) => {
    const place = (places.get(chain) ?? 0) + 1;
    places.set(chain, place);
    return `-I ${chain} ${place} ${text}`;
  });
}

function transaction(lines: readonly string[]): string {
  return lines.length === 0 ? '' : ['*filter', ...lines, 'COMMIT', ''].join('\n');
}

function unique(values: readonly (string | undefined)[]): string[] {
  return [...new Set(values.filter((value) => value !== undefined))];
}
