import { sha256 } from '../../digest/sha256.ts';
import type { BlockPeer, NetworkPolicy, Peer, Pod, PodPeer, PolicyPort, PolicyRule } from './objects.ts';
import { mergeBlocks } from './blocks.ts';
import { mergePorts, type PortRange } from './port-ranges.ts';
import { selects, type Labels } from './selector.ts';

/** "into" a pod (ingress), or "out" of it (egress). */
export type Direction = 'into' | 'out';

/** What all policies together that select a pod let pass in one direction: what one of them allows is allowed. */
export interface Profile {
  /** 16 hex digits: a hash of all but the addresses of pods, so that it stays the same while pods come and go. */
  readonly id: string;
  readonly direction: Direction;
  readonly rules: readonly ProfileRule[];
  /** Where rules name ports, which differ between pods: each pod's own. Absent where none does. */
  readonly named?: readonly NamedPort[];
}

/** Peers and ports that go with one another; no two rules of a profile have the same ports. */
export interface ProfileRule {
  /** Absent: every port of every protocol. Ascending and disjoint. */
  readonly ports?: readonly PortRange[];
  readonly isForEverybody: boolean;
  /** Prefixes and ranges as nft writes them, disjoint. */
  readonly blocks: readonly string[];
  /** Addresses of pods. */
  readonly addresses: readonly string[];
}

/** A port of a pod that a policy names. */
export interface NamedPort extends Omit<PortRange, 'from' | 'to'> {
  readonly address: string;
  readonly port: number;
}

export interface Surroundings {
  /** The pod that is judged. */
  readonly pod: Pod;
  /** Pods that have addresses of their own. */
  readonly peers: readonly Pod[];
  /** Labels of namespaces. */
  readonly labels: ReadonlyMap<string, Labels>;
}

/** The profile of a pod that these policies of its namespace select; one of `known` where it says the same. */
export function profileOf(
  direction: Direction,
  policies: readonly NetworkPolicy[],
  surroundings: Surroundings,
  known: ReadonlyMap<string, Profile>,
): Profile {
  const drafts = draftsOf(
    policies.flatMap((policy) => policy[direction] ?? []),
    direction,
    surroundings.pod,
  );
  const named = direction === 'into' ? [] : policies.flatMap((policy) => namesOf(policy.out ?? []));
  const { namespace } = surroundings.pod;
  const id = sha256(JSON.stringify({ direction, namespace, drafts, named })).slice(0, 16);
  const found = known.get(id);
  if (found !== undefined) return found;
  const addressesOf = (peers: readonly PodPeer[]): string[] => [
    ...new Set(podsAmong(peers, surroundings).flatMap(({ addresses }) => addresses)),
  ];
  return {
    id,
    direction,
    rules: drafts.map(({ pods, ...rule }) => ({ ...rule, addresses: addressesOf(pods).toSorted() })),
    ...(named.length === 0 ? {} : { named: named.flatMap((one) => namedPorts(one, surroundings)) }),
  };
}

/** A rule before it is known which pods there are. */
interface Draft extends Omit<ProfileRule, 'addresses'> {
  readonly pods: readonly PodPeer[];
}

interface ResolvedRule {
  readonly peers: readonly Peer[] | undefined;
  readonly ports: readonly PortRange[] | undefined;
}

/** One for each distinct list of ports, in their order. */
function draftsOf(rules: readonly PolicyRule[], direction: Direction, pod: Pod): Draft[] {
  const resolved = rules.flatMap(({ peers, ports }): ResolvedRule[] => {
    if (ports === undefined) return [{ peers, ports }];
    const ranges = mergePorts(ports.flatMap((port) => rangesOf(port, direction, pod)));
    // Every port that it lists has a name that this pod has not, or is looked for in what is reached.
    return ranges.length === 0 ? [] : [{ peers, ports: ranges }];
  });
  const byPorts = Map.groupBy(resolved, ({ ports }) => JSON.stringify(ports));
  return [...byPorts]
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([, own]) => {
      const isForEverybody = own.some(({ peers }) => peers === undefined);
      const peers = isForEverybody ? [] : unique(own.flatMap((rule) => rule.peers ?? []));
      const ports = own[0]?.ports;
      return {
        ...(ports === undefined ? {} : { ports }),
        isForEverybody,
        blocks: mergeBlocks(peers.filter(isBlock)),
        pods: peers.filter(isPod),
      };
    });
}

function rangesOf({ protocol, port, endPort }: PolicyPort, direction: Direction, pod: Pod): PortRange[] {
  if (port === undefined) return [{ protocol, from: 0, to: 65_535 }];
  if (typeof port === 'number') return [{ protocol, from: port, to: endPort ?? port }];
  if (direction === 'out') return [];
  return pod.ports
    .filter((one) => one.name === port && one.protocol === protocol)
    .map((one) => ({ protocol, from: one.port, to: one.port }));
}

/** Ports of other pods that rules name, and of which pods. */
interface NamedDraft {
  /** Absent: of all pods. */
  readonly peers?: readonly PodPeer[];
  readonly ports: readonly PolicyPort[];
}

function namesOf(rules: readonly PolicyRule[]): NamedDraft[] {
  return rules.flatMap(({ peers, ports = [] }): NamedDraft[] => {
    const named = ports.filter(({ port }) => typeof port === 'string');
    if (named.length === 0) return [];
    // An address that no pod has, has no names of ports.
    return [{ ports: named, ...(peers === undefined ? {} : { peers: peers.filter(isPod) }) }];
  });
}

function namedPorts({ peers, ports }: NamedDraft, surroundings: Surroundings): NamedPort[] {
  const pods = peers === undefined ? surroundings.peers : podsAmong(peers, surroundings);
  return pods.flatMap((pod) =>
    pod.ports
      .filter((own) => ports.some(({ port, protocol }) => port === own.name && protocol === own.protocol))
      .flatMap(({ protocol, port }) => pod.addresses.map((address) => ({ address, protocol, port }))),
  );
}

function podsAmong(peers: readonly PodPeer[], { pod: own, peers: pods, labels }: Surroundings): Pod[] {
  return pods.filter((pod) =>
    peers.some((peer) => {
      const isThere =
        peer.namespaces === undefined
          ? pod.namespace === own.namespace
          : selects(peer.namespaces, labels.get(pod.namespace) ?? {});
      return isThere && (peer.pods === undefined || selects(peer.pods, pod.labels));
    }),
  );
}

function isBlock(peer: Peer): peer is BlockPeer {
  return 'cidr' in peer;
}

function isPod(peer: Peer): peer is PodPeer {
  return !isBlock(peer);
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Map(values.map((value) => [JSON.stringify(value), value])).values()];
}
