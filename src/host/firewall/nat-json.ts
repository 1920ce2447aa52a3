import type { NatAction, NatMatch, NatRule } from './nat-rule.ts';

/** One rule of `nft -j list table`. */
interface ListedRule {
  readonly chain: string;
  readonly expr: readonly Readonly<Record<string, unknown>>[];
}

/** Reads the chains of a table as `nft -j list table FAMILY NAME` prints it, for packets of one family. */
export function parseNatTable(printed: string, family: 4 | 6): Map<string, NatRule[]> {
  const { nftables } = JSON.parse(printed) as { nftables: { rule?: ListedRule }[] };
  const chains = new Map<string, NatRule[]>();
  for (const { rule } of nftables)
    if (rule !== undefined) chains.set(rule.chain, [...(chains.get(rule.chain) ?? []), parseRule(rule, family)]);
  return chains;
}

function parseRule({ chain, expr }: ListedRule, family: 4 | 6): NatRule {
  const parts = expr.flatMap((one) => partOf(one, family) ?? []);
  const matches = parts.flatMap((part) => (typeof part === 'object' && 'what' in part ? [part] : []));
  const action = parts.find((part) => typeof part === 'object' && 'kind' in part) as NatAction | undefined;
  const text = `rule of chain "${chain}": ${JSON.stringify(expr.filter((one) => !('counter' in one)))}`;
  return { matches, isRead: !parts.includes('unread'), action: action ?? { kind: 'nothing' }, text };
}

/** Undefined: it changes nothing about which packets the rule is for. */
function partOf(
  expression: Readonly<Record<string, unknown>>,
  family: 4 | 6,
): NatMatch | NatMatch[] | NatAction | 'unread' | undefined {
  const [word = ''] = Object.keys(expression);
  const value = expression[word];
  if (word === 'counter' || word === 'log' || word === 'comment') return undefined;
  if (word === 'match') return matchOf(value as Match, family);
  if (word === 'jump' || word === 'goto') return { kind: word, chain: String((value as { target: string }).target) };
  if (word === 'return' || word === 'accept') return { kind: word };
  if (word === 'dnat' || word === 'redirect') return translation(value as { addr?: unknown; port?: unknown } | null);
  return 'unread';
}

interface Match {
  readonly op: string;
  readonly left: {
    readonly meta?: { readonly key: string };
    readonly payload?: { readonly protocol: string; readonly field: string };
    readonly fib?: { readonly result: string; readonly flags: readonly string[] };
  };
  readonly right: unknown;
}

function matchOf({ op, left, right }: Match, family: 4 | 6): NatMatch | NatMatch[] | 'unread' | undefined {
  const isNegated = op === '!=';
  const values = valuesOf(right);
  if (values === undefined || !['==', '!=', 'in'].includes(op)) return 'unread';
  // What is asked about is an address of the host.
  if (left.fib?.result === 'type' && left.fib.flags.join() === 'daddr')
    return values.join() === 'local' && !isNegated ? undefined : 'unread';
  const { key } = left.meta ?? {};
  if (key === 'iifname' || key === 'iif') return { what: 'in', values: values.map(starless), isNegated };
  if (key === 'l4proto') return { what: 'protocol', values, isNegated };
  if (key === 'nfproto') return values.join() === `ipv${family}` && !isNegated ? undefined : 'unread';
  const { protocol = '', field } = left.payload ?? {};
  if (field === 'daddr' && protocol === (family === 4 ? 'ip' : 'ip6'))
    return { what: 'destination', values, isNegated };
  if (field !== 'dport') return 'unread';
  const port = { what: 'port', values, isNegated } as const;
  return protocol === 'th' ? port : [{ what: 'protocol', values: [protocol], isNegated: false }, port];
}

/** A wildcard of an interface's name ends in "+" for iptables. */
function starless(name: string): string {
  return name.endsWith('*') ? `${name.slice(0, -1)}+` : name;
}

function valuesOf(right: unknown): string[] | undefined {
  if (typeof right === 'string') return right.startsWith('@') ? undefined : [right];
  if (typeof right === 'number') return [String(right)];
  if (typeof right !== 'object' || right === null) return undefined;
  if ('set' in right && Array.isArray(right.set)) {
    const each = right.set.map(valuesOf);
    return each.every((one) => one !== undefined) ? each.flat() : undefined;
  }
  if ('range' in right && Array.isArray(right.range)) return [right.range.join('-')];
  if ('prefix' in right) {
    const { addr, len } = right.prefix as { addr: string; len: number };
    return [`${addr}/${len}`];
  }
  return undefined;
}

/** An address or a port out of a map is not read. */
function translation(to: { addr?: unknown; port?: unknown } | null): NatAction | 'unread' {
  const { addr, port } = to ?? {};
  if ((addr !== undefined && typeof addr !== 'string') || (port !== undefined && typeof port !== 'number'))
    return 'unread';
  return {
    kind: 'translate',
    ...(addr === undefined ? {} : { address: addr }),
    ...(port === undefined ? {} : { port }),
  };
}
