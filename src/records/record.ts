import type { AttachmentId } from '../cni/request.ts';
import type { ResultRoute } from '../cni/result.ts';
import type { Policy } from '../egress/policy.ts';
import type { LinkConf } from '../links/conf.ts';
import type { TapConf } from '../links/tap.ts';
import type { ShapedRecord } from '../links/shaping.ts';
import type { PortMapping } from '../ports/mapping.ts';

/**
 * What we made for one attachment: enough to find, check, rebuild and remove all of it without the
 * netns, the prevResult or the conf. Every element that we own in the kernel is a function of the records.
 */
export interface AttachmentRecord extends AttachmentId {
  readonly version: 2;
  /** First 16 hex digits of the SHA-256 of network, container and ifname: the file's name. */
  readonly key: string;
  /** Path of the network namespace as the runtime gave it. */
  readonly netns: string;
  /** Inode of that namespace (nsfs), to tell it from a later one at the same path. */
  readonly netnsInode: string;
  readonly createdAt: string;
  /** The same in milliseconds since boot, by which its age counts; absent in records of before 0.2.0. */
  readonly createdUptime?: number;
  /** "adding" until everything is in place: what is found in that state after a crash is a leftover. */
  readonly state: 'adding' | 'ready';
  /** "pid:start time" of the process that makes it. */
  readonly adder?: string;
  /** True from "ready" until links and rules all stand: what is found so after a crash is a leftover too. */
  readonly unfinished?: boolean;
  /** What the runtime says of the container besides its name; absent where it says nothing, and before 0.2.0. */
  readonly labels?: Readonly<Record<string, string>>;
  /** What the interface plugin made. */
  readonly link?: LinkRecord;
  /** What the policy plugin made. */
  readonly egress?: EgressRecord;
  /** What the drop-in for portmap published, whoever made the interface. */
  readonly published?: PublishedRecord;
  /** What the drop-in for firewall put around the container's bridge. */
  readonly ingressPolicy?: IngressPolicyRecord;
  /** What the drop-in for bandwidth limits. */
  readonly shaped?: ShapedRecord;
  /** The tap that the drop-in for tc-redirect-tap put beside the interface. */
  readonly redirected?: RedirectedRecord;
  /** The pod of a cluster whose NetworkPolicies hold for it. */
  readonly pod?: PodRecord;
}

export interface LinkRecord {
  /** Absent of a routed container. */
  readonly bridge?: string;
  /** Of a routed container: the number of its network, by which rules know its siblings. */
  readonly group?: number;
  /**
   * The interface through which the container's packets enter the host: the bridge, the gateway's in its VLAN, or of a
   * routed container its own. In records of before 0.2.0 always the bridge.
   */
  readonly ingressInterface: string;
  readonly hostInterface: string;
  readonly mac: string;
  /** That of bridge and pair; of the container's end too, unless `containerMtu` says otherwise. */
  readonly mtu: number;
  /** What the drop-in for tuning made of the container's end. */
  readonly containerMtu?: number;
  readonly addresses: readonly AddressRecord[];
  /** Routes that we made in the container, as the result tells them; absent in records of before 0.2.0. */
  readonly routes?: readonly ResultRoute[];
  readonly masquerade: boolean;
  /** Networks that are reached with the container's own address all the same. */
  readonly noMasquerade?: readonly string[];
  readonly macspoofchk: boolean;
  readonly ports: readonly PortMapping[];
  /** Default routes of the container through this interface; absent where nothing is known of them. */
  readonly defaultRoutes?: readonly DefaultRouteRecord[];
  /** Whether published ports are reached from 127.0.0.1 and from the bridge's containers too; absent is true. */
  readonly snat?: boolean;
  /**
   * A policy belongs to this attachment: while none is in force, between the plugins of a chain, it reaches nothing.
   */
  readonly enforced?: boolean;
  /** Servers of DNS that a guest behind a tap is to ask. */
  readonly nameservers?: readonly string[];
  readonly ipam: IpamRecord;
  /** The conf that ADD was given, as it was parsed; absent in records of before 0.2.0 (sections/link.ts). */
  readonly settings?: LinkSettings;
  /** That conf as it came, without prevResult: what another IPAM plugin is told on stdin when it is to give back. */
  readonly conf: Readonly<Record<string, unknown>>;
}

/** What is mended is made of these; DNS is in the result alone. */
export type LinkSettings = Omit<LinkConf, 'dns'>;

/** Who gave the addresses. */
export interface IpamRecord {
  /** "host-local" is our own; another one is the plugin that was executed; "" is nobody. */
  readonly type: string;
  readonly dataDir?: string;
  /** Folders of plugins in which ADD looked for another one; absent in records of before 0.2.0. */
  readonly path?: readonly string[];
}

export interface DefaultRouteRecord {
  readonly family: 4 | 6;
  /** The kernel takes the route with the lowest one. */
  readonly metric: number;
}

export interface AddressRecord {
  /** With prefix length: "10.88.0.2/16". */
  readonly address: string;
  readonly gateway?: string;
}

/** A guest that has MAC and addresses of an interface in its namespace. */
export interface RedirectedRecord {
  readonly tap: TapConf;
  readonly mac: string;
  readonly addresses: readonly AddressRecord[];
  readonly nameservers: readonly string[];
}

/** A pod of Kubernetes, by the names that the kubelet gives. */
export interface PodRecord {
  readonly namespace: string;
  readonly name: string;
  /** "" where the runtime does not say. */
  readonly uid: string;
  /** Without prefix length. */
  readonly addresses: readonly string[];
}

export interface PublishedRecord {
  /** The interface through which the container's packets enter the host: a bridge, or a lone veth (ptp). */
  readonly ingressInterface: string;
  /** The container's addresses, without prefix length. */
  readonly addresses: readonly string[];
  readonly ports: readonly PortMapping[];
  /** As of {@link LinkRecord}. */
  readonly defaultRoutes?: readonly DefaultRouteRecord[];
  /** Whether the ports are reached from 127.0.0.1, the container itself and its siblings too. */
  readonly snat: boolean;
}

/**
 * Who may ask something of the containers on a bridge, as the reference firewall plugin has it. "open": everybody;
 * "same-bridge": not those on other bridges with ingressPolicy; "isolated": not those on the same bridge either.
 */
export interface IngressPolicyRecord {
  readonly ingressInterface: string;
  readonly policy: 'open' | 'same-bridge' | 'isolated';
}

/** The far end of the pair of which one end is the gateway's interface in a VLAN: a port of the bridge. */
export interface VlanGateway {
  readonly bridge: string;
  readonly port: string;
}

export interface EgressRecord {
  /**
   * The interface through which the container's packets enter the host: the bridge, the gateway's in its VLAN, or a
   * lone veth (ptp).
   */
  readonly ingressInterface: string;
  /** Where that is the gateway's in a VLAN. */
  readonly vlanGateway?: VlanGateway;
  /** The container's port on that bridge; absent when there is no bridge. */
  readonly port?: string;
  readonly mac?: string;
  /** Without prefix length. */
  readonly addresses: readonly string[];
  readonly gateways: readonly string[];
  readonly policy: Policy;
  /** Name of the file in /etc/drawbridge/policies that `policy` was read from. */
  readonly policyName?: string;
  /**
   * Connections that it may have at once where its policy does not say: by what the host tracked when it was added.
   * Absent in records of before 0.2.0.
   */
  readonly usualConnections?: number;
  /** Identifies the chains and sets in the kernel that `policy` compiles to; equal policies share them. */
  readonly policyId: string;
}
