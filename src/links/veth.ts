import type { ResultRoute } from '../cni/result.ts';
import { familiesOf, familyOf } from '../ip/family.ts';
import { addressOf } from '../ip/prefix.ts';
import type { SysctlValue } from './sysctl-value.ts';
import { requirePlainWord } from './plain-word.ts';
import { hardwareAddressOf, linkLocalAddressOf } from './hardware-address.ts';
import type { LinkCommand } from './command.ts';
import { canonical, planContainerRoutes } from './container-routes.ts';
import { planHostRoutes, planRoutedAddresses, planRoutedSysctls } from './routed.ts';
import { planHostTap, planTap, type HostTap, type TapConf } from './tap.ts';
import { planPortVlans, type PortVlans } from './vlan.ts';

/** What the two ends of one attachment shall be. */
export interface VethSpec extends PortVlans {
  /** "" of a routed container. */
  readonly bridge: string;
  /** Of a routed container: the host's addresses on the veth, with prefix length, and the number of its network. */
  readonly routing?: { readonly gateways: readonly string[]; readonly group: number };
  readonly hostInterface: string;
  readonly netns: string;
  /** The same namespace at a path that a batch can hold; default `netns`. */
  readonly netnsInBatch?: string;
  readonly ifname: string;
  readonly mac: string;
  readonly mtu: number;
  readonly hairpinMode: boolean;
  readonly portIsolation: boolean;
  /** Whether the bridge learns the MAC from what the container sends, which is the default; otherwise it is told. */
  readonly learns?: boolean;
  readonly enabledad: boolean;
  readonly disableContainerInterface: boolean;
  /** Then the addresses are those of a guest behind it. */
  readonly tap?: TapConf;
  /** In place of the veth: then there is no end in a namespace. */
  readonly hostTap?: HostTap;
  /** With prefix length. */
  readonly addresses: readonly string[];
  /** With `gw` where there is one: see `completeAddresses`. */
  readonly routes: readonly ResultRoute[];
  /**
   * Tells the neighbours the MAC, which is the default. Needed unless an address always comes with the same MAC, as one
   * made by `hardwareAddressOf` of the address does: the two child processes that it takes are a third of the whole
   * work.
   */
  readonly announces?: boolean;
  /** Whether the host's end has IPv6: the kernel does, and the MTU is no smaller than 1280. */
  readonly ipv6: boolean;
}

/** How to make one attachment. */
export interface VethPlan {
  readonly hostInterface: string;
  /** Of a tap in place of the veth: whether its name follows from the attachment, so that nobody else has it. */
  readonly hostTap?: { readonly isNameDerived: boolean; readonly mac: string };
  readonly netns: string;
  readonly ifname: string;
  /** On the host. The first command makes both ends; an "exists" can only come from there. */
  readonly host: readonly LinkCommand[];
  /** On the host, when both ends are there; those of sysctls first. */
  readonly hostSysctls: readonly SysctlValue[];
  readonly hostAddresses: readonly LinkCommand[];
  /** Families that the host has to forward for a routed container. */
  readonly forwarding: readonly (4 | 6)[];
  /** On the host, last of all: until then nothing passes between the container and the host. */
  readonly raise: readonly LinkCommand[];
  /** On the host: the VLANs of the port, and the MAC that is found there. */
  readonly vlans: readonly LinkCommand[];
  /** Written in the container's namespace before `announce`. */
  readonly sysctls: readonly SysctlValue[];
  /** In the container's namespace. */
  readonly container: readonly LinkCommand[];
  /**
   * In the container's namespace when the bridge forwards: a MAC that is set anew makes the kernel announce
   * the addresses. What it announces when the link comes up is lost, since the port does not forward yet.
   */
  readonly announce: readonly LinkCommand[];
  /** Whether a carrier, and so a forwarding bridge port, is to be expected. */
  readonly isUp: boolean;
  /** Addresses, as the kernel writes them, for which duplicate address detection has to end before they are usable. */
  readonly awaitsDad: readonly string[];
  readonly usesIpv6: boolean;
}

/**
 * Plans a veth pair between a bridge and a container. Pure: the same spec gives the same commands.
 *
 * Throws code 4 for a name, path or address that a command could not be written with.
 */
export function planVeth(spec: VethSpec): VethPlan {
  const { hostInterface, bridge, ifname, mac, netns, netnsInBatch = netns, addresses, enabledad } = spec;
  const inside = spec.hostTap === undefined ? [ifname, netnsInBatch] : [];
  [hostInterface, ...(spec.routing ? [] : [bridge]), mac, ...inside, ...addresses].forEach(requirePlainWord);
  const isGuest = spec.tap !== undefined || spec.hostTap !== undefined;
  const usesIpv6 = spec.addresses.some((address) => familyOf(address) === 6);
  const end = spec.routing && { ...spec, gateways: spec.routing.gateways };
  return {
    hostInterface: spec.hostInterface,
    ...(spec.hostTap === undefined
      ? {}
      : { hostTap: { isNameDerived: spec.hostTap.name === undefined, mac: hardwareAddressOf(hostInterface) } }),
    netns: spec.netns,
    ifname: spec.ifname,
    host: planHostEnd(spec),
    hostSysctls: end === undefined ? [] : planRoutedSysctls(end),
    hostAddresses: end === undefined ? [] : planRoutedAddresses(end),
    forwarding: end === undefined ? [] : familiesOf(addresses),
    raise: [
      { kind: 'setLink', name: spec.hostInterface, state: 'up' },
      ...(end === undefined ? [] : planHostRoutes(end)),
    ],
    vlans:
      end !== undefined
        ? []
        : [
            ...planPortVlans(spec.hostInterface, spec),
            // It is put in each VLAN that the port is in.
            ...(spec.learns === false ? [{ kind: 'replaceStaticMac', name: spec.hostInterface, mac } as const] : []),
          ],
    sysctls: isGuest ? [] : containerSysctls(spec),
    container: planContainerEnd(spec, usesIpv6),
    announce:
      isGuest || spec.addresses.length === 0 || spec.announces === false
        ? []
        : [{ kind: 'setLink', name: spec.ifname, mac: spec.mac }],
    isUp: !spec.disableContainerInterface && spec.hostTap === undefined,
    awaitsDad:
      usesIpv6 && enabledad && !isGuest ? [...addresses.filter(isIpv6), linkLocalAddressOf(mac)].map(canonical) : [],
    usesIpv6,
  };
}

/** Whether an attachment may send from one MAC alone: then the bridge is told the MAC and does not learn others. */
export function isTiedToMac({
  enforced = false,
  macspoofchk,
}: {
  readonly enforced?: boolean;
  readonly macspoofchk: boolean;
}): boolean {
  return enforced || macspoofchk;
}

function planHostEnd(spec: VethSpec): LinkCommand[] {
  const { hostInterface: name, mtu, netns, netnsInBatch = netns } = spec;
  const port = {
    ...(spec.hairpinMode ? { hairpin: true } : {}),
    ...(spec.portIsolation ? { isolated: true } : {}),
    ...(spec.learns === false ? { learning: false } : {}),
  };
  const place = spec.routing === undefined ? { master: spec.bridge } : { group: spec.routing.group };
  const made: LinkCommand[] = spec.hostTap
    ? planHostTap(spec.hostTap, { name, mtu, ...place })
    : [
        // The container's end is born in its namespace: it is never seen on the host, and two ADDs of "eth0" never meet
        // there.
        {
          kind: 'addVeth',
          end: {
            name,
            mtu,
            mac: hardwareAddressOf(name),
            ...place,
          },
          peer: { name: spec.ifname, netns: netnsInBatch, mtu, mac: spec.mac },
        },
      ];
  const commands = [...made];
  if (spec.routing === undefined && Object.keys(port).length > 0) commands.push({ kind: 'setPort', name, ...port });
  // A bridge port needs no address of its own: without one it sends no router solicitations and no DAD probes to the
  // container. Said while it is down: the kernel brings it up first where one message asks for both.
  if (spec.ipv6) commands.push({ kind: 'setLink', name, addressGeneration: 'none' });
  return spec.routing === undefined ? [...commands, ...planNeighbours(spec)] : commands;
}

/**
 * The host, whom all talk through, is told the MAC, so that nothing has to be announced. What waited for an answer from
 * an address that nobody had is sent now, to a port that is down: it was judged before there was anything to judge by.
 */
function planNeighbours({ addresses, bridge, mac, enabledad }: VethSpec): LinkCommand[] {
  // One that detection may find with somebody else is not ours yet.
  const own = addresses.filter((address) => !enabledad || familyOf(address) === 4);
  return own.map((address) => ({
    kind: 'replaceNeighbour',
    address: addressOf(address),
    mac,
    name: bridge,
  }));
}

/**
 * The container announces its addresses, so that nobody keeps the MAC of an earlier owner; and its IPv6 addresses
 * outlive a "link down". All values are 1.
 */
function containerSysctls({ addresses, ifname, announces = true }: VethSpec): SysctlValue[] {
  const families = new Set(addresses.map(familyOf));
  const files = [
    ...(families.has(4) && announces ? [`ipv4/conf/${ifname}/arp_notify`] : []),
    ...(families.has(6) && announces ? [`ipv6/conf/${ifname}/ndisc_notify`] : []),
    ...(families.has(6) ? [`ipv6/conf/${ifname}/keep_addr_on_down`] : []),
  ];
  return files.map((file) => ({ file, value: '1' }));
}

function planContainerEnd(spec: VethSpec, usesIpv6: boolean): LinkCommand[] {
  if (spec.disableContainerInterface || spec.hostTap !== undefined) return [];
  if (spec.tap !== undefined) return planTap(spec.tap, spec);
  const { ifname: name, addresses, enabledad } = spec;
  const commands: LinkCommand[] = [];
  if (usesIpv6 && !enabledad) {
    // The kernel's own link-local address would go through DAD, which takes one to two seconds (plugins#680).
    commands.push(
      { kind: 'setLink', name, addressGeneration: 'none' },
      { kind: 'replaceAddress', address: linkLocalAddressOf(spec.mac), name, nodad: true },
    );
  }
  for (const address of addresses)
    commands.push({
      // A network manager inside may have been faster, and an address that is there already is as it was asked for.
      kind: 'replaceAddress',
      address,
      name,
      ...(familyOf(address) === 6 && !enabledad ? { nodad: true } : {}),
    });
  commands.push({ kind: 'setLink', name, state: 'up' });
  return [...commands, ...planContainerRoutes(spec.routes, name)];
}

function isIpv6(address: string): boolean {
  return familyOf(address) === 6;
}
