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

/** Deeper than this no one builds chains; iptables refuses loops, a table written by others might have one. */
const deepest = 32;

function walk(listing: Listing, packet: Packet, chain: string, depth: number): Verdict {
  for (const rule of listing.chains.get(chain) ?? []) {
    if (rule.target === undefined || !applies(rule, packet)) continue;
    if (rule.target === 'ACCEPT') return { passes: true };
    if (rule.target === 'DROP' || rule.target === 'REJECT')
      return { passes: false, by: `rule "-A ${chain} ${rule.text}"` };
    if (rule.target === 'RETURN') return 'returned';
    if (!listing.chains.has(rule.target) || depth >= deepest) continue;
    const verdict = walk(listing, packet, rule.target, depth + 1);
    if (verdict !== 'returned' || rule.goto) return verdict;
  }
  return 'returned';
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
