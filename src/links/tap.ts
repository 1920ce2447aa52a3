import { formatAddress, parsePrefix, prefixContains } from '../ip/address.ts';
import { familyOf } from '../ip/family.ts';
import { addressOf } from '../ip/prefix.ts';
import type { LinkCommand, TapSettings } from './command.ts';
import { hardwareAddressOf } from './hardware-address.ts';
import type { FoundRedirections, LinkState } from './state.ts';

/** A tap beside the container's end of the veth: what comes in by one of the two leaves by the other. */
export interface TapConf extends TapSettings {
  readonly name: string;
}

/**
 * Makes the tap, and has both hand on what they get. A guest behind it has the address and the MAC that the container's
 * end would have, so that end has no address: for the host there is no difference.
 *
 * Filters without preference of others come later: nothing passes them.
 */
export function planTap(
  tap: TapConf,
  { ifname, mtu, ipv6 }: { ifname: string; mtu: number; ipv6: boolean },
): LinkCommand[] {
  const [addTap, ...rest] = planRedirection(tap, { ifname, mtu, ipv6 });
  const quiet = ipv6 ? ({ addressGeneration: 'none' } as const) : {};
  return [...(addTap === undefined ? [] : [addTap]), { kind: 'setLink', name: ifname, ...quiet, state: 'up' }, ...rest];
}

/** The same beside an interface that is there, and up. */
export function planRedirection(
  { name, ...settings }: TapConf,
  { ifname, mtu, ipv6 }: { ifname: string; mtu: number; ipv6: boolean },
): LinkCommand[] {
  return [
    { kind: 'addTap', name, ...settings },
    { kind: 'setLink', name, mtu, ...(ipv6 ? ({ addressGeneration: 'none' } as const) : {}) },
    { kind: 'setLink', name, state: 'up' },
    ...[
      { from: ifname, to: name },
      { from: name, to: ifname },
    ].flatMap(({ from, to }): LinkCommand[] => [
      { kind: 'addFilterQueue', name: from, queue: 'ingress' },
      { kind: 'redirectIncoming', name: from, to, preference: 1 },
    ]),
  ];
}

/** Says which of the two does not hand on what it gets to the other; nothing where both do. */
export function missingRedirections(
  { tap, ifname }: { readonly tap: string; readonly ifname: string },
  { fromTap, fromInterface }: FoundRedirections,
): string[] {
  return [
    ...(fromInterface.includes(tap) ? [] : [`"${ifname}" does not hand on to "${tap}"`]),
    ...(fromTap.includes(ifname) ? [] : [`"${tap}" does not hand on to "${ifname}"`]),
  ];
}

/** A tap on the host in place of a veth: the guest behind it has no namespace. */
export interface HostTap {
  /** Absent means one that follows from the attachment. */
  readonly name?: string;
  /** It may be removed when no process has held it for a time; otherwise it stays until somebody says so. */
  readonly ephemeral?: boolean;
  /** No runtime knows of it: what a runtime collects of its network does not concern it. */
  readonly manual?: boolean;
  readonly settings: TapSettings;
}

/**
 * Makes a tap that takes the place of a veth's host end. It is down, so nothing passes before it is raised, and no
 * process holds it yet.
 */
export function planHostTap(
  { settings }: HostTap,
  { name, ...link }: { readonly name: string; readonly mtu: number; readonly master?: string; readonly group?: number },
): LinkCommand[] {
  return [
    { kind: 'addTap', name, ...settings },
    { kind: 'setLink', name, mac: hardwareAddressOf(name), ...link },
  ];
}

/** Whether a tap was made by us: its MAC is made of its name. */
export function isOwnTap({ name, kind, mac }: Pick<LinkState, 'name' | 'kind' | 'mac'>): boolean {
  return kind === tapKind && mac === hardwareAddressOf(name);
}

/** What the kernel calls interfaces of /dev/net/tun. */
const tapKind = 'tun';

/** A tap that is up has a carrier while a process holds it (drivers/net/tun.c). */
export function isUnheldTap({ kind, isUp, operState }: Pick<LinkState, 'kind' | 'isUp' | 'operState'>): boolean {
  return kind === tapKind && isUp && operState === 'down';
}

/**
 * What the kernel of a guest is told with `ip=` (kernel documentation, nfsroot): address, gateway, mask, interface, no
 * configuration by itself, and up to two servers of DNS. It knows no IPv6: undefined without an IPv4 address. The
 * kernel reaches no gateway outside of its network, so a single address has the mask of the one of `networks` that it
 * is in.
 */
export function kernelArgument({
  addresses,
  nameservers,
  networks,
}: {
  readonly addresses: readonly { readonly address: string; readonly gateway?: string }[];
  readonly nameservers: readonly string[];
  readonly networks: readonly string[];
}): string | undefined {
  const first = addresses.find(({ address }) => familyOf(address) === 4);
  if (first === undefined) return undefined;
  const own = parsePrefix(first.address);
  const around = networks
    .filter((network) => familyOf(network) === 4)
    .map(parsePrefix)
    .filter((network) => network.length > 0 && network.length < 32 && prefixContains(network, own));
  const length = own.length < 32 ? own.length : Math.max(...around.map((network) => network.length), 0) || 32;
  const mask = formatAddress({ family: 4, value: BigInt.asUintN(32, -1n << BigInt(32 - length)) });
  const servers = nameservers.filter((server) => familyOf(server) === 4).slice(0, 2);
  return [`ip=${addressOf(first.address)}`, '', first.gateway ?? '', mask, '', 'eth0', 'off', ...servers].join(':');
}

/**
 * The same of IPv6 in an argument of our own, which the init of a guest reads:
 * `drawbridge.ipv6=ADDRESS/LENGTH,GATEWAY`. The gateway may be outside of the network, so it is reached by a route of
 * its own. Undefined without such an address.
 */
export function initArgument(
  addresses: readonly { readonly address: string; readonly gateway?: string }[],
): string | undefined {
  const first = addresses.find(({ address }) => familyOf(address) === 6);
  if (first === undefined) return undefined;
  return `drawbridge.ipv6=${[first.address, ...(first.gateway === undefined ? [] : [first.gateway])].join(',')}`;
}
