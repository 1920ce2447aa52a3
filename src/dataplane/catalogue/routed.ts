/**
 * The guard at the veth of a routed container, and what tells its siblings: the interfaces of one network have one
 * number of the kernel's (a device group). It comes before conntrack and before everything that looks at addresses.
 * There is no link that others share, so ARP, which no table of this family sees, can tell lies to the host alone; and
 * that has permanent neighbours.
 */
import type { ChainDeclaration, CounterDeclaration, SetDeclaration } from '../../nft/declaration.ts';
import { perFamily } from './per-family.ts';

const table = 'inet drawbridge';

export const routedSets: readonly SetDeclaration[] = [
  {
    table,
    name: 'routed',
    key: ['ifname'],
    filledBy: 'record',
    about: 'veths of routed containers: they send only as themselves',
  },
  {
    table,
    name: 'routed4',
    key: ['ifname', 'ether_addr', 'ipv4_addr'],
    filledBy: 'record',
    about: '(veth, MAC, address)',
  },
  {
    table,
    name: 'routed6',
    key: ['ifname', 'ether_addr', 'ipv6_addr'],
    filledBy: 'record',
    about: '(veth, MAC, address), with the link-local address of the MAC',
  },
  {
    table,
    name: 'routed_nd',
    key: ['ifname', 'ether_addr', 'half_addr', 'half_addr'],
    typeof: 'iifname . ether saddr . @th,64,64 . @th,128,64',
    filledBy: 'record',
    about: 'the same with the address in two halves: the target of an advertisement, or of a question for an address',
  },
  {
    table,
    name: 'routed_pairs',
    key: ['devgroup', 'devgroup'],
    filledBy: 'record',
    about: 'the number of a network twice: from one routed container of it to another',
  },
  ...perFamily((n, address): SetDeclaration => ({
    table,
    name: `routed_home${n}`,
    key: [address, 'devgroup'],
    filledBy: 'record',
    about: '(routed container, its network): there it is not hidden behind the host',
  })),
];

export const routedCounters: readonly CounterDeclaration[] = [
  { table, name: 'routed_forged', about: 'packets of routed containers with the MAC or the address of another' },
  { table, name: 'routed_refused', about: 'packets of kinds that a routed container has no business to send' },
];

/** Before everything else that looks at a packet. */
export const guardOfRouted = 'iifname @routed jump routed_from';

export const routedChains: readonly ChainDeclaration[] = [
  {
    table,
    name: 'routed_from',
    rules: [
      'iifname . ether saddr . ip saddr @routed4 goto routed_from4',
      'iifname . ether saddr . ip6 saddr @routed6 goto routed_from6',
      'ip6 saddr :: icmpv6 type nd-neighbor-solicit iifname . ether saddr . @th,64,64 . @th,128,64 @routed_nd return',
      'ip6 saddr :: icmpv6 type { mld-listener-report, mld-listener-done, mld2-listener-report } return',
      'counter name routed_forged drop',
    ],
  },
  {
    table,
    name: 'routed_from4',
    rules: [
      'udp sport 67 counter name routed_refused drop',
      'igmp type membership-query counter name routed_refused drop',
    ],
  },
  {
    table,
    name: 'routed_from6',
    rules: [
      'icmpv6 type { nd-router-advert, nd-redirect, mld-listener-query } counter name routed_refused drop',
      'ip6 saddr fe80::/10 exthdr frag exists counter name routed_refused drop',
      'udp sport 547 counter name routed_refused drop',
      'icmpv6 type nd-neighbor-advert iifname . ether saddr . @th,64,64 . @th,128,64 != @routed_nd counter name routed_forged drop',
    ],
  },
];
