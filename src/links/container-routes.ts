import type { ResultRoute } from '../cni/result.ts';
import { formatAddress, readAddress } from '../ip/address.ts';
import { familyOf } from '../ip/family.ts';
import { splitPrefix } from '../ip/prefix.ts';
import type { LinkCommand, Route } from './command.ts';
import type { RouteState } from './state.ts';

/**
 * A gateway is found by an on-link route that is there before it is named. A route that is asked for twice is made
 * once.
 */
export function planContainerRoutes(
  routes: readonly ResultRoute[],
  ifname: string,
): LinkCommand<'addRoute' | 'appendRoute'>[] {
  const commands = routes
    .toSorted((one, other) => Number(one.gw !== undefined) - Number(other.gw !== undefined))
    .map((route) => planRoute(route, ifname));
  return [...new Map(commands.map((command) => [JSON.stringify(command), command])).values()];
}

/** Number of the table that routes are in when none is named (rtnetlink(7)). */
const mainTable = 254;

function isMainDefaultRoute(dst: string, table = 0): boolean {
  return (dst === '0.0.0.0/0' || dst === '::/0') && (table === 0 || table === mainTable);
}

/** Metric of a route of IPv6 that is made without one (IP6_RT_PRIO_USER of linux/ipv6_route.h). */
export const defaultIpv6Metric = 1024;

/**
 * What takes the place of a command for a route that fails because there is one; `present` are the routes through its
 * interface. Nothing, where that is the route that was asked for: whoever sets interfaces up inside the container may
 * have been faster. A default route with the metric of another interface's has the next metric: with one metric the
 * kernel sends answers by either interface, and a host with rp_filter takes them by the one that their source belongs
 * to alone (podman#26044). Undefined for any other command.
 */
export function insteadOf(
  command: LinkCommand,
  present: readonly RouteState[],
): readonly LinkCommand<'addRoute'>[] | undefined {
  // The kernel refuses to append what is there already alone.
  if (command.kind === 'appendRoute') return [];
  if (command.kind !== 'addRoute') return undefined;
  const { dst, via, metric = familyOf(dst) === 6 ? defaultIpv6Metric : 0, table = mainTable } = command;
  const isThere = present.some(
    (route) =>
      route.dst === dst &&
      route.table === table &&
      route.priority === metric &&
      via !== undefined &&
      route.gw === canonical(via),
  );
  return isThere ? [] : [{ ...command, metric: metric + 1 }];
}

/** An address, with prefix length or without, as the kernel writes it. */
export function canonical(text: string): string {
  const { address, length } = splitPrefix(text);
  const read = readAddress(address);
  return read === undefined ? text : [formatAddress(read), ...(length === undefined ? [] : [length])].join('/');
}

function planRoute(
  { dst, gw, mtu, advmss, priority, table, scope }: ResultRoute,
  dev: string,
): LinkCommand<'addRoute' | 'appendRoute'> {
  const route: Route = {
    dst,
    ...(gw === undefined ? {} : { via: gw }),
    dev,
    ...given('mtu', mtu),
    ...given('advmss', advmss),
    ...given('metric', priority),
    ...given('table', table),
    ...(scope === undefined ? {} : { scope }),
  };
  // One that is there already with this metric is found out: see `insteadOf`.
  return { kind: isMainDefaultRoute(dst, table) ? 'addRoute' : 'appendRoute', ...route };
}

/** 0 counts as absent. */
function given<Key extends string>(key: Key, value = 0): { readonly [Each in Key]?: number } {
  return value > 0 ? ({ [key]: value } as { readonly [Each in Key]?: number }) : {};
}
