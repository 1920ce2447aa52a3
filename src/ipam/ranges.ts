import { isAbsolute } from 'node:path/posix';
import { InvalidValueError } from '../cni/errors.ts';
import { quote } from '../cni/fields.ts';
import type { Fields } from '../cni/fields.ts';
import type { ResultRoute } from '../cni/result.ts';
import { addressBits, formatAddress, formatPrefix, prefixContains, readAddress, readPrefix } from '../ip/address.ts';
import type { Address, Prefix } from '../ip/address.ts';
import type { Family } from '../ip/family.ts';
import { parseExclude } from './exclude.ts';
import type { Exclusion } from './exclude.ts';
import { firstHost, lastHost, makeRangeSet } from './pool.ts';
import type { Range, RangeSet, Span } from './pool.ts';

/** What an "ipam" object of type host-local says, checked, with the defaults filled in. */
export interface IpamConf {
  /** An attachment gets one address of each. */
  readonly sets: readonly RangeSet[];
  readonly routes: readonly ResultRoute[];
  /** File that the "dns" of the result is read from. */
  readonly resolvConf?: string;
  readonly dataDir: string;
  /** Whether a container that comes again gets the addresses that it had. */
  readonly sticky: boolean;
}

/** Where the reference keeps leases unless "dataDir" says otherwise. */
export const defaultDataDir = '/var/lib/cni/networks';

export interface IpamOptions {
  /** "ipRanges" of the runtimeConfig: sets that go before those of the configuration. */
  readonly runtimeRanges?: readonly (readonly Fields[])[];
  /** Results below version 0.3.0 have room for one address of a family. */
  readonly onePerFamily?: boolean;
  /** Whether the bridge is to have the gateway's address, which then has to lie in the subnet. Default true. */
  readonly isGateway?: boolean;
}

/**
 * Reads an "ipam" object of type host-local: the keys of the reference, and beside them "exclude",
 * for all ranges or inside one of them, and "sticky".
 *
 * The ranges are those of the capability "ipRanges", then the single one at the top level (which is older
 * than "ranges"), then "ranges". A subnet of two addresses (/31, /127) gives both; the first is the gateway unless the
 * conf says otherwise. Throws {@link CniError} with code 7 for whatever else the reference refuses, and for a gateway
 * of the bridge outside its subnet without an on-link route to it, a dataDir that is not absolute, and a set in which
 * no address is left to give.
 */
export function parseIpam(
  ipam: Fields,
  { runtimeRanges = [], onePerFamily = false, isGateway = true }: IpamOptions = {},
): IpamConf {
  const ranges = [
    ...runtimeRanges,
    ...(ipam.raw('subnet') === undefined ? [] : [[ipam]]),
    ...(ipam.objectLists('ranges') ?? []),
  ];
  if (ranges.length === 0)
    throw new InvalidValueError(
      ipam.path,
      'no IP ranges specified',
      `Write "ranges": [[{ "subnet": "10.88.0.0/16" }]], or "subnet"`,
    );
  const routes = (ipam.objects('routes') ?? []).map(parseRoute);
  const parsed = ranges.map((set) => parseSet(set, { ipam, isGateway, onLink: routes.filter(isOnLink) }));
  refuseOverlaps(parsed.flat());
  if (onePerFamily) refuseSecondOfFamily(parsed);
  const excluded = parseExclude(ipam);
  const sets = parsed.map((set) => closeSet(set, parsed.flat(), excluded));
  const resolvConf = ipam.string('resolvConf');
  return {
    sets,
    routes,
    ...(resolvConf === undefined || resolvConf === '' ? {} : { resolvConf }),
    dataDir: parseDataDir(ipam),
    sticky: ipam.boolean('sticky') ?? false,
  };
}

/** Families that an attachment gets addresses of. */
export function familiesIn({ sets }: IpamConf): Family[] {
  return [...new Set(sets.map(({ family }) => family))];
}

/** The "dataDir" alone: DEL needs nothing else, and must work when the rest is missing or wrong. */
export function parseDataDir(ipam: Fields): string {
  const dataDir = ipam.string('dataDir');
  if (dataDir === undefined || dataDir === '') return defaultDataDir;
  if (!isAbsolute(dataDir)) throw ipam.invalid('dataDir', 'an absolute path');
  return dataDir;
}

/** A range with what is needed to say where it stands. */
interface ParsedRange extends Range {
  readonly family: Family;
  readonly path: string;
  readonly excluded: readonly Exclusion[];
}

/** What else of the conf says how a range is to be read. */
interface RangeContext {
  readonly ipam: Fields;
  readonly isGateway: boolean;
  /** Routes whose destinations are neighbours. */
  readonly onLink: readonly ResultRoute[];
}

function parseSet(set: readonly Fields[], context: RangeContext): ParsedRange[] {
  const { ipam } = context;
  const [first, ...others] = set.map((range) => parseRange(range, context));
  if (first === undefined)
    throw new InvalidValueError(ipam.at('ranges'), 'empty range set, each set needs one range at least');
  const stranger = others.find(({ family }) => family !== first.family);
  if (stranger !== undefined) {
    const details = 'Give each family a set of its own: an attachment gets one address of each set';
    throw new InvalidValueError(
      stranger.path,
      `mixed address families, ${formatPrefix(stranger.subnet)} is in one set with ${formatPrefix(first.subnet)}`,
      details,
    );
  }
  return [first, ...others];
}

function parseRange(range: Fields, context: RangeContext): ParsedRange {
  const subnet = parseSubnet(range);
  const isTopLevel = range === context.ipam;
  const first = readInSubnet(range, 'rangeStart', subnet) ?? firstHost(subnet);
  const last = readInSubnet(range, 'rangeEnd', subnet) ?? lastHost(subnet);
  if (first > last)
    throw range.invalid(
      range.has('rangeEnd') ? 'rangeEnd' : 'rangeStart',
      `a range from "rangeStart" up to "rangeEnd", not from ${text(subnet.family, first)} to ${text(subnet.family, last)},`,
    );
  const gateway = parseRangeGateway(range, subnet, context) ?? firstHost(subnet);
  // At the top level "exclude" stands beside "ranges" and is read for all of them.
  const excluded = isTopLevel ? [] : parseExclude(range);
  const outside = excluded.find(
    ({ family, first: from, last: to }) => ![from, to].every((value) => prefixContains(subnet, { family, value })),
  );
  if (outside !== undefined)
    throw new InvalidValueError(outside.path, `${quote(outside.text)} is not in ${quote(formatPrefix(subnet))}`);
  return { subnet, span: { first, last }, gateway, family: subnet.family, path: range.path, excluded };
}

function parseSubnet(range: Fields): Prefix {
  const written = range.string('subnet');
  const subnet = written === undefined ? undefined : readPrefix(written);
  if (subnet === undefined) throw range.invalid('subnet', 'a network such as "10.88.0.0/16"');
  if (subnet.hostBits) throw range.invalid('subnet', `the network has host bits set, ${quote(formatPrefix(subnet))}`);
  if (subnet.length === addressBits(subnet.family))
    throw range.invalid(
      'subnet',
      `the network is too small to allocate from, /${addressBits(subnet.family) - 1} or larger`,
    );
  return subnet;
}

/** Scope "link" of a route (rtnetlink(7)): its destinations are neighbours. */
const scopeLink = 253;

function isOnLink({ gw, scope = 0 }: ResultRoute): boolean {
  return gw === undefined && scope >= scopeLink;
}

/**
 * A gateway may lie outside of the subnet where it is no address of the bridge, or where the conf has an on-link route
 * to it.
 */
function parseRangeGateway(range: Fields, subnet: Prefix, { isGateway, onLink }: RangeContext): bigint | undefined {
  const written = range.string('gateway');
  const address = written === undefined ? undefined : readAddress(written);
  const isElsewhere = address?.family === subnet.family && !prefixContains(subnet, address);
  const isReached = isElsewhere && onLink.some(({ dst }) => prefixContains(readPrefix(dst) ?? subnet, address));
  if (isElsewhere && (!isGateway || isReached)) return address.value;
  if (isElsewhere)
    throw range.invalid(
      'gateway',
      `an address in ${quote(formatPrefix(subnet))}, or a route of "scope" 253 to it in "routes",`,
    );
  return readInSubnet(range, 'gateway', subnet);
}

/** An optional address that has to lie in the subnet; an empty text means absent, as it does to Go's net.IP. */
function readInSubnet(range: Fields, key: string, subnet: Prefix): bigint | undefined {
  const written = range.string(key);
  if (written === undefined || written === '') return undefined;
  const address = readAddress(written);
  if (address === undefined) throw range.invalid(key, 'an IP address');
  if (!prefixContains(subnet, address)) throw range.invalid(key, `an address in ${quote(formatPrefix(subnet))}`);
  return address.value;
}

/** Compares what is given out, not the subnets: parts of one subnet may stand in several ranges. */
function refuseOverlaps(ranges: readonly ParsedRange[]): void {
  for (const [index, range] of ranges.entries()) {
    const other = ranges
      .slice(0, index)
      .find(
        ({ family, span }) => family === range.family && span.first <= range.span.last && range.span.first <= span.last,
      );
    if (other === undefined) continue;
    throw new InvalidValueError(range.path, `${describe(range)} overlaps ${describe(other)} of ${quote(other.path)}`);
  }
}

function refuseSecondOfFamily(sets: readonly (readonly ParsedRange[])[]): void {
  for (const family of [4, 6] as const) {
    const count = sets.filter(([first]) => first?.family === family).length;
    if (count > 1)
      throw new InvalidValueError(
        'ranges',
        `${count} sets give IPv${family} addresses, results below cniVersion "0.3.0" have room for one`,
      );
  }
}

/**
 * Takes out of a set what it must not give: the gateways of all sets, since all stand on one link, and what is
 * excluded.
 */
function closeSet(set: readonly ParsedRange[], all: readonly ParsedRange[], excluded: readonly Exclusion[]): RangeSet {
  const family = set[0]?.family ?? 4;
  const gateways: Span[] = all
    .filter((range) => range.family === family)
    .map(({ gateway }) => ({ first: gateway, last: gateway }));
  const holes = [...excluded, ...all.flatMap((range) => range.excluded)].filter((hole) => hole.family === family);
  const made = makeRangeSet(family, set, [...gateways, ...holes]);
  if (made.size === 0n)
    throw new InvalidValueError(
      set[0]?.path ?? 'ranges',
      `${quote(made.text)} has no address left to give, all are gateways or excluded`,
    );
  return made;
}

function parseRoute(route: Fields): ResultRoute {
  const dst = readPrefix(route.string('dst') ?? '');
  if (dst === undefined) throw route.invalid('dst', 'a network such as "0.0.0.0/0"');
  const parsed: ResultRoute = { dst: `${formatAddress({ family: dst.family, value: dst.address })}/${dst.length}` };
  const gw = parseGateway(route, dst.family);
  if (gw !== undefined) parsed.gw = formatAddress(gw);
  for (const key of ['mtu', 'advmss', 'priority', 'table', 'scope'] as const) {
    const value = route.integer(key, { min: 0, max: key === 'scope' ? 255 : 0xffff_ffff });
    if (value !== undefined) parsed[key] = value;
  }
  return parsed;
}

function parseGateway(route: Fields, family: Family): Address | undefined {
  const written = route.string('gw');
  if (written === undefined || written === '') return undefined;
  const gw = readAddress(written);
  if (gw === undefined || gw.family !== family) throw route.invalid('gw', `an IPv${family} address, as its "dst" is,`);
  return gw;
}

function describe({ family, span }: ParsedRange): string {
  return `${text(family, span.first)}-${text(family, span.last)}`;
}

function text(family: Family, value: bigint): string {
  return formatAddress({ family, value });
}
