/** Where packets meet the judgement (judgement.ts), and what is counted of those that it refuses. */
import {
  bridgedMark,
  bridgeTableMarks,
  gateMark,
  hex,
  passingMark,
  strangerMark,
  translatedMark,
  without,
} from '../../egress/marks.ts';
import type { ChainDeclaration } from '../../nft/declaration.ts';
import { loneRouterRules } from './guard-routers.ts';
import { boundsBeforeConntrack, boundsOfDenials } from './bounds.ts';
import { countsQuotas } from './quotas.ts';
import { tellsDenied } from './recording.ts';
import { guardOfRouted } from './routed.ts';
import { judging } from './stages.ts';

const table = 'inet drawbridge';

const newIsBounded = 'ct state new iifname @enforced jump egress_bounds';

/**
 * To all on the link, with the address of one host inside: with br_netfilter on, the kernel takes it for a flow as soon
 * as it comes up from the bridge, before anybody judges it.
 */
const beginsNothing =
  'meta pkttype { broadcast, multicast } iifname @enforced fib daddr type != { broadcast, multicast } notrack';

/**
 * The gate's mark is set after all other prerouting chains: one that restores the mark of a connection would wipe it.
 */
export const judgementHooks: readonly ChainDeclaration[] = [
  {
    table,
    name: 'egress_seen',
    hook: { type: 'filter', at: 'prerouting', priority: '-450' },
    rules: [
      guardOfRouted,
      ...boundsBeforeConntrack,
      ...loneRouterRules,
      `meta mark & ${hex(strangerMark)} != 0 iifname @enforced goto egress_stranger`,
      `meta mark & ${hex(passingMark)} != 0 notrack`,
      beginsNothing,
      `meta mark & ${hex(bridgeTableMarks)} != 0 meta mark set meta mark & ${without(bridgeTableMarks)}`,
    ],
  },
  {
    table,
    name: 'egress_gate',
    hook: { type: 'filter', at: 'prerouting', priority: '300' },
    rules: [
      `iifname @enforced meta mark set meta mark | ${hex(gateMark)}`,
      `ip daddr @enforced_hosts4 meta mark set meta mark | ${hex(gateMark)}`,
      `ct status dnat iifname @enforced meta mark set meta mark | ${hex(translatedMark)}`,
      `ct direction reply ct status snat iifname @enforced meta mark set meta mark | ${hex(translatedMark)}`,
    ],
  },
  {
    table,
    name: 'egress_dns',
    hook: { type: 'nat', at: 'prerouting', priority: 'dstnat + 5' },
    rules: [
      'iifname . ip saddr @dnsforce4 meta l4proto { tcp, udp } th dport 53 redirect to :53',
      'iifname . ip6 saddr @dnsforce6 meta l4proto { tcp, udp } th dport 53 redirect to :53',
    ],
  },
  {
    table,
    name: 'egress_forward',
    hook: judging('asked', 'forward'),
    rules: [
      'iifname @enforced_ports counter drop',
      'iifname vmap @enforced_out',
      newIsBounded,
      'oifname @enforced jump egress_in',
      ...countsQuotas,
    ],
  },
  {
    table,
    name: 'egress_input',
    hook: judging('asked', 'input'),
    rules: ['iifname @enforced_ports counter drop', 'iifname vmap @enforced_host', newIsBounded],
  },
];

/** The chain that is there for operators, or the agent, to put one limited log rule into. */
export const operatorsChain = 'deny_log';

/**
 * A packet that br_netfilter translated is still bridged here, and the kernel sends a reset for it straight out of the
 * port, from the translated address: no client believes that. An ICMP error goes by the host, which translates it back.
 *
 * Broadcast and multicast are nobody's attempt to get out and would fill the list. */
export const denialChains: readonly ChainDeclaration[] = [
  { table, name: operatorsChain, rules: [] },
  {
    table,
    name: 'deny_count',
    rules: [
      'meta pkttype { broadcast, multicast } return',
      ...tellsDenied,
      ...boundsOfDenials,
      'meta l4proto { tcp, udp, sctp } update @denied4 { ct original ip saddr . ct original ip daddr . meta l4proto . ct original proto-dst }',
      'meta l4proto { tcp, udp, sctp } update @denied6 { ct original ip6 saddr . ct original ip6 daddr . meta l4proto . ct original proto-dst }',
      'meta l4proto != { tcp, udp, sctp } update @denied4_portless { ct original ip saddr . ct original ip daddr . meta l4proto }',
      'meta l4proto != { tcp, udp, sctp } update @denied6_portless { ct original ip6 saddr . ct original ip6 daddr . meta l4proto }',
      'jump deny_log',
    ],
  },
  {
    table,
    name: 'deny_reject',
    rules: [
      'jump deny_count',
      `meta mark & ${hex(bridgedMark)} != 0 reject with icmpx admin-prohibited`,
      'meta l4proto tcp reject with tcp reset',
      'reject with icmpx admin-prohibited',
    ],
  },
  { table, name: 'deny_drop', rules: ['jump deny_count', 'drop'] },
  { table, name: 'deny_audit', rules: ['jump deny_count', 'return'] },
];
