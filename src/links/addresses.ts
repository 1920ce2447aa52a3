import { CniError, codes } from '../cni/errors.ts';
import { quote } from '../cni/fields.ts';
import type { ResultIp, ResultRoute } from '../cni/result.ts';
import { addressBits, formatAddress, formatPrefix, parseAddress, parsePrefix, prefixContains } from '../ip/address.ts';
import { familyOf } from '../ip/family.ts';
import { addressOf } from '../ip/prefix.ts';
import { firstHost } from '../ipam/pool.ts';
import { defaultIpv6Metric } from './container-routes.ts';

/** Addresses of one attachment, with nothing left open. */
export interface CompleteAddresses {
  /** As given, with the gateway that was missing. */
  readonly ips: readonly ResultIp[];
  /** As given, with the default routes that were asked for; what goes into the result. */
  readonly routes: readonly ResultRoute[];
  /** As `routes`, each to its network and with the gateway that it is reached through; what goes into the kernel. */
  readonly kernelRoutes: readonly ResultRoute[];
  /** Addresses of the host on the bridge, with prefix length; empty unless the bridge is a gateway. */
  readonly gateways: readonly string[];
  /** Networks that lie behind the bridge and that no gateway address is in: their gateway is elsewhere. */
  readonly onLink: readonly string[];
}

/**
 * Completes what address management returned, as the reference bridge plugin does: a gateway that is missing is
 * the first address of the network when the bridge is one; a default route is added for every family that has none,
 * and one that has no gateway gets it; a route without a gateway goes through the first gateway of its family, unless
 * its scope is the link. A route without a metric has that of the conf.
 *
 * Throws code 7 when an address cannot be read, and for an address of the container that the bridge is to have.
 */
export function completeAddresses(
  given: { readonly ips: readonly ResultIp[]; readonly routes: readonly ResultRoute[] },
  conf: { readonly isGateway: boolean; readonly isDefaultGateway: boolean; readonly metric?: number },
): CompleteAddresses {
  const ips = given.ips.map((ip) => withGateway(ip, conf.isGateway));
  const all = conf.isDefaultGateway ? withDefaultRoutes(given.routes, ips) : given.routes;
  const routes = all.map((route) => withMetric(route, conf.metric));
  const gateways = conf.isGateway ? [...new Set(ips.flatMap(hostAddress))] : [];
  refuseGatewayAsAddress(ips, gateways);
  return {
    ips,
    routes,
    kernelRoutes: routes.map((route) => toNetwork(throughGateway(route, ips))),
    gateways,
    onLink: conf.isGateway ? [...new Set(ips.flatMap(networkElsewhere))] : [],
  };
}

/**
 * The same of a routed container, which is alone on its link: its address is a single one, the gateway is on the link,
 * and its network is behind the gateway. A gateway that is missing is the first address of the network, and of an
 * address that came without a network one of the link.
 *
 * Throws code 7 when an address cannot be read, and for an address of the container that is its gateway.
 */
export function completeRoutedAddresses(
  given: { readonly ips: readonly ResultIp[]; readonly routes: readonly ResultRoute[] },
  conf: { readonly isDefaultGateway: boolean; readonly metric?: number },
): CompleteAddresses {
  const found = given.ips.map((ip) => {
    const { family, length, ...prefix } = parsePrefix(ip.address);
    const bits = addressBits(family);
    const gateway =
      ip.gateway ??
      (length === bits
        ? linkGateways[family]
        : formatAddress({ family, value: firstHost({ family, length, ...prefix }) }));
    const network = length === bits ? [] : [{ dst: formatPrefix({ family, length, ...prefix }), gw: gateway }];
    return { ip: { ...ip, address: `${addressOf(ip.address)}/${bits}`, gateway }, host: `${gateway}/${bits}`, network };
  });
  const ips = found.map(({ ip }) => ip);
  const gateways = [...new Set(found.map(({ host }) => host))];
  refuseGatewayAsAddress(ips, gateways);
  const asked = conf.isDefaultGateway ? withDefaultRoutes(given.routes, ips) : given.routes;
  const own: ResultRoute[] = [
    ...gateways.map((dst) => ({ dst, scope: scopeLink })),
    ...found.flatMap(({ network }) => network),
  ];
  const routes = [...own, ...asked.map((route) => throughGateway(route, ips))].map((route) =>
    toNetwork(withMetric(route, conf.metric)),
  );
  const unique = [...new Map(routes.map((route) => [JSON.stringify(route), route])).values()];
  return { ips, routes: unique, kernelRoutes: unique, gateways, onLink: [] };
}

/** Gateways of addresses without a network: no host needs them for anything else (RFC 3927, RFC 4291). */
const linkGateways = { 4: '169.254.1.1', 6: 'fe80::1' } as const;

/** Default routes in the main table, with their metrics. */
export function defaultRoutesAmong(routes: readonly ResultRoute[]): { family: 4 | 6; metric: number }[] {
  return routes
    .filter((route) => defaultDestinations.includes(route.dst) && isInMainTable(route))
    .map(({ dst, priority = 0 }) => {
      const family = familyOf(dst);
      return { family, metric: priority === 0 && family === 6 ? defaultIpv6Metric : priority };
    });
}

function withGateway(ip: ResultIp, isGateway: boolean): ResultIp {
  if (!isGateway || ip.gateway !== undefined) return ip;
  const prefix = parsePrefix(ip.address);
  const { family } = prefix;
  return { ...ip, gateway: formatAddress({ family, value: firstHost(prefix) }) };
}

/** A default route that was given without a gateway is the one that is missing: the result has one for each family. */
function withDefaultRoutes(given: readonly ResultRoute[], ips: readonly ResultIp[]): ResultRoute[] {
  const routes = given.map((route) =>
    defaultDestinations.includes(route.dst) && isInMainTable(route) ? throughGateway(route, ips) : route,
  );
  const missing = defaultDestinations.flatMap((dst) => {
    const first = ips.find(({ address }) => familyOf(address) === familyOf(dst));
    const isThere = routes.some((route) => route.dst === dst && route.gw !== undefined);
    return first?.gateway === undefined || isThere ? [] : [{ dst, gw: first.gateway }];
  });
  return [...routes, ...missing];
}

const defaultDestinations = ['0.0.0.0/0', '::/0'];

/** Number of the table that routes are in when none is named (rtnetlink(7)). */
const mainTable = 254;

function isInMainTable({ table }: ResultRoute): boolean {
  return table === undefined || table === 0 || table === mainTable;
}

/** Scope "link" of a route (rtnetlink(7)): its destinations are neighbours. */
const scopeLink = 253;

function throughGateway(route: ResultRoute, ips: readonly ResultIp[]): ResultRoute {
  if (route.gw !== undefined || (route.scope ?? 0) >= scopeLink) return route;
  const gateway = ips.find((ip) => ip.gateway !== undefined && familyOf(ip.address) === familyOf(route.dst))?.gateway;
  return gateway === undefined ? route : { ...route, gw: gateway };
}

function withMetric(route: ResultRoute, metric = 0): ResultRoute {
  return metric === 0 || (route.priority ?? 0) !== 0 ? route : { ...route, priority: metric };
}

/** The kernel refuses a route of IPv4 whose destination has host bits, and clears those of IPv6. */
function toNetwork(route: ResultRoute): ResultRoute {
  const dst = parsePrefix(route.dst);
  return dst.hostBits ? { ...route, dst: formatPrefix(dst) } : route;
}

function refuseGatewayAsAddress(ips: readonly ResultIp[], gateways: readonly string[]): void {
  const taken = new Set(gateways.map(addressOf));
  const both = ips
    .map(({ address }) => formatAddress(parseAddress(addressOf(address))))
    .find((address) => taken.has(address));
  if (both === undefined) return;
  throw new CniError(
    codes.invalidConfig,
    `Cannot give the container the address ${quote(both)}: it is the gateway, which the bridge has`,
    'Give the container another address of the network, or name another "gateway"',
  );
}

/** A gateway outside of the network stands alone: the network around it is somebody else's. */
function hostAddress({ address, gateway }: ResultIp): string[] {
  if (gateway === undefined) return [];
  const [own, network] = [parseAddress(gateway), parsePrefix(address)];
  return [`${formatAddress(own)}/${prefixContains(network, own) ? network.length : addressBits(own.family)}`];
}

function networkElsewhere({ address, gateway }: ResultIp): string[] {
  const network = parsePrefix(address);
  return gateway === undefined || prefixContains(network, parseAddress(gateway)) ? [] : [formatPrefix(network)];
}
