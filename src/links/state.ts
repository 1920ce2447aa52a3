/** Links, addresses and routes as they are in the kernel. */
/** An interface as it is, without its addresses. */
export interface LinkState {
  readonly name: string;
  readonly index: number;
  /** "bridge", "veth"; "" for a real device and for loopback. */
  readonly kind: string;
  readonly mac: string;
  readonly mtu: number;
  readonly isUp: boolean;
  readonly isPromiscuous: boolean;
  /**
   * As `ip` has it, in small letters: "down" when it is, "lowerlayerdown" when the other end of a veth is, "unknown" of
   * loopback.
   */
  readonly operState: string;
  /** How often its carrier came or went since it was made; absent where only `ip` can be asked. */
  readonly carrierChanges?: number;
  /** Index of the other end of a veth, in the namespace of `netnsId`. */
  readonly otherEnd?: number;
  /** Number that this namespace has given to the one of the other end; absent when that is this one. */
  readonly netnsId?: number;
  /** Name of the bridge that it is a port of. */
  readonly master?: string;
  /** Only of a bridge port: "forwarding", "disabled", "learning" and so on. */
  readonly portState?: string;
  readonly hairpin: boolean;
  /** Only of a bridge: bits for the link-local groups that it forwards. */
  readonly groupForwardMask?: number;
  readonly isolated: boolean;
  /** Number by which rules know interfaces that belong together: of a routed container, that of its network; else 0. */
  readonly group?: number;
  /** The bridge takes the sender of a frame for somebody who is found at this port. */
  readonly learns: boolean;
}

export interface InterfaceState extends LinkState {
  readonly addresses: readonly AddressState[];
}

export interface AddressState {
  /** With prefix length. */
  readonly address: string;
  readonly scope: string;
  /** Duplicate address detection goes on: the address is not usable yet. */
  readonly tentative: boolean;
  /** Somebody else has the address. */
  readonly dadfailed: boolean;
}

export interface RouteState {
  /** With prefix length, "0.0.0.0/0" and "::/0" for default. */
  readonly dst: string;
  readonly gw?: string;
  readonly table: number;
  readonly priority: number;
  readonly mtu?: number;
  readonly advmss?: number;
}

/** What CHECK compares. */
export interface AttachmentState {
  readonly container: InterfaceState | undefined;
  readonly routes: readonly RouteState[];
  readonly host: InterfaceState | undefined;
  readonly bridge: InterfaceState | undefined;
  /** Same as `bridge`, unless the gateway addresses are in a VLAN. */
  readonly gateway: InterfaceState | undefined;
  /** Beside the container's end, where one was asked for. */
  readonly tap?: InterfaceState | undefined;
  readonly redirections?: FoundRedirections | undefined;
  /** Of the host, through the host's end; looked for only where there is no bridge. */
  readonly hostRoutes?: readonly RouteState[];
}

/** An end of a veth that is up has no carrier while its other end is down (operstate of RFC 2863). */
export function isPeerDown({ isUp, operState }: { readonly isUp: boolean; readonly operState: string }): boolean {
  return isUp && (operState === 'down' || operState === 'lowerlayerdown');
}

/** Names of the interfaces that a tap, and the interface beside it, hand on to what they get. */
export interface FoundRedirections {
  readonly fromTap: readonly string[];
  readonly fromInterface: readonly string[];
}
