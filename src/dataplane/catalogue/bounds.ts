/** What one container may take of what all share, so that it leaves the rest to others. */
import type {
  ChainDeclaration,
  CounterDeclaration,
  SetDeclaration,
  TimeoutDeclaration,
} from '../../nft/declaration.ts';
import { bounds, metMinutes, type BoundKind } from '../../egress/bounds.ts';
import { perFamily } from './per-family.ts';

const table = 'inet drawbridge';
const guardTable = 'bridge drawbridge';

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

/** Packets put an element when a bound is met; it is forgotten an hour after the last one. */
const metSets: readonly SetDeclaration[] = [
  ...perFamily((n, address) => metSet(table, `met${n}`, ['ifname', address, 'inet_service'], '(interface, container')),
  metSet(guardTable, 'guard_met', ['ifname', 'inet_service'], '(port'),
];

function metSet(of: SetDeclaration['table'], name: string, key: SetDeclaration['key'], who: string): SetDeclaration {
  return {
    table: of,
    name,
    key,
    flags: ['dynamic', 'timeout'],
    size,
    timeoutMinutes: metMinutes,
    isCounted: true,
    filledBy: 'counter',
    about: `${who}, number of a bound) with the count of packets that were over it`,
  };
}

export const boundSets: readonly SetDeclaration[] = [
  ...perFamily((n, address): SetDeclaration => ({
    table,
    name: `connections${n}`,
    key: ['ifname', address],
    value: 'verdict',
    filledBy: 'record',
    about: '(interface, container) -> chain that bounds its connections',
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
  ...metSets,
];

export const boundCounters: readonly CounterDeclaration[] = [
  { table, name: 'bounded', about: 'packets of containers that had taken what one may take' },
];

/**
 * Seconds. A connection that nobody answers is asked for four times in seven seconds; the kernel keeps it for 120.
 * One that is over holds a port of the host, for 10 seconds after a reset (close) and 120 else, and no longer counts as
 * a connection: shorter, what a container may begin in that time leaves most of the ports to others.
 */
export const boundTimeouts: readonly TimeoutDeclaration[] = [
  {
    table,
    name: 'opening',
    seconds: { syn_sent: 10, close: 2, time_wait: 10 },
    about: 'TCP connections that a container with a policy begins',
  },
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
      `${isFragment} iifname @enforced iifname != @enforced_bridges update @fragments { iifname limit rate over ${mostFragments} } goto bounded_fragments`,
  ),
  ...perFamily((n) => {
    const source = `iifname . ${ip(n)} saddr`;
    return `udp dport 53 ${source} @dnsforce${n} update @queries${n} { ${source} limit rate over 500/second burst 1000 packets } goto bounded_queries`;
  }),
];

/** Rules for echo to the host, whatever conntrack knows of it. */
export const boundsOfEcho: readonly string[] = perFamily((n) => {
  const source = `iifname . ${ip(n)} saddr`;
  return `${n === 4 ? 'icmp' : 'icmpv6'} type echo-request ${source} @sources${n} update @echoes${n} { ${source} limit rate over 10/second burst 20 packets } goto bounded_echo`;
});

/** Rules for what is listed of denials: what is over is counted in the sum alone. */
export const boundsOfDenials: readonly string[] = perFamily(
  (n) =>
    `update @recorded${n} { iifname . ${ip(n)} saddr limit rate over 1/second burst 512 packets } goto bounded_denials`,
);

/**
 * Connections are counted when the policy has allowed them, and of containers alone: what comes in by a foreign port of
 * the bridge is not judged here. How many there may be stands in the chain that an element leads to
 * (egress/connections.ts). Where none does, nothing begins.
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
        `update @hops${n} { ${source} limit rate over ${mostNeighbours} } goto bounded_neighbours`,
        `add @neighbours${n} { ${hop} }`,
        `goto egress_flows${n}`,
      ],
    };
  }),
  ...perFamily((n): ChainDeclaration => ({
    table,
    name: `egress_flows${n}`,
    rules: [
      'meta l4proto tcp ct timeout set "opening"',
      `iifname . ${ip(n)} saddr vmap @connections${n}`,
      'goto egress_bounded',
    ],
  })),
  ...bounds
    .filter(({ table: of }) => of === 'inet' || of === 'both')
    .map((bound): ChainDeclaration => ({
      table,
      name: `bounded_${bound.name}`,
      rules: [...perFamily((n) => metRule(n, bound)), `goto ${bound.isCountedOnly ? 'deny_log' : 'egress_bounded'}`],
    })),
  { table, name: 'egress_bounded', rules: ['counter name bounded drop'] },
];

/** Chains of `table bridge drawbridge` for what is over a bound there. */
export const guardBoundChains: readonly ChainDeclaration[] = bounds
  .filter(({ table: of }) => of === 'bridge' || of === 'both')
  .map(({ name, number, isCountedOnly }) => ({
    table: guardTable,
    name: `guard_bounded_${name}`,
    rules: [`update @guard_met { iifname . ${number} }`, isCountedOnly ? 'return' : 'counter name guard_bounded drop'],
  }));

/** A source that somebody made up puts no element. */
function metRule(n: 4 | 6, { number }: BoundKind): string {
  const source = `iifname . ${ip(n)} saddr`;
  return `${source} @sources${n} update @met${n} { ${source} . ${number} }`;
}

function ip(n: 4 | 6): 'ip' | 'ip6' {
  return n === 4 ? 'ip' : 'ip6';
}
