/** Published ports, masquerade, and what `route_localnet` needs. */
import type { ChainDeclaration, SetDeclaration } from '../../nft/declaration.ts';
import { perFamily } from './per-family.ts';

const table = 'inet drawbridge';

export const publishingSets: readonly SetDeclaration[] = [
  {
    table,
    name: 'loopback_bridges',
    key: ['ifname'],
    filledBy: 'record',
    about: 'interfaces with `route_localnet`, which a port that is published at 127.0.0.1 needs',
  },
  {
    table,
    name: 'bridges',
    key: ['ifname'],
    filledBy: 'record',
    about: "interfaces through which our containers' packets enter the host",
  },
  ...perFamily((n, address): SetDeclaration => ({
    table,
    name: `published${n}_at`,
    key: [address, 'inet_proto', 'inet_service'],
    value: [address, 'inet_service'],
    filledBy: 'record',
    about: '(address of the host, protocol, port) -> container, for mappings with a hostIP',
  })),
  ...perFamily((n, address): SetDeclaration => ({
    table,
    name: `published${n}`,
    key: ['inet_proto', 'inet_service'],
    value: [address, 'inet_service'],
    filledBy: 'record',
    about: '(protocol, port) -> container, for mappings on every address',
  })),
  ...perFamily((n, address): SetDeclaration => ({
    table,
    name: `translated${n}_at`,
    key: [address, 'inet_proto', 'inet_service', address, 'inet_service'],
    filledBy: 'record',
    about:
      '(address of the host, protocol, port, container, its port): a translation of ours, for mappings with a hostIP',
  })),
  ...perFamily((n, address): SetDeclaration => ({
    table,
    name: `translated${n}`,
    key: ['inet_proto', 'inet_service', address, 'inet_service'],
    filledBy: 'record',
    about: '(protocol, port, container, its port): a translation of ours, for mappings on every address',
  })),
  ...perFamily((n, address): SetDeclaration => ({
    table,
    name: `containers${n}`,
    key: ['ifname', address],
    filledBy: 'record',
    about: '(bridge, address) of every container',
  })),
  ...perFamily((n, address): SetDeclaration => ({
    table,
    name: `hairpin${n}`,
    key: ['ifname', address],
    filledBy: 'record',
    about: '(bridge, address) of containers with published ports, unless "snat" is off',
  })),
  ...perFamily((n, address): SetDeclaration => ({
    table,
    name: `masquerade${n}`,
    key: [address],
    filledBy: 'record',
    about: "addresses that are hidden behind the host's when they leave their bridge",
  })),
  ...perFamily((n, address): SetDeclaration => ({
    table,
    name: `bare${n}`,
    key: [address, address],
    flags: ['interval'],
    filledBy: 'record',
    about: '(address, network): where such an address is not hidden after all',
  })),
];

export const publishingChains: readonly ChainDeclaration[] = [
  // With route_localnet on a bridge, 127.0.0.0/8 is an address like any other there: a container could reach what
  // listens on the host's loopback only, or speak in its name. Replies to the host's own connections through 127.0.0.1
  // carry the bridge's address on the wire and pass. Before conntrack: nothing is remembered.
  {
    table,
    name: 'loopback',
    hook: { type: 'filter', at: 'prerouting', priority: 'raw' },
    rules: ['ip daddr 127.0.0.0/8 iifname @bridges drop', 'ip saddr 127.0.0.0/8 iifname @bridges drop'],
  },
  // Only what is addressed to the host itself (GHSA-jv3w-x3r3-g6rm, plugins#1209). What comes from the wire for
  // 127.0.0.1 is left to the kernel, which drops it: translated first, it would be let in (moby#45610). A packet with
  // source ::1 never leaves the loopback interface, so ::1 stays with the host's own listeners.
  {
    table,
    name: 'published_from_wire',
    hook: { type: 'nat', at: 'prerouting', priority: 'dstnat' },
    rules: ['ip daddr 127.0.0.0/8 return', 'fib daddr type local jump published'],
  },
  {
    table,
    name: 'published_from_host',
    hook: { type: 'nat', at: 'output', priority: '-100' },
    rules: ['ip6 daddr ::1 return', 'fib daddr type local jump published'],
  },
  {
    table,
    name: 'published',
    rules: [
      'dnat ip to ip daddr . meta l4proto . th dport map @published4_at',
      'dnat ip to meta l4proto . th dport map @published4',
      'dnat ip6 to ip6 daddr . meta l4proto . th dport map @published6_at',
      'dnat ip6 to meta l4proto . th dport map @published6',
    ],
  },
  // A packet that conntrack cannot place is not translated: it would leave with the container's own address
  // (plugins#816, moby#18630).
  {
    table,
    name: 'untranslated',
    hook: { type: 'filter', at: 'forward', priority: 'filter - 10' },
    rules: [
      'ct state invalid iifname . ip saddr @containers4 drop',
      'ct state invalid iifname . ip6 saddr @containers6 drop',
    ],
  },
  // A published port is reached with the client's own address, except where the answer would not come back through the
  // host: from a container on the same bridge, and from 127.0.0.1. "Inside the network" is what leaves by the
  // container's own bridge; but a container with a policy reaches nobody there past the host except containers, so what
  // it sends to others by that bridge (the LAN that a NIC in the bridge leads to) has to be answered through the host.
  {
    table,
    name: 'masquerading',
    hook: { type: 'nat', at: 'postrouting', priority: 'srcnat' },
    rules: [
      'ip saddr 127.0.0.0/8 oifname @loopback_bridges masquerade',
      'ct status dnat oifname . ip saddr @containers4 oifname . ip daddr @hairpin4 masquerade',
      'ct status dnat oifname . ip6 saddr @containers6 oifname . ip6 daddr @hairpin6 masquerade',
      'ct status dnat oifname @bridges return',
      'ip saddr . oifgroup @routed_home4 return',
      'ip6 saddr . oifgroup @routed_home6 return',
      'oifname . ip saddr @containers4 goto masquerading_within',
      'oifname . ip6 saddr @containers6 goto masquerading_within',
      'ip daddr 224.0.0.0/4 return',
      'ip6 daddr ff00::/8 return',
      'ip saddr . ip daddr @bare4 return',
      'ip6 saddr . ip6 daddr @bare6 return',
      'ip saddr @masquerade4 masquerade',
      'ip6 saddr @masquerade6 masquerade',
    ],
  },
  {
    table,
    name: 'masquerading_within',
    rules: [
      'oifname . ip saddr != @sources4 return',
      'oifname . ip6 saddr != @sources6 return',
      'oifname . ip daddr @containers4 return',
      'oifname . ip6 daddr @containers6 return',
      'oifname . ip daddr @sources4 return',
      'oifname . ip6 daddr @sources6 return',
      'meta pkttype { broadcast, multicast } return',
      'ip daddr 224.0.0.0/4 return',
      'ip6 daddr ff00::/8 return',
      'ip saddr . ip daddr @bare4 return',
      'ip6 saddr . ip6 daddr @bare6 return',
      'ip saddr @masquerade4 masquerade',
      'ip6 saddr @masquerade6 masquerade',
    ],
  },
];
