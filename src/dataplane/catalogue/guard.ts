/**
 * `table bridge drawbridge`: who may send what on a bridge. Rules have no state: ct in the bridge family
 * needs a module of its own. What comes up from a bridge to the host bears the mark of the bridge's gate (gate.ts),
 * whichever bridge it is: to tell bridges apart here needs a module too.
 *
 * nft has no name for the target of a neighbour advertisement before 1.0.7; later ones list the whole of it by name,
 * and then do not read back what they list. The two halves of that address stay as they are.
 */
import {
  bridgedMark,
  bridgeMark,
  hex,
  portMark,
  strangerMark,
  translatedMark,
  unjudgedMark,
} from '../../egress/marks.ts';
import type { DataType } from '../../nft/data.ts';
import type { ChainDeclaration, CounterDeclaration, SetDeclaration } from '../../nft/declaration.ts';

import { mostFragments } from './bounds.ts';
import { perFamily } from './per-family.ts';

const table = 'bridge drawbridge';

export const guardSets: readonly SetDeclaration[] = [
  {
    table,
    name: 'guard_ports',
    key: ['ifname'],
    filledBy: 'record',
    about: 'ports that may send only as themselves, and only to the host and to one another',
  },
  {
    table,
    name: 'guard_mac_ports',
    key: ['ifname'],
    filledBy: 'record',
    about: 'ports whose source MAC alone is checked (macspoofchk)',
  },
  { table, name: 'guard_mac', key: ['ifname', 'ether_addr'], filledBy: 'record', about: '(port, MAC)' },
  {
    table,
    name: 'guard4',
    key: ['ifname', 'ether_addr', 'ipv4_addr'],
    filledBy: 'record',
    about: '(port, MAC, address)',
  },
  {
    table,
    name: 'guard6',
    key: ['ifname', 'ether_addr', 'ipv6_addr'],
    filledBy: 'record',
    about: '(port, MAC, address), with the link-local address of the MAC',
  },
  {
    table,
    name: 'guard_nd',
    key: ['ifname', 'ether_addr', 'half_addr', 'half_addr'],
    typeof: 'iifname . ether saddr . @th,64,64 . @th,128,64',
    filledBy: 'record',
    about:
      'the same with the address in two halves: the target of an advertisement, or of a solicitation that asks whether an address is free',
  },
  {
    table,
    name: 'guard_isolated',
    key: ['ifname'],
    filledBy: 'record',
    about: 'ports that neither send to another port nor receive from one',
  },
  {
    table,
    name: 'guard_siblings4',
    key: ['ipv4_addr'],
    value: 'verdict',
    filledBy: 'record',
    about: 'address of a container -> how it is counted that another asks the bridge for it',
  },
  {
    table,
    name: 'guard_siblings_nd',
    key: ['half_addr', 'half_addr'],
    typeof: '@th,64,64 . @th,128,64',
    value: 'verdict',
    filledBy: 'record',
    about: 'the same of an IPv6 address in two halves: the target of a solicitation',
  },
  {
    table,
    name: 'guard_siblings_mac',
    key: ['ether_addr'],
    value: 'verdict',
    filledBy: 'record',
    about: 'MAC of a container -> how it is counted that another sends to it',
  },
  {
    table,
    name: 'guard_denials',
    key: ['ifname'],
    isCounted: true,
    filledBy: 'record',
    about: 'ports with the count of what was for a container that theirs is kept apart from',
  },
  ...perFamily((n, address) =>
    deniedSet(
      `guard_denied${n}`,
      [address, address, 'inet_proto', 'inet_service'],
      '(container, other container, protocol, port) with counts of what was denied; bounded as the lists of table inet',
    ),
  ),
  ...perFamily((n, address) =>
    deniedSet(
      `guard_denied${n}_portless`,
      [address, address, 'inet_proto'],
      '(container, other container, protocol), the same',
    ),
  ),
  deniedSet('guard_asked4', ['ipv4_addr', 'ipv4_addr'], '(container, other container) that it asked for by ARP'),
  deniedSet(
    'guard_asked6',
    ['ipv6_addr', 'half_addr', 'half_addr'],
    '(container, other container in two halves) that it solicited',
    'ip6 saddr . @th,64,64 . @th,128,64',
  ),
  {
    table,
    name: 'guard_recorded',
    key: ['ifname'],
    flags: ['dynamic', 'timeout'],
    size: 4096,
    timeoutMinutes: 10,
    filledBy: 'bucket',
    about: 'ports with a bucket for lines in the lists of denials',
  },
  {
    table,
    name: 'guard_fragments',
    key: ['ifname'],
    flags: ['dynamic', 'timeout'],
    size: 4096,
    timeoutMinutes: 1,
    filledBy: 'bucket',
    about: 'ports with a bucket for fragments',
  },
];

/** What was denied lately between containers. */
function deniedSet(name: string, key: readonly DataType[], about: string, expressions?: string): SetDeclaration {
  return {
    table,
    name,
    key,
    ...(expressions === undefined ? {} : { typeof: expressions }),
    flags: ['dynamic', 'timeout'],
    size: 8192,
    timeoutMinutes: 10,
    isCounted: true,
    filledBy: 'counter',
    about,
  };
}

export const guardCounters: readonly CounterDeclaration[] = [
  { table, name: 'guard_forged', about: 'frames with the MAC or the address of another' },
  { table, name: 'guard_refused', about: 'frames of kinds that a container has no business to send' },
  { table, name: 'guard_bounded', about: 'fragments of containers that had sent as many as one may' },
  { table, name: 'guard_isolation', about: 'frames between ports that are kept apart' },
];

/** Nobody counts segments of a connection that is there: of TCP, the first packet is an attempt. */
const isNoAttempt = 'tcp flags & (syn | ack) != syn return';

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
      'iifname @guard_ports goto guard',
      'iifname @guard_mac_ports iifname . ether saddr != @guard_mac counter name guard_forged drop',
      `meta iifkind { "veth", "netkit" } meta mark set meta mark | ${hex(strangerMark)}`,
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
      'iifname @guard_isolated counter name guard_isolation drop',
      'oifname @guard_isolated counter name guard_isolation drop',
      'iifname @guard_ports oifname != @guard_ports counter name guard_isolation drop',
      'oifname @guard_ports iifname != @guard_ports counter name guard_isolation drop',
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
      'igmp type membership-query counter name guard_refused drop',
      isNoAttempt,
      'ether daddr vmap @guard_siblings_mac',
    ],
  },
  {
    table,
    name: 'guard_fragments_of',
    rules: [`update @guard_fragments { iifname limit rate over ${mostFragments} } counter name guard_bounded drop`],
  },
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
      'ip6 nexthdr != { tcp, udp, icmpv6 } exthdr frag exists jump guard_fragments_of',
      'icmpv6 type { nd-router-advert, nd-redirect, mld-listener-query } counter name guard_refused drop',
      'ip6 saddr fe80::/10 exthdr frag exists counter name guard_refused drop',
      'udp sport 547 counter name guard_refused drop',
      'icmpv6 type nd-neighbor-advert iifname . ether saddr . @th,64,64 . @th,128,64 != @guard_nd counter name guard_forged drop',
      'ip6 saddr :: icmpv6 type nd-neighbor-solicit iifname . ether saddr . @th,64,64 . @th,128,64 @guard_nd return',
      'ip6 saddr :: icmpv6 type { mld-listener-report, mld-listener-done, mld2-listener-report } return',
      'iifname . ether saddr . ip6 saddr != @guard6 counter name guard_forged drop',
      isNoAttempt,
      'icmpv6 type nd-neighbor-solicit @th,64,64 . @th,128,64 vmap @guard_siblings_nd',
      'ether daddr vmap @guard_siblings_mac',
    ],
  },
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
      'update @guard_recorded { iifname limit rate over 1/second burst 512 packets } return',
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
