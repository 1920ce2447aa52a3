/** Sets and maps of the judgement (judgement.ts), of its hooks and of its counts. */
import { covers, intervalOf } from '../../egress/interval.ts';
import { rangesOf, type ReservedKind } from '../../egress/ranges-reserved.ts';
import type { DataType } from '../../nft/data.ts';
import type { CounterDeclaration, SetDeclaration } from '../../nft/declaration.ts';
import { perFamily } from './per-family.ts';

const table = 'inet drawbridge';

/** Interfaces behind which nobody may send without a policy. */
const interfaceSets: readonly SetDeclaration[] = [
  {
    table,
    name: 'enforced',
    key: ['ifname'],
    filledBy: 'record',
    about: 'interfaces (bridges, or lone veths) behind which nobody may send without a policy',
  },
  {
    table,
    name: 'enforced_bridges',
    key: ['ifname'],
    filledBy: 'record',
    about:
      "those of them that are bridges: who comes in by a port that is not a container's (a NIC, a bond, a VM's tap) is not judged here",
  },
  {
    table,
    name: 'enforced_out',
    key: ['ifname'],
    value: 'verdict',
    filledBy: 'record',
    about: 'the same interfaces -> how what comes in by them is judged, when it is forwarded',
  },
  {
    table,
    name: 'enforced_host',
    key: ['ifname'],
    value: 'verdict',
    filledBy: 'record',
    about: 'and when it is for the host itself',
  },
  {
    table,
    name: 'enforced_pairs',
    key: ['ifname', 'ifname'],
    filledBy: 'record',
    about: 'the same interface twice: in and out through one bridge',
  },
  {
    table,
    name: 'enforced_ports',
    key: ['ifname'],
    filledBy: 'record',
    about: 'ports of those bridges: an IP packet never enters the host through a port itself',
  },
  {
    table,
    name: 'enforced_hosts4',
    key: ['ipv4_addr'],
    filledBy: 'record',
    about: "addresses of enforced containers: what is sent there bears the gate's mark too",
  },
];

const containerSets: readonly SetDeclaration[] = [
  ...perFamily((n, address): SetDeclaration => ({
    table,
    name: `egress${n}`,
    key: ['ifname', address],
    value: 'verdict',
    filledBy: 'record',
    about: '(interface, container) -> chain that judges what it asks of the world',
  })),
  ...perFamily((n, address): SetDeclaration => ({
    table,
    name: `host${n}`,
    key: ['ifname', address],
    value: 'verdict',
    filledBy: 'record',
    about: '(interface, container) -> chain that judges what it asks of the host',
  })),
  ...perFamily((n, address): SetDeclaration => ({
    table,
    name: `ingress${n}`,
    key: ['ifname', address],
    value: 'verdict',
    filledBy: 'record',
    about: '(interface, container) -> chain that judges who asks something of it',
  })),
  ...perFamily((n, address): SetDeclaration => ({
    table,
    name: `sources${n}`,
    key: ['ifname', address],
    filledBy: 'record',
    about: "(interface, container): what comes from there, or goes there, is a container's with a policy",
  })),
  ...perFamily((n, address): SetDeclaration => ({
    table,
    name: `verifying${n}`,
    key: ['ifname', address],
    filledBy: 'record',
    about: '(interface, container) whose connections to a name have to ask for an allowed one',
  })),
  ...perFamily((n, address): SetDeclaration => ({
    table,
    name: `parties${n}`,
    key: [address, address],
    filledBy: 'record',
    about: "(container, container): both parties of what is one container's own",
  })),
  ...perFamily((n, address): SetDeclaration => ({
    table,
    name: `gateways${n}`,
    key: ['ifname', address, address],
    filledBy: 'record',
    about: '(interface, container, gateway): the host as this container knows it',
  })),
  ...perFamily((n, address): SetDeclaration => ({
    table,
    name: `siblings${n}`,
    key: ['ifname', address],
    filledBy: 'record',
    about: '(interface, container) that others on its bridge may reach and that may reach them',
  })),
  ...perFamily((n, address): SetDeclaration => ({
    table,
    name: `within${n}`,
    key: ['ifname', address],
    value: 'verdict',
    filledBy: 'record',
    about: '(interface, container) -> chain that judges what its policy denies of those that it may reach',
  })),
  ...perFamily((n, address): SetDeclaration => ({
    table,
    name: `requalify${n}`,
    key: ['ifname', address],
    flags: ['timeout'],
    filledBy: 'expiring',
    about: '(interface, container) whose established connections are judged anew',
  })),
  ...perFamily((n, address): SetDeclaration => ({
    table,
    name: `dnsforce${n}`,
    key: ['ifname', address],
    flags: ['timeout'],
    filledBy: 'expiring',
    about: '(interface, container) whose DNS the agent answers, whomever it asks; renewed by the agent',
  })),
];

const countingSets: readonly SetDeclaration[] = [
  ...perFamily((n, address): SetDeclaration => ({
    table,
    name: `denials${n}`,
    key: ['ifname', address],
    isCounted: true,
    filledBy: 'record',
    about: '(interface, container) with the count of what was denied',
  })),
  ...perFamily((n, address) =>
    deniedSet(
      `denied${n}`,
      [address, address, 'inet_proto', 'inet_service'],
      '(container, destination, protocol, port)',
    ),
  ),
  ...perFamily((n, address) =>
    deniedSet(`denied${n}_portless`, [address, address, 'inet_proto'], '(container, destination, protocol)'),
  ),
];

function deniedSet(name: string, key: readonly DataType[], what: string): SetDeclaration {
  return {
    table,
    name,
    key,
    flags: ['dynamic', 'timeout'],
    size: 8192,
    timeoutMinutes: 10,
    isCounted: true,
    filledBy: 'counter',
    about: `${what} with counts of what was denied; bounded, the kernel drops the old`,
  };
}

const reservedSets: readonly SetDeclaration[] = [
  ...perFamily((n, address) => reservedSet(`metadata${n}`, address, 'metadata', 'metadata services of clouds')),
  ...perFamily((n, address) =>
    reservedSet(`bogon${n}`, address, 'bogon', 'addresses that lead nowhere, or not where they say'),
  ),
  ...perFamily((n, address) => reservedSet(`private${n}`, address, 'private', 'local networks')),
  ...perFamily((n, address): SetDeclaration => ({
    table,
    name: `onlink${n}`,
    key: [address],
    flags: ['interval'],
    filledBy: 'host',
    about: 'networks of the host with public addresses: they are local as well',
  })),
];

/** Its elements are made when the table is: a run that finds the tables standing saves five milliseconds. */
function reservedSet(name: string, address: DataType, kind: ReservedKind, about: string): SetDeclaration {
  let elements: readonly string[][] | undefined;
  return {
    table,
    name,
    key: [address],
    flags: ['interval'],
    get elements() {
      return (elements ??= widestRanges(kind, address === 'ipv6_addr' ? 6 : 4));
    },
    filledBy: 'constant',
    about,
  };
}

/** The ranges that no other one holds: the kernel takes no two intervals that overlap. */
function widestRanges(kind: ReservedKind, family: 4 | 6): readonly string[][] {
  const known = rangesOf(kind).map(({ prefix }) => ({ prefix, interval: intervalOf(prefix) }));
  return known
    .filter((one) => !known.some((other) => other !== one && covers(other.interval, one.interval)))
    .filter(({ interval }) => interval.family === family)
    .map(({ prefix }) => [prefix]);
}

export const judgementSets: readonly SetDeclaration[] = [
  ...interfaceSets,
  ...containerSets,
  ...countingSets,
  ...reservedSets,
];

export const judgementCounters: readonly CounterDeclaration[] = [
  { table, name: 'unknown_sources', about: 'packets from addresses that no container has' },
  { table, name: 'unasked_ingress', about: 'packets that asked something of a container that nobody may ask' },
];
