import type { RouteState } from '../links/state.ts';
import { showJson, type Where } from './ip.ts';
import { readRoutesOf, readWith } from './netlink/read.ts';
import { hasIpv6 } from './sysctl.ts';

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
export function partsOf({ nexthops, ...route }: ShownRoute): ShownRoute[] {
  return nexthops === undefined ? [route] : nexthops.map((hop) => ({ ...route, ...hop }));
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
export interface ShownRoute {
  type?: string;
  dst: string;
  gateway?: string;
  dev?: string;
  nexthops?: { gateway?: string; dev?: string }[];
  table?: string;
  metric?: number;
  metrics?: object[];
}
