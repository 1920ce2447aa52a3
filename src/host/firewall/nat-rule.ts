import { covers, intervalOf } from '../../egress/interval.ts';

/** A rule of a nat table, of iptables or of nft, as far as it says which packets of containers it translates. */
export interface NatRule {
  readonly matches: readonly NatMatch[];
  /** False when it asks for more than we read: such a rule is taken as not matching. */
  readonly isRead: boolean;
  readonly action: NatAction;
  /** As it was printed. */
  readonly text: string;
}

export interface NatMatch {
  readonly what: 'in' | 'protocol' | 'port' | 'destination';
  /** Names, protocols, "80", "8000-8100", addresses and prefixes: one of them. */
  readonly values: readonly string[];
  readonly isNegated: boolean;
}

export type NatAction =
  | { readonly kind: 'jump' | 'goto'; readonly chain: string }
  | { readonly kind: 'return' }
  | { readonly kind: 'accept' }
  | { readonly kind: 'nothing' }
  /** Absent: the address of the host on the interface that the packet came in by; the port that was asked for. */
  | { readonly kind: 'translate'; readonly address?: string; readonly port?: number };

/** The first packet of a container to an address of the host. */
export interface AskedPacket {
  readonly in: string;
  readonly protocol: string;
  readonly port?: number;
  readonly destination: string;
}

/** A rule that somebody else has, and where it leads. */
export interface Translation {
  readonly address?: string;
  readonly port?: number;
  readonly rule: string;
}

/** The translation that a packet meets on its way through a chain; undefined when nothing there translates it. */
export function translationOf(
  chains: ReadonlyMap<string, readonly NatRule[]>,
  start: string,
  packet: AskedPacket,
): Translation | undefined {
  const end = walk(chains, start, packet, 0);
  return typeof end === 'object' ? end : undefined;
}

/** Deeper chains than the kernel lets anybody jump. */
const deepest = 16;

/** "on": the caller's chain goes on; "over": no rule of the hook is asked any more. */
function walk(
  chains: ReadonlyMap<string, readonly NatRule[]>,
  name: string,
  packet: AskedPacket,
  depth: number,
): Translation | 'on' | 'over' {
  if (depth > deepest) return 'on';
  for (const { matches, isRead, action, text } of chains.get(name) ?? []) {
    if (!isRead || !matches.every((match) => fits(match, packet))) continue;
    if (action.kind === 'translate') {
      const { kind: _, ...to } = action;
      return { ...to, rule: text };
    }
    if (action.kind === 'accept') return 'over';
    if (action.kind === 'return') return 'on';
    if (action.kind === 'nothing') continue;
    const end: ReturnType<typeof walk> = walk(chains, action.chain, packet, depth + 1);
    if (end !== 'on' || action.kind === 'goto') return end;
  }
  return 'on';
}

function fits({ what, values, isNegated }: NatMatch, packet: AskedPacket): boolean {
  return values.some((value) => isOne(what, value, packet)) !== isNegated;
}

function isOne(what: NatMatch['what'], value: string, { in: from, protocol, port, destination }: AskedPacket): boolean {
  if (what === 'in') return value.endsWith('+') ? from.startsWith(value.slice(0, -1)) : value === from;
  if (what === 'protocol') return value === protocol || (value === 'icmpv6' && protocol === 'icmp');
  if (what === 'destination') return covers(intervalOf(value), intervalOf(destination));
  const [first = '', last = first] = value.split(/[-:]/u);
  return port !== undefined && Number(first) <= port && port <= Number(last);
}
