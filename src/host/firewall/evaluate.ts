import type { Listing, Match, Rule } from './listing.ts';

/** A kind of packet that has to pass, as far as rules can tell it from others. */
export interface Packet {
  readonly hook: 'FORWARD' | 'INPUT';
  /** Interface that it comes in by; absent: some interface of the host that is not named. */
  readonly in?: string;
  readonly out?: string;
  readonly protocol: string;
  readonly port?: number;
  readonly icmpType?: number;
  /** Of conntrack: NEW or ESTABLISHED, and DNAT for a connection whose destination was translated. */
  readonly states: readonly string[];
}

/** What ends a packet: undefined when it passes, else the rule or the policy, in words. */
export type Blocker = string | undefined;

type Verdict = { passes: true } | { passes: false; by: string } | 'returned';

/**
 * Follows a packet through a filter table.
 *
 * A rule that asks for more than {@link Packet} tells (addresses, marks, limits) is taken as not matching: an
 * administrator's rule about one destination is to be kept, and is not what closes a host to containers.
 */
export function blockerOf(listing: Listing, packet: Packet): Blocker {
  const verdict = walk(listing, packet, packet.hook, 0);
  if (verdict !== 'returned') return verdict.passes ? undefined : verdict.by;
  const policy = listing.policies.get(packet.hook) ?? 'ACCEPT';
  return policy === 'ACCEPT' ? undefined : `policy ${policy} of chain "${packet.hook}"`;
}

/**
 * Place in a chain before the first rule that ends one of the packets, or that returns all of them; behind the last
 * rule where none does. What stands before it is about something narrower.
 */
export function placeBeforeEnd(listing: Listing, packets: readonly Packet[], chain: string): number {
  const rules = listing.chains.get(chain) ?? [];
  const place = rules.findIndex(
    (rule) =>
      (rule.target === 'RETURN' && rule.matches.length === 0) ||
      packets.some((packet) => {
        const verdict = walkRule(listing, packet, rule, 0);
        return verdict !== undefined && verdict !== 'returned' && !verdict.passes;
      }),
  );
  return place === -1 ? rules.length : place;
}

/**
 * Rules that would end some packets of a kind, told by what {@link Packet} does not know (an address, a mark), from a
 * place in a chain on; each as `-A CHAIN …`.
 */
export function narrowerRejects(
  listing: Listing,
  packet: Packet,
  { chain, from }: { readonly chain: string; readonly from: number },
): string[] {
  const found: string[] = [];
  collect(listing, packet, { rules: (listing.chains.get(chain) ?? []).slice(from), found, depth: 0 });
  return found;
}

/** Returns whether the packet ends, or is accepted, within these rules. */
function collect(
  listing: Listing,
  packet: Packet,
  { rules, found, depth }: { readonly rules: readonly Rule[]; readonly found: string[]; readonly depth: number },
): boolean {
  for (const rule of rules) {
    const { target } = rule;
    if (target === undefined || !mayApply(rule, packet)) continue;
    const isSure = applies(rule, packet);
    if (target === 'DROP' || target === 'REJECT') {
      if (isSure) return true;
      found.push(`-A ${rule.chain} ${rule.text}`);
    } else if (target === 'ACCEPT' || target === 'RETURN') {
      if (isSure) return target === 'ACCEPT';
    } else if (depth < deepest) {
      const below = collect(listing, packet, { rules: listing.chains.get(target) ?? [], found, depth: depth + 1 });
      if (isSure && (below || rule.goto)) return true;
    }
  }
  return false;
}

/** Deeper than this no one builds chains; iptables refuses loops, a table written by others might have one. */
const deepest = 32;

function walk(listing: Listing, packet: Packet, chain: string, depth: number): Verdict {
  for (const rule of listing.chains.get(chain) ?? []) {
    const verdict = walkRule(listing, packet, rule, depth);
    if (verdict !== undefined) return verdict;
  }
  return 'returned';
}

/** Undefined: the next rule has its turn. */
function walkRule(listing: Listing, packet: Packet, rule: Rule, depth: number): Verdict | undefined {
  const { chain, target, text, goto } = rule;
  if (target === undefined || !applies(rule, packet)) return undefined;
  if (target === 'ACCEPT') return { passes: true };
  if (target === 'DROP' || target === 'REJECT') return { passes: false, by: `rule "-A ${chain} ${text}"` };
  if (target === 'RETURN') return 'returned';
  if (!listing.chains.has(target) || depth >= deepest) return undefined;
  const verdict = walk(listing, packet, target, depth + 1);
  return verdict !== 'returned' || goto ? verdict : undefined;
}

/**
 * Whether nothing that a packet tells speaks against a rule. One about another interface of the host keeps that network
 * from all others, as Docker's rules do; it is not about what an operator keeps ours from.
 */
function mayApply(rule: Rule, packet: Packet): boolean {
  return rule.matches.every((match) => {
    const met = meets(match, packet);
    return met === undefined ? match.option !== '-i' && match.option !== '-o' : met !== match.negated;
  });
}

function applies(rule: Rule, packet: Packet): boolean {
  return rule.matches.every((match) => {
    const met = meets(match, packet);
    return met !== undefined && met !== match.negated;
  });
}

/** Undefined: the packet does not tell. */
function meets({ option, value }: Match, packet: Packet): boolean | undefined {
  switch (option) {
    case '-i':
      return interfaceIs(packet.in, value, packet.out);
    case '-o':
      return interfaceIs(packet.out, value, packet.in);
    case '-p':
      return value === 'all' || value === packet.protocol || (value === 'icmpv6' && packet.protocol === 'ipv6-icmp');
    case '--dport':
    case '--dports':
      return packet.port === undefined ? undefined : value.split(',').some((range) => inRange(packet.port!, range));
    case '--icmp-type':
    case '--icmpv6-type':
      return value === 'any' || (packet.icmpType !== undefined && value === String(packet.icmpType));
    case '--ctstate':
    case '--state':
      return value.split(',').some((state) => packet.states.includes(state));
    default:
      return undefined;
  }
}

function interfaceIs(name: string | undefined, pattern: string, ours: string | undefined): boolean | undefined {
  if (name !== undefined) return pattern.endsWith('+') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
  if (pattern === '+') return true;
  // An interface that is not named can be any of the host's but the bridge itself.
  return pattern === ours ? false : undefined;
}

function inRange(port: number, range: string): boolean {
  const [from = '', to = from] = range.split(':');
  return port >= Number(from || 0) && port <= Number(to || 65535);
}
