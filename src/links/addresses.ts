import type { ResultIp, ResultRoute } from '../cni/result.ts';
import { formatAddress, networkPlus, parseAddress, parsePrefix, prefixContains } from '../ipam/address.ts';
import { familyOf } from './bridge.ts';

/** Addresses of one attachment, with nothing left open. */
export interface CompleteAddresses {
  /** As given, with the gateway that was missing. */
  readonly ips: readonly ResultIp[];
  /** As given, with the default routes that were asked for; what goes into the result. */
  readonly routes: readonly ResultRoute[];
  /** As `routes`, each with the gateway that it is reached through; what goes into the kernel. */
  readonly kernelRoutes: readonly ResultRoute[];
  /** Addresses of the host on the bridge, with prefix length; empty unless the bridge is a gateway. */
  readonly gateways: readonly string[];
}

/**
 * Completes what address management returned, as the reference bridge plugin does: a gateway that is missing is
 * the first address of the network when the bridge is one; a default route is added for every family that has none;
 * a route without a gateway goes through the first gateway of its family, unless its scope is the link.
 *
 * Throws code 7 when an address cannot be read.
 */
export function completeAddresses(
  given: { readonly ips: readonly ResultIp[]; readonly routes: readonly ResultRoute[] },
  conf: { readonly isGateway: boolean; readonly isDefaultGateway: boolean },
): CompleteAddresses {
  const ips = given.ips.map((ip) => withGateway(ip, conf.isGateway));
  const routes = conf.isDefaultGateway
    ? [...given.routes, ...missingDefaultRoutes(ips, given.routes)]
    : [...given.routes];
  return {
    ips,
    routes,
    kernelRoutes: routes.map((route) => throughGateway(route, ips)),
    gateways: conf.isGateway ? [...new Set(ips.flatMap(hostAddress))] : [],
  };
}

/**
 * Which addresses of a bridge stand in the way of its gateway addresses: any other one of IPv4, and of IPv6
 * those whose network overlaps. Prefixes without overlap live side by side, as in the reference bridge plugin.
 */
export function conflictingAddresses(
  present: readonly string[],
  wanted: readonly string[],
): { present: string; wanted: string }[] {
  const others = present.filter((address) => !wanted.includes(address));
  return others.flatMap((other) => {
    const inTheWay = wanted.find(
      (address) => familyOf(address) === familyOf(other) && (familyOf(address) === 4 || overlap(address, other)),
    );
    return inTheWay === undefined ? [] : [{ present: other, wanted: inTheWay }];
  });
}

function overlap(first: string, second: string): boolean {
  const [one, other] = [parsePrefix(first), parsePrefix(second)];
  return prefixContains(one, other) || prefixContains(other, one);
}

function withGateway(ip: ResultIp, isGateway: boolean): ResultIp {
  if (!isGateway || ip.gateway !== undefined) return ip;
  return { ...ip, gateway: formatAddress(networkPlus(parsePrefix(ip.address), 1)) };
}

function missingDefaultRoutes(ips: readonly ResultIp[], routes: readonly ResultRoute[]): ResultRoute[] {
  return defaultDestinations.flatMap((dst) => {
    const first = ips.find(({ address }) => familyOf(address) === familyOf(dst));
    const isThere = routes.some((route) => route.dst === dst && route.gw !== undefined);
    if (first?.gateway === undefined || isThere) return [];
    return [{ dst, gw: first.gateway }];
  });
}

const defaultDestinations = ['0.0.0.0/0', '::/0'];

/** Scope "link" of a route (rtnetlink(7)): its destinations are neighbours. */
const scopeLink = 253;

function throughGateway(route: ResultRoute, ips: readonly ResultIp[]): ResultRoute {
  if (route.gw !== undefined || (route.scope ?? 0) >= scopeLink) return route;
  const gateway = ips.find((ip) => ip.gateway !== undefined && familyOf(ip.address) === familyOf(route.dst))?.gateway;
  return gateway === undefined ? route : { ...route, gw: gateway };
}

function hostAddress({ address, gateway }: ResultIp): string[] {
  return gateway === undefined ? [] : [`${formatAddress(parseAddress(gateway))}/${parsePrefix(address).length}`];
}
