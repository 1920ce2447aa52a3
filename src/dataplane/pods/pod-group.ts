/**
 * Where the packets of pods meet the NetworkPolicies of a cluster. All of it is one group of rules, which comes with
 * the first pod: a host without Kubernetes pays nothing.
 *
 * A connection is judged by its two ends as conntrack has them: the client before every translation of its own
 * address, the server after every translation of the destination, so that it is the pod behind a Service. Both are the
 * same in each packet of both directions; so each packet is judged, and what is not allowed any more ends at once.
 *
 *   pods_judged4       map: pod of this node -> goto the chain of a profile, or pods_open
 *   pods4              pods of this node: one that is in no map passes nothing
 *
 * What the node itself sends to its pods, and what they send to it, is not forwarded and comes here in no case:
 * Kubernetes lets probes of the kubelet pass whatever a policy says.
 */
import { sha256 } from '../../digest/sha256.ts';
import type { ChainDeclaration, SetDeclaration } from '../../nft/declaration.ts';
import type { RuleGroup } from '../../nft/group.ts';
import { perFamily } from '../catalogue/per-family.ts';
import { judging } from '../catalogue/stages.ts';

const table = 'inet drawbridge';

/** Name of the chain of a profile. */
export function profileChain(id: string): string {
  return `pods_${id}`;
}

/** Leads to nothing but the next judgement. */
export const openChain = 'pods_open';

const sets: readonly SetDeclaration[] = perFamily((n, address): SetDeclaration[] => [
  { table, name: `pods${n}`, key: [address], filledBy: 'record', about: 'pods of this node' },
  {
    table,
    name: `pods_self${n}`,
    key: [address, address],
    filledBy: 'record',
    about: 'pods of this node, twice: nobody keeps a pod from itself',
  },
  ...(['into', 'out'] as const).map((direction): SetDeclaration => ({
    table,
    name: `pods_${direction}${n}`,
    key: [address],
    value: 'verdict',
    filledBy: 'peers',
    about: `pod of this node, and what judges what comes ${direction === 'into' ? 'into it' : 'out of it'}`,
  })),
  {
    table,
    name: `pods_free${n}`,
    key: [address],
    filledBy: 'peers',
    about: 'pods of this node that no policy selects',
  },
]).flat();

/**
 * Of a packet that belongs to no connection, or to none that conntrack believes in, the ends are not known: a pod under
 * a policy neither sends nor gets one. An ICMP error that belongs to a connection goes its way.
 */
const chains: readonly ChainDeclaration[] = [
  { table, name: openChain, rules: ['return'] },
  {
    table,
    name: 'pods_out',
    rules: [...perFamily((n) => `ct original ${ip(n)} saddr vmap @pods_out${n}`), 'counter drop'],
  },
  {
    table,
    name: 'pods_into',
    rules: [...perFamily((n) => `ct reply ${ip(n)} saddr vmap @pods_into${n}`), 'counter drop'],
  },
  {
    table,
    name: 'pods_unknown_flow',
    rules: perFamily((n) =>
      ['saddr', 'daddr'].map((end) => `${ip(n)} ${end} @pods${n} ${ip(n)} ${end} != @pods_free${n} counter drop`),
    ).flat(),
  },
  {
    table,
    name: 'pods_forward',
    hook: judging('translated', 'forward'),
    rules: [
      'ct state related meta l4proto { icmp, icmpv6 } return',
      'ct state { invalid, untracked } jump pods_unknown_flow',
      ...perFamily((n) => `ct original ${ip(n)} saddr . ct reply ${ip(n)} saddr @pods_self${n} return`),
      ...perFamily((n) => `ct original ${ip(n)} saddr @pods${n} jump pods_out`),
      ...perFamily((n) => `ct reply ${ip(n)} saddr @pods${n} jump pods_into`),
    ],
  },
];

export const podGroup: RuleGroup = {
  id: `pods-${sha256(JSON.stringify({ sets, chains })).slice(0, 16)}`,
  sets,
  chains,
};

function ip(n: 4 | 6): 'ip' | 'ip6' {
  return n === 4 ? 'ip' : 'ip6';
}
