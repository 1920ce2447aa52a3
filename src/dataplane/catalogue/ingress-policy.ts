/**
 * The ingress policy of a bridge: who may open a connection to the containers there, as the key "ingressPolicy" of the
 * reference firewall plugin says. What is judged is the bridge alone, not the container.
 *
 * The reference leaves what passes between two ports of one bridge to br_netfilter; ports are isolated from one
 * another besides (plugins/drop-in/firewall), so that "isolated" holds without it.
 */
import type { ChainDeclaration, SetDeclaration } from '../../nft/declaration.ts';

const table = 'inet drawbridge';

export const ingressPolicySets: readonly SetDeclaration[] = [
  {
    table,
    name: 'ingress_bridges',
    key: ['ifname'],
    filledBy: 'record',
    about: 'bridges with ingressPolicy: what leaves one of them does not enter another',
  },
  {
    table,
    name: 'ingress_within',
    key: ['ifname', 'ifname'],
    filledBy: 'record',
    about: 'the same bridge twice: what stays on it passes',
  },
  {
    table,
    name: 'ingress_isolated',
    key: ['ifname', 'ifname'],
    filledBy: 'record',
    about: 'the same bridge twice: what stays on it does not pass either',
  },
];

export const ingressPolicyChains: readonly ChainDeclaration[] = [
  {
    table,
    name: 'ingress_forward',
    hook: { type: 'filter', at: 'forward', priority: 'filter - 6' },
    rules: [
      'iifname @ingress_bridges oifname @ingress_bridges iifname . oifname != @ingress_within drop',
      'iifname . oifname @ingress_isolated drop',
    ],
  },
];
