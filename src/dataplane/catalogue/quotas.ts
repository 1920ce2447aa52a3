/** Bytes of containers whose policy has a quota: each has a chain with a rule that counts (egress/quota.ts). */
import type { ChainDeclaration, CounterDeclaration, SetDeclaration } from '../../nft/declaration.ts';
import { perFamily } from './per-family.ts';
import { toldOverQuota } from './recording.ts';

const table = 'inet drawbridge';

export const quotaSets: readonly SetDeclaration[] = perFamily((n, address) => ({
  table,
  name: `quotas${n}`,
  key: ['ifname', address],
  value: 'verdict',
  filledBy: 'record',
  about: '(interface, container) -> chain that counts the bytes of it',
}));

export const quotaCounters: readonly CounterDeclaration[] = [
  { table, name: 'over_quota', about: 'packets of containers that had used what they may in this period' },
];

/** Rules for what may pass otherwise, also of connections that are there: what it asks, and what it is answered. */
export const countsQuotas: readonly string[] = perFamily((n) => [
  `iifname . ${ip(n)} saddr vmap @quotas${n}`,
  `oifname . ${ip(n)} daddr vmap @quotas${n}`,
]).flat();

/** A connection ends at once where the container speaks; who speaks to it from outside learns nothing. */
export const quotaChains: readonly ChainDeclaration[] = [
  {
    table,
    name: 'quota_over',
    rules: [
      'counter name over_quota',
      'iifname != @enforced drop',
      ...toldOverQuota,
      'meta l4proto tcp reject with tcp reset',
      'reject with icmpx admin-prohibited',
    ],
  },
];

function ip(n: 4 | 6): 'ip' | 'ip6' {
  return n === 4 ? 'ip' : 'ip6';
}
