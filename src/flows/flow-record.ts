/**
 * One decision about what a container asked for, or what was asked of it. It is one JSON line in
 * /var/lib/drawbridge/flows, in "drawbridge flows --json" (conf/schema/flows.json), and on the agent's socket.
 */
export interface FlowRecord {
  /** The same in each line about one record: a later line has what changed since (its `count`, its end). */
  readonly id: string;
  /** ISO 8601; the first packet. */
  readonly time: string;
  /** "audit": it would have been denied, and passed. */
  readonly verdict: 'allow' | 'deny' | 'audit';
  /** What it asked of the outside, of a sibling on its bridge, of the host; or what was asked of it. */
  readonly direction: 'egress' | 'sibling' | 'host' | 'ingress';
  /** Id of the container as CNI has it. */
  readonly container: string;
  /** What its runtime calls it; of a pod, "namespace/pod". */
  readonly containerName?: string;
  readonly namespace?: string;
  readonly pod?: string;
  /** What the runtime says of the container besides its name. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly network: string;
  readonly ifname: string;
  /** Address of who asked. */
  readonly source: string;
  /** The address that was asked for; the name, of a query that was refused. */
  readonly destination: string;
  /** Absent where the protocol has none. */
  readonly port?: number;
  /** "tcp", "udp", "sctp", "icmp", "arp", "ndp", "dns" of a refused name, or a number. */
  readonly protocol: string;
  /** A name that an answer to a container had the destination for. */
  readonly name?: string;
  /** The other container, by its id. */
  readonly peer?: string;
  /** Name of the policy's file; null where the network has it. */
  readonly policy: string | null;
  /** The entry or the key that decided, in the words of "explain". */
  readonly rule: string;
  readonly reason: string;
  /** Where that is written: "/etc/drawbridge/policies/web.json:4:12". */
  readonly place?: string;
  /** Packets or queries alike within the minute. */
  readonly count: number;
  /** ISO 8601; the last of several, or the end of a connection. */
  readonly until?: string;
  /** Of an allowed connection that is over. */
  readonly ended?: true;
  readonly bytes?: Traffic;
  readonly packets?: Traffic;
}

/** What the container sent, and what it received. */
export interface Traffic {
  readonly sent: number;
  readonly received: number;
}

/** A later line about a record: what of it is another by now. */
export type FlowUpdate = Pick<FlowRecord, 'id'> & Partial<FlowRecord>;
