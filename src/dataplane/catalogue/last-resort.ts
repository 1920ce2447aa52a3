/**
 * `table ip drawbridge` and `table ip6 drawbridge`: they let nothing of an enforced container come to the host that
 * `table inet drawbridge` has not seen. Somebody may delete that table alone: then the bridge table goes on saying that
 * it saw the packet, and what is addressed to the host meets no routing rule.
 */
import { gateMark, hex, unjudgedMark } from '../../egress/marks.ts';
import type { ChainDeclaration, SetDeclaration } from '../../nft/declaration.ts';

const tables = ['ip drawbridge', 'ip6 drawbridge'] as const;

export const lastResortSets: readonly SetDeclaration[] = tables.map((table) => ({
  table,
  name: 'lone',
  key: ['ifname'],
  filledBy: 'record',
  about: 'lone veths behind which nobody may send without a policy: there is no bridge table to set a mark',
}));

export const lastResortChains: readonly ChainDeclaration[] = tables.map((table) => ({
  table,
  name: 'last_resort',
  hook: { type: 'filter', at: 'input', priority: 'filter - 6' },
  rules: [
    `meta mark & ${hex(unjudgedMark)} != 0 counter drop`,
    `iifname @lone meta mark & ${hex(gateMark)} == 0 counter drop`,
  ],
}));
