import type { RoutedEnd } from '../../links/routed.ts';
import type { BridgePlan } from '../../links/bridge.ts';
import type { PortSpec } from '../../links/port.ts';
import type { HostTap } from '../../links/tap.ts';
import type { Element } from '../../nft/element.ts';
import type { RuleGroup } from '../../nft/group.ts';
import type { PortMapping } from '../../ports/mapping.ts';
import type { AddressRecord, AttachmentRecord } from '../record.ts';

/** Keys of a record that are parts of an attachment, each of a plugin or of a drop-in. */
export type SectionName = 'link' | 'egress' | 'published' | 'ingressPolicy' | 'shaped' | 'redirected' | 'pod';

/** What a record holds under that key. */
export type SectionValue<Name extends SectionName> = NonNullable<AttachmentRecord[Name]>;

/** What a section means, without a look at the machine; what is done to the machine is its upkeep (upkeep.ts). */
export interface Section<Value> {
  /** Decoded JSON becomes the value. Throws a TypeError that names the first key that is wrong. */
  readonly read: (value: unknown) => Value;
  /** What it wants in our tables. */
  readonly elements: (value: Value, record: AttachmentRecord) => readonly Element[];
  /** The chains and sets that those elements lead to. */
  readonly groups?: (value: Value, record: AttachmentRecord) => readonly RuleGroup[];
  readonly claims: (value: Value) => Claims;
  /** What the host's end of the veth has to be as a port of a bridge; undefined where it is none. */
  readonly port?: (value: Value) => PortSpec | undefined;
  /** The bridge that was made for it, as it has to be. */
  readonly bridge?: (value: Value) => BridgePlan | undefined;
  /** The host's end of the veth of a routed container; undefined where there is a bridge. */
  readonly routedEnd?: (value: Value) => RoutedEnd | undefined;
  /** The value without the ports of the host that overlap one that a living container publishes now. */
  readonly withoutPort?: (value: Value, mapping: PortMapping) => Value;
  /** What the rest of the record becomes when this section alone is taken out. */
  readonly leave?: (rest: AttachmentRecord) => AttachmentRecord;
}

/** What a VMM and its guest are to be told. */
export interface Guest {
  /** Name of the tap, in the namespace of the attachment; on the host where it has none. */
  readonly tap: string;
  readonly mac: string;
  readonly addresses: readonly AddressRecord[];
  readonly nameservers: readonly string[];
  /** For the command line of its kernel; absent without an IPv4 address. */
  readonly kernelArgument?: string;
  /** For the same command line, read by the guest's init; absent without an IPv6 address. */
  readonly initArgument?: string;
}

/** What nobody else is to have, and by what a person and an index entry find the attachment. All may be absent. */
export interface Claims {
  /** The container's own, without prefix length. */
  readonly addresses?: readonly string[];
  /** The same with prefix length, where it is known. */
  readonly prefixes?: readonly string[];
  /** Addresses that follow from its MAC. */
  readonly linkLocal?: readonly string[];
  /** Ports of the host that lead to it. */
  readonly ports?: readonly PortMapping[];
  readonly mac?: string;
  /** Of a guest behind a tap. */
  readonly guest?: Guest;
  /** A tap on the host, in place of a veth: there is no namespace. */
  readonly hostTap?: HostTap;
  /** Through which its packets enter the host: a bridge, or a lone veth (ptp). */
  readonly ingressInterface?: string;
  /** What siblings have in common in place of a bridge: of routed containers, their network. */
  readonly siblingsOf?: string;
  /** The host's end of its veth, which goes with the container. */
  readonly hostInterface?: string;
  /** Folder in which its leases are, one of each network below it. */
  readonly leaseFolder?: string;
  /** Whether the bridge keeps its port from the other isolated ones. */
  readonly isPortIsolated?: boolean;
  /** Whether other firewalls of the host were opened for that interface. */
  readonly isOpened?: boolean;
  /** Whether a port of it is published at 127.0.0.1 of the host. */
  readonly isAtLoopback?: boolean;
  /** Whether nothing may leave that interface without a policy, so that a gate stands there. */
  readonly isEnforced?: boolean;
}
