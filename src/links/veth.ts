import type { ResultRoute } from '../cni/result.ts';
import type { SysctlValue } from './sysctl-value.ts';
import { line } from './batch-line.ts';
import { familyOf } from './bridge.ts';
import { hardwareAddressOf, linkLocalAddressOf } from './hardware-address.ts';
import { portVlanLines, type PortVlans } from './vlan.ts';

/** What the two ends of one attachment shall be. */
export interface VethSpec extends PortVlans {
  readonly bridge: string;
  readonly hostInterface: string;
  readonly netns: string;
  /** The same namespace at a path that a batch can hold; default `netns`. */
  readonly netnsInBatch?: string;
  readonly ifname: string;
  readonly mac: string;
  readonly mtu: number;
  readonly hairpinMode: boolean;
  readonly portIsolation: boolean;
  readonly enabledad: boolean;
  readonly disableContainerInterface: boolean;
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
  readonly netns: string;
  readonly ifname: string;
  /** `ip -batch` on the host. The first line makes both ends; an "exists" can only come from there. */
  readonly host: readonly string[];
  /** `ip -batch` on the host, last of all: until then nothing passes between the container and the host. */
  readonly raise: readonly string[];
  /** `bridge -batch` on the host. */
  readonly vlans: readonly string[];
  /** Written in the container's namespace before `announce`. */
  readonly sysctls: readonly SysctlValue[];
  /** `ip -batch` in the container's namespace. */
  readonly container: readonly string[];
  /**
   * `ip -batch` in the container's namespace when the bridge forwards: a MAC that is set anew makes the kernel announce
   * the addresses. What it announces when the link comes up is lost, since the port does not forward yet.
   */
  readonly announce: readonly string[];
  /** Whether a carrier, and so a forwarding bridge port, is to be expected. */
  readonly isUp: boolean;
  /** Whether duplicate address detection has to end before the addresses are usable. */
  readonly awaitsDad: boolean;
  readonly usesIpv6: boolean;
}

/** Plans a veth pair between a bridge and a container. Pure: the same spec gives the same text. */
export function planVeth(spec: VethSpec): VethPlan {
  const usesIpv6 = spec.addresses.some((address) => familyOf(address) === 6);
  return {
    hostInterface: spec.hostInterface,
    netns: spec.netns,
    ifname: spec.ifname,
    host: hostLines(spec),
    raise: [line`link set dev ${spec.hostInterface} up`],
    vlans: portVlanLines(spec.hostInterface, spec),
    sysctls: containerSysctls(spec),
    container: containerLines(spec, usesIpv6),
    announce:
      spec.addresses.length === 0 || spec.announces === false
        ? []
        : [line`link set dev ${spec.ifname} address ${spec.mac}`],
    isUp: !spec.disableContainerInterface,
    awaitsDad: usesIpv6 && spec.enabledad,
    usesIpv6,
  };
}

function hostLines(spec: VethSpec): string[] {
  const { hostInterface, mtu } = spec;
  const port = [...(spec.hairpinMode ? ['hairpin', 'on'] : []), ...(spec.portIsolation ? ['isolated', 'on'] : [])];
  const lines = [
    // The container's end is born in its namespace: it is never seen on the host, and two ADDs of "eth0" never meet
    // there.
    line`link add name ${hostInterface} mtu ${mtu} address ${hardwareAddressOf(hostInterface)} master ${spec.bridge} type veth peer name ${spec.ifname} netns ${spec.netnsInBatch ?? spec.netns} mtu ${mtu} address ${spec.mac}`,
  ];
  if (port.length > 0) lines.push(line`link set dev ${hostInterface} type bridge_slave ${port}`);
  // A bridge port needs no address of its own: without one it sends no router solicitations and no DAD probes to the
  // container. Said while it is down: the kernel brings it up first where one message asks for both.
  if (spec.ipv6) lines.push(line`link set dev ${hostInterface} addrgenmode none`);
  return [...lines, ...neighbourLines(spec)];
}

/**
 * The host, whom all talk through, is told the MAC, so that nothing has to be announced. What waited for an answer from
 * an address that nobody had is sent now, to a port that is down: it was judged before there was anything to judge by.
 */
function neighbourLines({ addresses, bridge, mac, enabledad }: VethSpec): string[] {
  // One that detection may find with somebody else is not ours yet.
  const own = addresses.filter((address) => !enabledad || familyOf(address) === 4);
  return own.map(
    (address) => line`neighbour replace ${address.split('/', 1)[0] ?? ''} lladdr ${mac} dev ${bridge} nud reachable`,
  );
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

function containerLines(spec: VethSpec, usesIpv6: boolean): string[] {
  if (spec.disableContainerInterface) return [];
  const { ifname, addresses, enabledad } = spec;
  const lines: string[] = [];
  if (usesIpv6 && !enabledad) {
    // The kernel's own link-local address would go through DAD, which takes one to two seconds (plugins#680).
    lines.push(
      line`link set dev ${ifname} addrgenmode none`,
      line`address add ${linkLocalAddressOf(spec.mac)} dev ${ifname} nodad`,
    );
  }
  for (const address of addresses) {
    lines.push(line`address add ${address} dev ${ifname} ${familyOf(address) === 6 && !enabledad ? ['nodad'] : []}`);
  }
  lines.push(line`link set dev ${ifname} up`);
  // A gateway is found by an on-link route that is there before it is named.
  const routes = spec.routes
    .toSorted((one, other) => Number(one.gw !== undefined) - Number(other.gw !== undefined))
    .map((route) => routeLine(route, ifname));
  return [...lines, ...new Set(routes)];
}

/** Number of the table that routes are in when none is named (rtnetlink(7)). */
const mainTable = 254;

function isMainDefaultRoute(dst: string, table = 0): boolean {
  return (dst === '0.0.0.0/0' || dst === '::/0') && (table === 0 || table === mainTable);
}

/** Metric of a route of IPv6 that is made without one (IP6_RT_PRIO_USER of linux/ipv6_route.h). */
export const defaultIpv6Metric = 1024;

/**
 * The line of a default route that has the metric of another interface's, with the next metric; undefined for any other
 * line. With one metric the kernel sends answers by either interface, and a host with rp_filter takes them by the one
 * that their source belongs to alone (podman#26044).
 */
export function besideOther(
  text: string,
): { readonly line: string; readonly dst: string; readonly metric: number } | undefined {
  const words = text.split(' ');
  const [object, verb, dst = ''] = words;
  if (object !== 'route' || verb !== 'add') return undefined;
  const place = words.indexOf('metric');
  const given = place === -1 ? (dst === '::/0' ? defaultIpv6Metric : 0) : Number(words[place + 1]);
  const metric = given + 1;
  const rest = place === -1 ? words : words.toSpliced(place, 2);
  return { line: [...rest, 'metric', String(metric)].join(' '), dst, metric };
}

function routeLine({ dst, gw, mtu, advmss, priority, table, scope }: ResultRoute, ifname: string): string {
  const words: (string | number)[] = [];
  if (gw !== undefined) words.push('via', gw);
  words.push('dev', ifname);
  if (mtu !== undefined && mtu > 0) words.push('mtu', mtu);
  if (advmss !== undefined && advmss > 0) words.push('advmss', advmss);
  if (priority !== undefined && priority > 0) words.push('metric', priority);
  if (table !== undefined && table > 0) words.push('table', table);
  if (scope !== undefined) words.push('scope', scope);
  // One that is there already with this metric is found out: see `besideOther`.
  return isMainDefaultRoute(dst, table) ? line`route add ${dst} ${words}` : line`route append ${dst} ${words}`;
}
