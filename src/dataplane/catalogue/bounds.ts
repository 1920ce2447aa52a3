/** What one container may take of what all share, so that it leaves the rest to others. */
import type { ChainDeclaration, CounterDeclaration, SetDeclaration } from '../../nft/declaration.ts';
import { perFamily } from './per-family.ts';

const table = 'inet drawbridge';

/** More than one host has containers. */
const size = 65_535;

/** Each element is a container with a bucket, which is full again long before the kernel drops it. */
function bucketsOf(name: string, address: 'ipv4_addr' | 'ipv6_addr', minutes: number, what: string): SetDeclaration {
  return {
    table,
    name,
    key: ['ifname', address],
    flags: ['dynamic', 'timeout'],
    size,
    timeoutMinutes: minutes,
    filledBy: 'bucket',
    about: `(interface, container) with a bucket for ${what}`,
  };
}

export const boundSets: readonly SetDeclaration[] = [
  ...perFamily((n, address): SetDeclaration => ({
    table,
    name: `flows${n}`,
    key: ['ifname', address],
    flags: ['dynamic'],
    size,
    filledBy: 'bucket',
    about: '(interface, container) with its connections',
  })),
  ...perFamily((n, address): SetDeclaration => ({
    table,
    name: `flows_to${n}`,
    key: ['ifname', address, address, 'inet_proto', 'inet_service'],
    flags: ['dynamic'],
    size,
    filledBy: 'bucket',
    about: '(interface, container, destination, protocol, port) with the connections to there',
  })),
  ...perFamily((n, address): SetDeclaration => ({
    table,
    name: `neighbours${n}`,
    key: ['ifname', address, address],
    flags: ['dynamic', 'timeout'],
    size,
    timeoutMinutes: 1,
    filledBy: 'bucket',
    about: '(interface, container, next hop) that it sent to lately: a neighbour of the host',
  })),
  ...perFamily((n, address) => bucketsOf(`hops${n}`, address, 1, 'neighbours of the host that it had not sent to')),
  ...perFamily((n, address) => bucketsOf(`echoes${n}`, address, 1, 'echo to the host')),
  ...perFamily((n, address) => bucketsOf(`queries${n}`, address, 1, 'DNS that the agent answers')),
  ...perFamily((n, address) => bucketsOf(`recorded${n}`, address, 10, 'lines in the lists of denials')),
  {
    table,
    name: 'fragments',
    key: ['ifname'],
    flags: ['dynamic', 'timeout'],
    size,
    timeoutMinutes: 1,
    filledBy: 'bucket',
    about: 'lone veths with a bucket for fragments',
  },
];

export const boundCounters: readonly CounterDeclaration[] = [
  { table, name: 'bounded', about: 'packets of containers that had taken what one may take' },
];

/**
 * Fragments of one container. The kernel keeps 4 MB of a family's, 1,800 of full size or so, for 30 seconds, and when
 * it is full nobody's are put together: in that time 1,700 come from one.
 */
export const mostFragments = '50/second burst 200 packets';

/**
 * Neighbours that one container makes the host look for. The kernel asks for each three times, a second apart, keeps
 * 1,024 of a family at most, and lets go of none that it still asks for: one container has 70 of them at a time. Its
 * gateway is one, however many destinations are behind it.
 */
const mostNeighbours = '10/second burst 40 packets';

/** Rules for what has to be judged before conntrack puts fragments together and remembers anything. */
export const boundsBeforeConntrack: readonly string[] = [
  ...['ip frag-off & 0x3fff != 0', 'ip6 nexthdr != { tcp, udp, icmpv6 } exthdr frag exists'].map(
    (isFragment) =>
      `${isFragment} iifname @enforced iifname != @enforced_bridges update @fragments { iifname limit rate over ${mostFragments} } goto egress_bounded`,
  ),
  ...perFamily((n) => {
    const source = `iifname . ${ip(n)} saddr`;
    return `udp dport 53 ${source} @dnsforce${n} update @queries${n} { ${source} limit rate over 500/second burst 1000 packets } goto egress_bounded`;
  }),
];

/** Rules for echo to the host, whatever conntrack knows of it. */
export const boundsOfEcho: readonly string[] = perFamily((n) => {
  const source = `iifname . ${ip(n)} saddr`;
  return `${n === 4 ? 'icmp' : 'icmpv6'} type echo-request ${source} @sources${n} update @echoes${n} { ${source} limit rate over 10/second burst 20 packets } goto egress_bounded`;
});

/** Rules for what is listed of denials: what is over is counted in the sum alone. */
export const boundsOfDenials: readonly string[] = perFamily(
  (n) => `update @recorded${n} { iifname . ${ip(n)} saddr limit rate over 1/second burst 512 packets } goto deny_log`,
);

/**
 * Of connections: a sixteenth of what the kernel tracks where nobody set it (262,144), and of the 28,232 ports that the
 * host has for one destination less than a third. Those that are closed, or in TIME_WAIT, do not count. They are
 * counted when the policy has allowed them, and of containers alone: what comes in by a foreign port of the bridge is
 * not judged here.
 */
export const boundChains: readonly ChainDeclaration[] = [
  {
    table,
    name: 'egress_bounds',
    rules: perFamily((n) => `iifname . ${ip(n)} saddr @sources${n} goto egress_bounds${n}`),
  },
  ...perFamily((n): ChainDeclaration => {
    const source = `iifname . ${ip(n)} saddr`;
    const hop = `${source} . rt ${ip(n)} nexthop`;
    return {
      table,
      name: `egress_bounds${n}`,
      rules: [
        `${hop} @neighbours${n} goto egress_flows${n}`,
        `update @hops${n} { ${source} limit rate over ${mostNeighbours} } goto egress_bounded`,
        `add @neighbours${n} { ${hop} }`,
        `goto egress_flows${n}`,
      ],
    };
  }),
  ...perFamily((n): ChainDeclaration => {
    const source = `iifname . ${ip(n)} saddr`;
    return {
      table,
      name: `egress_flows${n}`,
      rules: [
        `add @flows${n} { ${source} ct count over 16384 } goto egress_bounded`,
        `meta l4proto { tcp, udp, sctp } add @flows_to${n} { ${source} . ${ip(n)} daddr . meta l4proto . th dport ct count over 8192 } goto egress_bounded`,
      ],
    };
  }),
  { table, name: 'egress_bounded', rules: ['counter name bounded drop'] },
];

function ip(n: 4 | 6): 'ip' | 'ip6' {
  return n === 4 ? 'ip' : 'ip6';
}
