import type { Labels, Selector } from './selector.ts';

/** What our rules have to know of a Pod. */
export interface Pod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly labels: Labels;
  /** The node that it was given to; "" before that. */
  readonly node: string;
  /** It has the node's own network: no policy selects it, and its packets are the node's. */
  readonly isOnHostNetwork: boolean;
  /** It has ended, and its addresses may be somebody else's by now. */
  readonly hasEnded: boolean;
  /** Canonical text; empty until it has a network. */
  readonly addresses: readonly string[];
  readonly ports: readonly ContainerPort[];
}

/** A port of a container that has a name. */
export interface ContainerPort {
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
}

export type Protocol = 'tcp' | 'udp' | 'sctp';

export interface Namespace {
  readonly name: string;
  readonly labels: Labels;
}

/** A NetworkPolicy of networking.k8s.io/v1. */
export interface NetworkPolicy {
  readonly namespace: string;
  readonly name: string;
  /** Pods of its namespace that it holds for. */
  readonly selects: Selector;
  /** Absent: it says nothing of who may reach them. */
  readonly into?: readonly PolicyRule[];
  /** Absent: it says nothing of what they may reach. */
  readonly out?: readonly PolicyRule[];
}

/** A peer and a port of one rule together let a connection pass. */
export interface PolicyRule {
  /** Absent: everybody. */
  readonly peers?: readonly Peer[];
  /** Absent: every port of every protocol. */
  readonly ports?: readonly PolicyPort[];
}

export type Peer = PodPeer | BlockPeer;

export interface PodPeer {
  /** Absent: the namespace of the policy alone. */
  readonly namespaces?: Selector;
  /** Absent: all pods. */
  readonly pods?: Selector;
}

/** Addresses, whoever has them. */
export interface BlockPeer {
  readonly cidr: string;
  readonly except: readonly string[];
}

export interface PolicyPort {
  readonly protocol: Protocol;
  /** Absent: every port of the protocol; a text is the name of a port of the container that is reached. */
  readonly port?: number | string;
  /** Last port of a range that begins with `port`. */
  readonly endPort?: number;
}
