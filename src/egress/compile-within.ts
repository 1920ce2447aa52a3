import type { DataType } from '../nft/data.ts';
import type { ChainDeclaration, SetDeclaration } from '../nft/declaration.ts';
import type { Part } from '../nft/element.ts';
import { rangeText } from './compile-draft.ts';
import { nftInterval, type Interval } from './interval.ts';
import { withNat64 } from './nat64.ts';
import { foldAddressRules } from './normalise.ts';
import type { Policy } from './policy.ts';
import { withSixToFour } from './six-to-four.ts';

/** What a policy declares in `table bridge drawbridge`. */
export interface WithinBridge {
  readonly sets: readonly SetDeclaration[];
  readonly chains: readonly ChainDeclaration[];
}

/**
 * Whether a policy denies something between containers of one bridge that `isolation` lets talk: where ports are kept
 * apart there is nothing to deny.
 */
export function deniesWithin({ deny, ipv6, isolation, audit }: Policy): boolean {
  return (deny.length > 0 || ipv6 === 'disable') && (isolation !== 'container' || audit);
}

/** The chain that judges what a container answers to another: what this policy denies it to ask. */
export function answersChain(chain: string): string {
  return `${chain}_answers`;
}

/** The chain of `table inet drawbridge` that judges what goes to another by way of the host, and may be denied. */
export function withinChain(chain: string): string {
  return `${chain}_within`;
}

/**
 * The chains and sets by which a policy's `deny` holds from port to port, with P the name of its chain:
 *
 *   chain P           judges what its containers send, by the address and the port that it is for
 *   chain P_answers   judges what may be an answer to them, by the address and the port that it is from
 *   set P_deny4, P_deny4_icmp, P_deny4_ports   as in `table inet drawbridge`
 *
 * Rules of a bridge know of no connections. So what an attempt cannot begin with (a segment that is no SYN, an echo
 * reply, an ICMP error) passes when the other container may have asked for it, and nothing else passes that is denied.
 */
export function compileWithin(policy: Policy, chain: string): WithinBridge {
  if (!deniesWithin(policy)) return { sets: [], chains: [] };
  const lists = listsOf(policy, `${chain}_deny`);
  const verdict = `goto guard_denied${policy.audit ? '_audit' : ''}`;
  return {
    sets: lists.map(({ set }) => set),
    chains: [
      { table, name: chain, rules: rulesOf(policy, lists, 'daddr', verdict) },
      // Under audit an answer passes, whatever would be denied.
      {
        table,
        name: answersChain(chain),
        rules: policy.audit ? [] : rulesOf(policy, lists, 'saddr', 'goto guard_refuse'),
      },
    ],
  };
}

const table = 'bridge drawbridge';
const families = [4, 6] as const;

/** One set, and the rule that looks an address up in it. */
interface List {
  readonly set: SetDeclaration;
  readonly rule: (end: 'saddr' | 'daddr', verdict: string) => string;
}

function rulesOf({ ipv6, audit }: Policy, lists: readonly List[], end: 'saddr' | 'daddr', verdict: string): string[] {
  return [
    // Without IPv6 a container was asked nothing by it, so nothing of it is an answer.
    ...(ipv6 === 'disable' ? [`ether type ip6 ${audit ? verdict : 'goto guard_refuse'}`] : []),
    // Who has an address may be asked whatever is denied: the guard has looked at the answer.
    'icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } return',
    ...lists.map(({ rule }) => rule(end, verdict)),
  ];
}

function listsOf({ deny }: Policy, name: string): List[] {
  const { ranges, boxes, icmp } = foldAddressRules(withNat64(withSixToFour(deny)));
  return families.flatMap((family) => {
    const [ip, address] = family === 4 ? (['ip', 'ipv4_addr'] as const) : (['ip6', 'ipv6_addr'] as const);
    const isOurs = (run: Interval): boolean => run.family === family;
    const ports = boxes.filter(isOurs).map((box) => [nftInterval(box), box.protocol, rangeText(box.ports)]);
    return [
      ...list(
        `${name}${family}`,
        [address],
        ranges.filter(isOurs).map((range) => [nftInterval(range)]),
        (end) => `${ip} ${end}`,
      ),
      ...list(
        `${name}${family}_icmp`,
        [address],
        icmp.filter(isOurs).map((range) => [nftInterval(range)]),
        (end) => `meta l4proto ${family === 4 ? 'icmp' : 'icmpv6'} ${ip} ${end}`,
      ),
      ...list(
        `${name}${family}_ports`,
        [address, 'inet_proto', 'inet_service'],
        ports,
        (end) =>
          `meta l4proto { tcp, udp, sctp } ${ip} ${end} . meta l4proto . th ${end === 'daddr' ? 'dport' : 'sport'}`,
      ),
    ];
  });
}

/** Nothing where a set would be empty. */
function list(
  name: string,
  key: readonly DataType[],
  elements: readonly (readonly Part[])[],
  match: (end: 'saddr' | 'daddr') => string,
): List[] {
  if (elements.length === 0) return [];
  return [
    {
      set: { table, name, key, flags: ['interval'], elements, filledBy: 'constant', about: 'a list' },
      rule: (end, verdict) => `${match(end)} @${name} ${verdict}`,
    },
  ];
}
