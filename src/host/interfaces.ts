import { readFileSync } from 'node:fs';
import type { AttachmentState, InterfaceState, RouteState } from '../links/state.ts';
import { hasIpv6 } from './sysctl.ts';
import { showJson, type Where } from './ip.ts';
import { readInterfaceOf, readRoutesOf, readWith } from './netlink/read.ts';

/** Reads everything of one attachment that is made of links. Throws code 8 when the namespace is gone. */
export async function readAttachment(names: {
  readonly netns: string;
  readonly ifname: string;
  readonly hostInterface: string;
  readonly bridge: string;
  readonly gatewayInterface: string;
}): Promise<AttachmentState> {
  const { netns, ifname, hostInterface, bridge, gatewayInterface } = names;
  const [container, routes, host, bridgeState, gateway] = await Promise.all([
    readInterface(ifname, { netns }),
    readRoutes(ifname, { netns }),
    readInterface(hostInterface),
    readInterface(bridge),
    gatewayInterface === bridge ? undefined : readInterface(gatewayInterface),
  ]);
  return { container, routes, host, bridge: bridgeState, gateway: gatewayInterface === bridge ? bridgeState : gateway };
}

/** Reads one interface; undefined when there is none of that name. */
export async function readInterface(name: string, where: Where = {}): Promise<InterfaceState | undefined> {
  const read = await readWith(where.netns, (conversation) => readInterfaceOf(conversation, name));
  return read === undefined ? showInterface(name, where) : read.value;
}

async function showInterface(name: string, where: Where): Promise<InterfaceState | undefined> {
  const [shown] = ((await showJson(['-details', 'address', 'show', 'dev', name], where)) ?? []) as ShownInterface[];
  if (shown?.ifname === undefined) return undefined;
  const port = shown.linkinfo?.info_slave_kind === 'bridge' ? shown.linkinfo.info_slave_data : undefined;
  return {
    name: shown.ifname,
    index: shown.ifindex ?? 0,
    kind: shown.linkinfo?.info_kind ?? '',
    mac: shown.address ?? '',
    mtu: shown.mtu ?? 0,
    isUp: shown.flags?.includes('UP') ?? false,
    isPromiscuous: shown.flags?.includes('PROMISC') ?? false,
    ...(shown.master === undefined ? {} : { master: shown.master }),
    ...(port?.state === undefined ? {} : { portState: port.state }),
    hairpin: port?.hairpin ?? false,
    isolated: port?.isolated ?? false,
    addresses: (shown.addr_info ?? []).map(({ local, prefixlen, scope, tentative, dadfailed }) => ({
      address: `${local}/${prefixlen}`,
      scope: scope ?? '',
      tentative: tentative ?? false,
      dadfailed: dadfailed ?? false,
    })),
  };
}

/** Reads the unicast routes through one interface, of every table. */
export async function readRoutes(name: string, where: Where = {}): Promise<RouteState[]> {
  const wanted = hasIpv6() ? ([4, 6] as const) : ([4] as const);
  const read = await readWith(where.netns, (conversation) => readRoutesOf(conversation, name, wanted));
  if (read !== undefined) return read.value;
  const families = hasIpv6() ? ['-4', '-6'] : ['-4'];
  const shown = await Promise.all(
    families.map(async (family) => {
      const routes = ((await showJson([family, '-details', '-Numeric', 'route', 'show', 'table', 'all'], where)) ??
        []) as ShownRoute[];
      return routes
        .filter(({ type }) => type === undefined || type === 'unicast' || type === '1')
        .flatMap((route) => partsOf(route).filter(({ dev }) => dev === name))
        .map((route) => routeState(route, family));
    }),
  );
  return shown.flat();
}

/**
 * Two IPv6 routes that differ in their gateways alone become one with several: default routes of a container on two
 * networks. `ip` then knows it by no interface.
 */
function partsOf({ nexthops, ...route }: ShownRoute): ShownRoute[] {
  return nexthops === undefined ? [route] : nexthops.map((hop) => ({ ...route, ...hop }));
}

/**
 * Index of an interface of this process's namespace that is up, without a child process; undefined also when
 * it cannot be told.
 *
 * /sys/class/net would be the usual place, but shows the namespace that /sys was mounted in, which under
 * rootless runtimes is another one; /proc/net is always that of the reader. An interface that is up has joined
 * a multicast group, so it has a line here.
 */
export function indexOfUpInterface(name: string): number | undefined {
  for (const text of readLines('/proc/net/dev_mcast')) {
    const [index, interfaceName] = text.trim().split(/\s+/u);
    if (interfaceName === name) return Number(index);
  }
  return undefined;
}

/**
 * MTU of the interfaces that default routes lead through: the least of the ways of a route with several (ECMP), and of
 * both families; undefined without any. A default route on loopback (a blackhole, as some VPNs make one) leads nowhere.
 */
export async function uplinkMtu(): Promise<number | undefined> {
  const names = new Set([...lowestMetric(await defaultRoutes(4)), ...lowestMetric(await defaultRoutes(6))]);
  const states = await Promise.all([...names].map((name) => readInterface(name)));
  const mtus = states.flatMap((state) => (state === undefined || state.mtu === 0 ? [] : [state.mtu]));
  return mtus.length === 0 ? undefined : Math.min(...mtus);
}

interface DefaultRoute {
  readonly name: string;
  readonly metric: number;
}

/** Names of all interfaces that the best routes lead through. */
function lowestMetric(routes: readonly DefaultRoute[]): string[] {
  const usable = routes.filter(({ name }) => name !== 'lo' && name !== '');
  const least = Math.min(...usable.map(({ metric }) => metric));
  return usable.flatMap(({ name, metric }) => (metric === least ? [name] : []));
}

/** /proc/net/route names the first way alone of a route of IPv4 with several; a route that is read whole names all. */
async function defaultRoutes(family: 4 | 6): Promise<DefaultRoute[]> {
  const listed = family === 4 ? ipv4Defaults() : ipv6Defaults();
  if (family === 6 || listed.length === 0) return listed;
  const shown = (await showJson(['-4', 'route', 'show', 'default'])) as ShownRoute[] | undefined;
  return (shown ?? []).flatMap((route) => partsOf(route).map(({ dev = '', metric = 0 }) => ({ name: dev, metric })));
}

/** Flags of a route, of linux/route.h: usable, and answered with "unreachable". */
const up = 0x1;
const reject = 0x200;

function isUsable(flags: string | undefined): boolean {
  return (Number.parseInt(flags ?? '0', 16) & (up | reject)) === up;
}

function ipv4Defaults(): DefaultRoute[] {
  return readLines('/proc/net/route')
    .slice(1)
    .flatMap((text) => {
      const [name = '', destination, , flags, , , metric, mask] = text.split('\t');
      return destination === '00000000' && mask === '00000000' && isUsable(flags)
        ? [{ name, metric: Number(metric) }]
        : [];
    });
}

function ipv6Defaults(): DefaultRoute[] {
  return readLines('/proc/net/ipv6_route').flatMap((text) => {
    const [destination, length, , , , metric = '0', , , flags, name = ''] = text.trim().split(/\s+/u);
    return destination === '0'.repeat(32) && length === '00' && name !== 'lo' && isUsable(flags)
      ? [{ name, metric: Number.parseInt(metric, 16) }]
      : [];
  });
}

function readLines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n');
  } catch {
    return [];
  }
}

function routeState({ dst, gateway, table, metric, metrics }: ShownRoute, family: string): RouteState {
  const bits = family === '-4' ? 32 : 128;
  const everything = family === '-4' ? '0.0.0.0/0' : '::/0';
  const values = Object.assign({}, ...(metrics ?? [])) as { mtu?: number; advmss?: number };
  return {
    dst: dst === 'default' ? everything : dst.includes('/') ? dst : `${dst}/${bits}`,
    ...(gateway === undefined ? {} : { gw: gateway }),
    table: table === undefined || table === 'main' ? mainTable : Number(table),
    priority: metric ?? 0,
    ...(values.mtu === undefined ? {} : { mtu: values.mtu }),
    ...(values.advmss === undefined ? {} : { advmss: values.advmss }),
  };
}

/** Number of the table that routes are in when none is named (rtnetlink(7)). */
const mainTable = 254;

/** What iproute2 6.1 prints. */
interface ShownInterface {
  ifname?: string;
  ifindex?: number;
  address?: string;
  mtu?: number;
  flags?: string[];
  master?: string;
  linkinfo?: {
    info_kind?: string;
    info_slave_kind?: string;
    info_slave_data?: { state?: string; hairpin?: boolean; isolated?: boolean };
  };
  addr_info?: { local: string; prefixlen: number; scope?: string; tentative?: boolean; dadfailed?: boolean }[];
}

interface ShownRoute {
  type?: string;
  dst: string;
  gateway?: string;
  dev?: string;
  nexthops?: { gateway?: string; dev?: string }[];
  table?: string;
  metric?: number;
  metrics?: object[];
}

/** Whether a bridge keeps a port from its other isolated ports; undefined when it is no port of a bridge. */
export function isPortIsolated(name: string): boolean | undefined {
  try {
    return readFileSync(`/sys/class/net/${name}/brport/isolated`, 'utf8').trim() === '1';
  } catch {
    return undefined;
  }
}
