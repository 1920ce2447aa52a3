/**
 * What only routers have to say, and what makes the host or its bridge believe that a container is one: queries and PIM
 * turn a port into a router's, to which all multicast is sent; packets with the Router Alert option are handed to
 * sockets of the host before any rule of its forwarding (RFC 2113, RFC 2711); a bridge that was told of too many groups
 * stops to look at who is in one.
 */
import type { ChainDeclaration, SetDeclaration } from '../../nft/declaration.ts';

const table = 'bridge drawbridge';
/** Protocol numbers: nft has these names from /etc/protocols, which a host or an image may lack. */
const igmp = 2;
const pim = 103;

const refuse = 'counter name guard_refused drop';
const bound = 'goto guard_bounded_reports';

export const routerSets: readonly SetDeclaration[] = [
  {
    table,
    name: 'guard_reports',
    key: ['ifname'],
    flags: ['dynamic', 'timeout'],
    size: 4096,
    timeoutMinutes: 10,
    filledBy: 'bucket',
    about: 'ports with a bucket for reports of groups',
  },
];

/**
 * A bridge keeps 4,096 groups for 260 seconds each (mcast_hash_max, RFC 3376 8.4), and then keeps none: of 600 that one
 * container has in that time, six containers fill it. Hosts repeat a report once.
 */
const mostReports = 'update @guard_reports { iifname limit rate over 10/minute burst 32 packets }';
const mostRecords = '@th,48,16 > 8';

/** Rules for every IPv4 packet of a container, and for every IPv6 packet that is not plain TCP, UDP or ICMPv6. */
export const routerRules = {
  ip4: ['ip hdrlength > 5 jump guard_options', `meta l4proto { ${igmp}, ${pim} } jump guard_groups`],
  ip6: [`icmpv6 type { nd-router-advert, nd-redirect, mld-listener-query, 151, 153 } ${refuse}`],
  extensions: ['ip6 nexthdr 0 jump guard_hop_by_hop'],
  groups6: ['icmpv6 type { mld-listener-report, mld2-listener-report } jump guard_groups6'],
} as const;

export const routerChains: readonly ChainDeclaration[] = [
  { table, name: 'guard_options', rules: [`meta l4proto != ${igmp} ip option ra exists ${refuse}`] },
  {
    table,
    name: 'guard_groups',
    rules: [
      `meta l4proto ${pim} ${refuse}`,
      `igmp type != { membership-report-v1, membership-report-v2, membership-report-v3, leave-group } ${refuse}`,
      `igmp type membership-report-v3 ${mostRecords} ${bound}`,
      `igmp type != leave-group ${mostReports} ${bound}`,
    ],
  },
  {
    table,
    name: 'guard_groups6',
    rules: [`icmpv6 type mld2-listener-report ${mostRecords} ${bound}`, `${mostReports} ${bound}`],
  },
  {
    table,
    name: 'guard_hop_by_hop',
    rules: ['icmpv6 type { mld-listener-report, mld-listener-done, mld2-listener-report } return', refuse],
  },
];

/** The same of lone veths, which have no guard: before the host looks at the option. */
export const loneRouterRules: readonly string[] = [
  `ip hdrlength > 5 meta l4proto != ${igmp} ip option ra exists iifname @enforced iifname != @enforced_bridges drop`,
  'ip6 nexthdr 0 icmpv6 type != { mld-listener-report, mld-listener-done, mld2-listener-report } iifname @enforced iifname != @enforced_bridges drop',
  'ip6 nexthdr 0 meta l4proto != icmpv6 iifname @enforced iifname != @enforced_bridges drop',
];
