/**
 * One change of links, addresses, routes, VLANs, routing rules or queues, as a value that JSON can hold. It has two
 * renderings: text for people and for `ip`, `bridge` and `tc` (links/text.ts), and requests to the kernel
 * (host/netlink/link-request.ts).
 */
export type LinkCommand<Kind extends LinkCommandKind = LinkCommandKind> = {
  [Each in Kind]: { readonly kind: Each } & Commands[Each];
}[Kind];

export type LinkCommandKind = keyof Commands;

/** What each kind of command says. What is absent stays as it is. */
interface Commands {
  readonly addBridge: LinkName & { readonly mac: string };
  readonly addVeth: { readonly end: VethEnd; readonly peer: VethEnd };
  /** A tap that stays when nobody has it open. Fails with "exists" when there is one. */
  readonly addTap: LinkName & TapSettings;
  readonly addIfb: LinkName & { readonly mac: string; readonly mtu: number };
  readonly setLink: LinkName & LinkSettings;
  readonly setBridge: LinkName & BridgeSettings;
  readonly setPort: LinkName & { readonly hairpin?: boolean; readonly isolated?: boolean; readonly learning?: boolean };
  readonly deleteLink: LinkName;

  /** Is content with an address that is there. */
  readonly replaceAddress: NewAddress;
  readonly deleteAddress: LinkName & { readonly address: string };
  /** Tells the MAC address that has an address; nobody else can say otherwise where it is permanent. */
  readonly replaceNeighbour: LinkName & {
    readonly address: string;
    readonly mac: string;
    readonly isPermanent?: boolean;
  };

  /** Tells the bridge of a port which MAC address is found there, for good. */
  readonly replaceStaticMac: LinkName & { readonly mac: string };

  /** Fails when there is one to the destination with the metric. */
  readonly addRoute: Route;
  /** Goes behind the routes to the destination with the metric. */
  readonly appendRoute: Route;
  /** Goes before them. */
  readonly prependRoute: Route;
  readonly replaceRoute: Route;
  readonly deleteRoute: Route;

  readonly addPortVlans: LinkName & PortVlanRange;
  readonly deletePortVlan: LinkName & { readonly vlan: number };

  readonly addRule: ProhibitingRule;
  readonly deleteRule: ProhibitingRule;
  /** Has table "local" asked, as by the rule that the kernel makes. */
  readonly addLocalRule: LocalRule;
  readonly deleteLocalRule: LocalRule;

  readonly replaceTokenBucket: LinkName & TokenBucket;
  readonly addFilterQueue: LinkName & { readonly queue: FilterQueue };
  readonly deleteQueue: LinkName & { readonly queue: FilterQueue | 'root' };
  /** All that comes in by an interface leaves by another one. */
  readonly redirectIncoming: LinkName & { readonly to: string; readonly preference: number };
  readonly deleteRedirection: LinkName & { readonly preference: number };
  readonly replaceFilter: FilterPlace & { readonly program: FilterProgram };
  readonly deleteFilter: FilterPlace;
}

interface LinkName {
  /** Of the interface. */
  readonly name: string;
}

/** One end of a veth that is to be made. */
export interface VethEnd extends LinkName {
  /** Path of the network namespace that it is born in; absent means that of the command. */
  readonly netns?: string;
  readonly mtu: number;
  readonly mac: string;
  /** The bridge that it becomes a port of. */
  readonly master?: string;
  /** A number by which rules know interfaces that belong together. */
  readonly group?: number;
}

export interface TapSettings {
  /** Who may open it besides root, as numbers. */
  readonly owner?: number;
  readonly group?: number;
  /** More than one queue may be opened. */
  readonly multiQueue?: boolean;
  /** Each frame comes with a header that says what the receiver may leave to the sender (virtio_net). */
  readonly vnetHeader?: boolean;
}

export interface LinkSettings {
  readonly mac?: string;
  readonly mtu?: number;
  readonly master?: string;
  /** A number by which rules know interfaces that belong together. */
  readonly group?: number;
  /** The kernel makes no link-local address of IPv6 by itself. */
  readonly addressGeneration?: 'none';
  readonly promiscuous?: boolean;
  readonly allMulticast?: boolean;
  /** Packets. */
  readonly queueLength?: number;
  readonly state?: 'up' | 'down';
}

export interface BridgeSettings {
  readonly vlanFiltering?: boolean;
  /** Bits for the link-local groups that it forwards. */
  readonly groupForwardMask?: number;
}

export interface NewAddress extends LinkName {
  /** With prefix length. */
  readonly address: string;
  /** Duplicate address detection is skipped. */
  readonly nodad?: boolean;
}

/** Numbers are those of rtnetlink(7). */
export interface Route {
  /** With prefix length. */
  readonly dst: string;
  readonly via?: string;
  /** Name of the interface. */
  readonly dev: string;
  /** Who made it; absent means an administrator (RTPROT_BOOT). */
  readonly protocol?: 'kernel';
  readonly mtu?: number;
  readonly advmss?: number;
  readonly metric?: number;
  /** Absent means the main table. */
  readonly table?: number;
  readonly scope?: number;
  /** The host's own address that it prefers. */
  readonly source?: string;
}

export interface PortVlanRange {
  readonly first: number;
  readonly last: number;
  /** What comes untagged is in it, and what is in it leaves untagged. */
  readonly isNative?: boolean;
}

/** Forbids the way of what carries a mark and comes in by an interface, or by any. */
export interface ProhibitingRule {
  readonly family: 4 | 6;
  readonly preference: number;
  readonly ingressInterface?: string;
  readonly mark: number;
  readonly mask: number;
}

export interface LocalRule {
  readonly family: 4 | 6;
  readonly preference: number;
}

export interface TokenBucket {
  /** Bytes a second. */
  readonly rate: number;
  /** Bytes. */
  readonly burst: number;
  /** Bytes that may wait. */
  readonly limit: number;
}

/** What filters hang on: "ingress" for what comes in alone, "clsact" for both directions. */
type FilterQueue = 'ingress' | 'clsact';

export interface FilterPlace extends LinkName {
  readonly direction: 'ingress' | 'egress';
  readonly preference: number;
}

/** Classic BPF: code, jump if true, jump if false and operand of each instruction (linux/filter.h). */
export type FilterProgram = readonly (readonly [number, number, number, number])[];
