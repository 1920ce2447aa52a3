/**
 * `table bridge drawbridge`: who may send what on a bridge. Rules have no state: ct in the bridge family
 * needs a module of its own. What comes up from a bridge to the host bears the mark of the bridge's gate (gate.ts),
 * whichever bridge it is: to tell bridges apart here needs a module too. A VLAN's way up is by a gateway's port, and
 * marks stay across the pair.
 *
 * nft has no name for the target of a neighbour advertisement before 1.0.7; later ones list the whole of it by name,
 * and then do not read back what they list. The two halves of that address stay as they are.
 */
import {
  bridgedMark,
  bridgeMark,
  hex,
  passingMark,
  portMark,
  strangerMark,
  translatedMark,
  unjudgedMark,
  without,
} from '../../egress/marks.ts';
import type { ChainDeclaration, CounterDeclaration } from '../../nft/declaration.ts';
import { guardBoundChains, mostFragments } from './bounds.ts';
import { routerChains, routerRules } from './guard-routers.ts';
import { isNoAttempt, withinChains } from './guard-within.ts';
import { perFamily } from './per-family.ts';

const table = 'bridge drawbridge';

export const guardCounters: readonly CounterDeclaration[] = [
  { table, name: 'guard_forged', about: 'frames with the MAC or the address of another' },
  { table, name: 'guard_refused', about: 'frames of kinds that a container has no business to send' },
  { table, name: 'guard_bounded', about: 'fragments of containers that had sent as many as one may' },
  { table, name: 'guard_isolation', about: 'frames between ports that are kept apart' },
];

/**
 * Of two tests in a rule the cheaper one comes first, and no packet is looked up in a set twice: these are the rules
 * that every packet of a container passes. The set of IPv4 addresses holds the MAC as well.
 */
export const guardChains: readonly ChainDeclaration[] = [
  {
    table,
    name: 'guard_prerouting',
    hook: { type: 'filter', at: 'prerouting', priority: '-300' },
    rules: [
      `iifname @guard_vlan_ports meta mark set meta mark | ${hex(passingMark)}`,
      'iifname @guard_ports goto guard',
      'iifname @guard_mac_ports iifname . ether saddr != @guard_mac counter name guard_forged drop',
      `meta iifkind { "veth", "netkit" } iifname != @guard_gateways meta mark set meta mark | ${hex(strangerMark)}`,
    ],
  },
  {
    table,
    name: 'guard_input',
    hook: { type: 'filter', at: 'input', priority: '-300' },
    rules: [
      `meta mark set meta mark | ${hex(bridgeMark)}`,
      'ether daddr 01:80:c2:00:00:00-01:80:c2:00:00:0f iifname @guard_ports counter name guard_refused drop',
    ],
  },
  {
    table,
    name: 'guard_forward',
    hook: { type: 'filter', at: 'forward', priority: '-300' },
    rules: [
      `meta mark and ${hex(translatedMark)} != 0 meta mark set meta mark | ${hex(bridgedMark)} accept`,
      `oifname @guard_gateways meta mark set meta mark & ${without(passingMark)} | ${hex(bridgeMark)} accept`,
      'iifname @guard_gateways accept',
      'iifname @guard_isolated counter name guard_isolation drop',
      'oifname @guard_isolated counter name guard_isolation drop',
      'iifname @guard_ports oifname != @guard_ports counter name guard_isolation drop',
      'oifname @guard_ports iifname != @guard_ports counter name guard_isolation drop',
      'oifname @guard_ports jump guard_addressed',
      'iifname vmap @guard_asks',
    ],
  },
  // What is for the MAC of a container is for an address of that container. With another one inside, rules of the host
  // (br_netfilter) would let a flow begin to whoever has it, by what holds for packets that the host forwards.
  {
    table,
    name: 'guard_addressed',
    rules: [
      'ether daddr & 01:00:00:00:00:00 != 00:00:00:00:00:00 return',
      'ether type ip ip daddr != 224.0.0.0/4 oifname . ether daddr . ip daddr != @guard4 counter name guard_refused drop',
      'ether type ip6 ip6 daddr != ff00::/8 oifname . ether daddr . ip6 daddr != @guard6 counter name guard_refused drop',
    ],
  },
  {
    table,
    name: 'guard',
    rules: [
      `meta mark set meta mark | ${hex(unjudgedMark | portMark)}`,
      'ether type vmap { ip : goto guard_ip4, ip6 : goto guard_ip6, arp : goto guard_arp }',
      'counter name guard_refused drop',
    ],
  },
  {
    table,
    name: 'guard_ip4',
    rules: [
      'iifname . ether saddr . ip saddr != @guard4 counter name guard_forged drop',
      'ip frag-off & 0x3fff != 0 jump guard_fragments_of',
      'udp sport 67 counter name guard_refused drop',
      ...routerRules.ip4,
      isNoAttempt,
      'ether daddr vmap @guard_siblings_mac',
    ],
  },
  {
    table,
    name: 'guard_fragments_of',
    rules: [`update @guard_fragments { iifname limit rate over ${mostFragments} } goto guard_bounded_fragments`],
  },
  {
    table,
    name: 'guard_extensions',
    rules: [...routerRules.extensions, 'exthdr frag exists jump guard_fragments_of'],
  },
  ...routerChains,
  {
    table,
    name: 'guard_arp',
    rules: [
      'iifname . ether saddr != @guard_mac counter name guard_forged drop',
      'arp htype != 1 counter name guard_refused drop',
      'arp ptype != 0x0800 counter name guard_refused drop',
      'arp hlen != 6 counter name guard_refused drop',
      'arp plen != 4 counter name guard_refused drop',
      'iifname . arp saddr ether != @guard_mac counter name guard_forged drop',
      'arp operation request arp saddr ip 0.0.0.0 return',
      'iifname . arp saddr ether . arp saddr ip != @guard4 counter name guard_forged drop',
      'arp operation != request return',
      'iifname . ether saddr . arp daddr ip @guard4 return',
      'arp daddr ip vmap @guard_siblings4',
    ],
  },
  {
    table,
    name: 'guard_ip6',
    rules: [
      'iifname . ether saddr != @guard_mac counter name guard_forged drop',
      'ip6 nexthdr != { tcp, udp, icmpv6 } jump guard_extensions',
      ...routerRules.ip6,
      ...routerRules.groups6,
      'ip6 saddr fe80::/10 exthdr frag exists counter name guard_refused drop',
      'udp sport 547 counter name guard_refused drop',
      'icmpv6 type nd-neighbor-advert iifname . ether saddr . @th,64,64 . @th,128,64 != @guard_nd counter name guard_forged drop',
      'icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } jump guard_neighbour',
      'ip6 saddr :: icmpv6 type nd-neighbor-solicit iifname . ether saddr . @th,64,64 . @th,128,64 @guard_nd return',
      'ip6 saddr :: icmpv6 type { mld-listener-report, mld-listener-done, mld2-listener-report } return',
      'iifname . ether saddr . ip6 saddr != @guard6 counter name guard_forged drop',
      isNoAttempt,
      'icmpv6 type nd-neighbor-solicit @th,64,64 . @th,128,64 vmap @guard_siblings_nd',
      'ether daddr vmap @guard_siblings_mac',
    ],
  },
  // With the MAC of a sibling in the option the host would send that sibling what is for this container.
  {
    table,
    name: 'guard_neighbour',
    rules: [
      'ip6 length 24 return',
      // Who asks whether an address is free has a nonce there at most.
      'ip6 saddr :: return',
      // Of two options of one kind the first one counts (Linux, and the BSDs).
      'icmpv6 type nd-neighbor-solicit @th,192,8 1 iifname . @th,192,64 @guard_lladdr return',
      'icmpv6 type nd-neighbor-advert @th,192,8 2 iifname . @th,192,64 @guard_lladdr return',
      'counter name guard_forged drop',
    ],
  },
  ...guardBoundChains,
  ...withinChains,
  {
    table,
    name: 'guard_apart_if_isolated',
    rules: ['iifname != @guard_isolated return', 'goto guard_apart'],
  },
  // The bridge drops it after this hook and before the next one: an isolated port by itself, others in guard_forward.
  // Before it is sent, the container asks who has the address, and nobody answers: most often that is all there is.
  {
    table,
    name: 'guard_apart',
    rules: [
      'iifname @guard_denials jump guard_tell',
      'update @guard_recorded { iifname limit rate over 1/second burst 512 packets } goto guard_bounded_denials',
      'ether type arp update @guard_asked4 { arp saddr ip . arp daddr ip } return',
      'icmpv6 type nd-neighbor-solicit update @guard_asked6 { ip6 saddr . @th,64,64 . @th,128,64 } return',
      ...perFamily(
        (n) => `meta l4proto { tcp, udp, sctp } update @guard_denied${n} { ${pairOf(n)} . meta l4proto . th dport }`,
      ),
      ...perFamily(
        (n) => `meta l4proto != { tcp, udp, sctp } update @guard_denied${n}_portless { ${pairOf(n)} . meta l4proto }`,
      ),
    ],
  },
];

function pairOf(n: 4 | 6): string {
  const family = n === 4 ? 'ip' : 'ip6';
  return `${family} saddr . ${family} daddr`;
}
