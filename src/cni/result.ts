import { familyOf } from '../ip/family.ts';
import { splitPrefix } from '../ip/prefix.ts';
import { ipVersion } from '../ip/version.ts';
import { CniError, codes } from './errors.ts';
import { Fields, quote } from './fields.ts';
import { resultFamily, supportedVersions } from './versions.ts';
import type { ResultFamily, SpecVersion } from './versions.ts';

/** A result in the shape of the newest version of the specification; older shapes are made of it. */
export interface Result {
  interfaces: ResultInterface[];
  ips: ResultIp[];
  routes: ResultRoute[];
  dns: ResultDns;
}

export interface ResultInterface {
  name: string;
  mac?: string;
  mtu?: number;
  sandbox?: string;
  socketPath?: string;
  pciID?: string;
}

export interface ResultIp {
  /** With prefix length: "10.88.0.2/16". */
  address: string;
  gateway?: string;
  /** Index into `interfaces`. */
  interface?: number;
}

export interface ResultRoute {
  dst: string;
  gw?: string;
  mtu?: number;
  advmss?: number;
  priority?: number;
  table?: number;
  scope?: number;
}

export interface ResultDns {
  nameservers?: string[];
  domain?: string;
  search?: string[];
  options?: string[];
}

/** What a result is on stdout: decoded JSON, its keys in the order in which the reference prints them. */
export type WireResult = Readonly<Record<string, unknown>>;

/**
 * Makes the result of a version of the specification, as the reference's types convert it:
 * - 1.x: keys in alphabetical order; "mtu" of an interface stays in 1.0.0; an empty "dns" is left out
 * - 0.3.0 to 0.4.0: each of "ips" tells its "version"; interfaces have name, mac and sandbox only; routes
 *   keep what 1.1.0 added to them; "dns" is there even if empty
 * - 0.1.0 and 0.2.0: the first IPv4 and the first IPv6 address, each with the routes of its family
 *
 * Throws code 7 when the version is one of the last two and there is no address to tell.
 */
export function resultToWire(result: Result, version: SpecVersion): WireResult {
  return writers[resultFamily(version)](result, version);
}

const writers: Record<ResultFamily, (result: Result, version: SpecVersion) => WireResult> = {
  '0.2': write02,
  '0.4': write04,
  '1.x': write1x,
};

function write1x({ interfaces, ips, routes, dns }: Result, cniVersion: SpecVersion): WireResult {
  const { domain, nameservers, options, search } = dns;
  const writtenDns = filled({ domain, nameservers, options, search });
  return filled({
    cniVersion,
    dns: Object.keys(writtenDns).length === 0 ? undefined : writtenDns,
    interfaces: interfaces.map(({ mac, mtu, name, pciID, sandbox, socketPath }) => ({
      ...filled({ mac, mtu: mtu || undefined }),
      name,
      ...filled({ pciID, sandbox, socketPath }),
    })),
    ips: ips.map(({ address, gateway, interface: index }) => filled({ address, gateway, interface: index })),
    routes: routes.map(({ advmss, dst, gw, mtu, priority, scope, table }) =>
      filled({
        advmss: advmss || undefined,
        dst,
        gw,
        mtu: mtu || undefined,
        priority: priority || undefined,
        scope,
        table,
      }),
    ),
  });
}

function write04({ interfaces, ips, routes, dns }: Result, cniVersion: SpecVersion): WireResult {
  return filled({
    cniVersion,
    interfaces: interfaces.map(({ name, mac, sandbox }) => ({ name, ...filled({ mac, sandbox }) })),
    ips: ips.map(({ address, gateway, interface: index }) =>
      filled({ version: String(familyOf(address)), interface: index, address, gateway }),
    ),
    routes: routes.map(({ dst, gw, mtu, advmss, priority, table, scope }) =>
      filled({
        dst,
        gw,
        mtu: mtu || undefined,
        advmss: advmss || undefined,
        priority: priority || undefined,
        table,
        scope,
      }),
    ),
    dns: writeDns(dns),
  });
}

function write02({ ips, routes, dns }: Result, cniVersion: SpecVersion): WireResult {
  const [ip4, ip6] = [false, true].map((six) => {
    const first = ips.find(({ address }) => (familyOf(address) === 6) === six);
    if (first === undefined) return undefined;
    const own = routes.filter(({ dst }) => (familyOf(dst) === 6) === six).map(({ dst, gw }) => filled({ dst, gw }));
    return filled({ ip: first.address, gateway: first.gateway, routes: own });
  });
  if (ip4 === undefined && ip6 === undefined) {
    throw new CniError(
      codes.invalidConfig,
      `Cannot make a result of version ${quote(cniVersion)}: cannot convert: no valid IP addresses`,
      'Set "cniVersion" to 0.3.0 or newer, or configure addresses',
    );
  }
  return filled({ cniVersion, ip4, ip6, dns: writeDns(dns) });
}

function writeDns({ nameservers, domain, search, options }: ResultDns): WireResult {
  return filled({ nameservers, domain, search, options });
}

/**
 * Leaves out what is absent or empty, as "omitempty" does. Of numbers, 0 stays: it is a value of "interface", "table"
 * and "scope".
 */
function filled(fields: Record<string, unknown>): WireResult {
  return Object.fromEntries(
    Object.entries(fields).filter(
      ([, value]) => value !== undefined && value !== '' && !(Array.isArray(value) && value.length === 0),
    ),
  );
}

/** Where a result to be read came from, for error texts. */
export interface ResultSource {
  /** Path or name in error texts: "prevResult". */
  readonly path: string;
  /** Code of the errors. */
  readonly code: number;
}

/**
 * Reads a result. `version` is that of the configuration: it says which shape to expect, and a result that
 * tells a version of another shape is refused, as the reference does. Null is an empty result.
 *
 * Throws code 6, or the code in `source`.
 */
export function resultFromWire(
  value: unknown,
  version: SpecVersion,
  source: ResultSource = { path: 'result', code: codes.decodingFailure },
): Result {
  const fields = new Fields(value ?? {}, source.path, source.code);
  const family = resultFamily(version);
  const told = fields.string('cniVersion') ?? '';
  const accepted = supportedVersions.filter((candidate) => resultFamily(candidate) === family);
  if (told !== '' && !(accepted as readonly string[]).includes(told)) {
    throw new CniError(
      source.code,
      `Invalid ${quote(source.path)}: result type supports [${accepted.join(' ')}] but unmarshalled CNIVersion is ${quote(told)}`,
      `The configuration is of version ${quote(version)}: a result has to be of the same one`,
    );
  }
  return family === '0.2' ? read02(fields) : readLists(fields, family);
}

function read02(fields: Fields): Result {
  const families = [fields.object('ip4'), fields.object('ip6')].filter((family) => family !== undefined);
  return {
    interfaces: [],
    ips: families.map((family) => ({
      address: requiredPrefix(family, 'ip'),
      ...optional('gateway', address(family, 'gateway')),
    })),
    routes: families.flatMap(readRoutes),
    dns: readDns(fields),
  };
}

function readLists(fields: Fields, family: ResultFamily): Result {
  return {
    interfaces: (fields.objects('interfaces') ?? []).map((entry) => readInterface(entry, family)),
    ips: (fields.objects('ips') ?? []).map((entry) => ({
      address: requiredPrefix(entry, 'address'),
      ...optional('gateway', address(entry, 'gateway')),
      ...optional('interface', entry.integer('interface')),
    })),
    routes: readRoutes(fields),
    dns: readDns(fields),
  };
}

function readInterface(entry: Fields, family: ResultFamily): ResultInterface {
  const old = {
    name: entry.string('name') ?? '',
    ...optional('mac', text(entry, 'mac')),
    ...optional('sandbox', text(entry, 'sandbox')),
  };
  if (family === '0.4') return old;
  return {
    ...old,
    ...optional('mtu', entry.integer('mtu') || undefined),
    ...optional('socketPath', text(entry, 'socketPath')),
    ...optional('pciID', text(entry, 'pciID')),
  };
}

function readRoutes(fields: Fields): ResultRoute[] {
  return (fields.objects('routes') ?? []).map((entry) => ({
    dst: requiredPrefix(entry, 'dst'),
    ...optional('gw', address(entry, 'gw')),
    ...optional('mtu', entry.integer('mtu') || undefined),
    ...optional('advmss', entry.integer('advmss') || undefined),
    ...optional('priority', entry.integer('priority') || undefined),
    ...optional('table', entry.integer('table')),
    ...optional('scope', entry.integer('scope')),
  }));
}

/** The "dns" object of a result, or of a plugin's configuration. */
export function readDns(fields: Fields): ResultDns {
  const dns = fields.object('dns');
  if (dns === undefined) return {};
  return {
    ...optional('nameservers', dns.strings('nameservers')),
    ...optional('domain', text(dns, 'domain')),
    ...optional('search', dns.strings('search')),
    ...optional('options', dns.strings('options')),
  };
}

/** DNS of an earlier plugin with ours behind: lists one after the other, each value once; of the domain ours counts. */
export function mergeDns(earlier: ResultDns, own: ResultDns): ResultDns {
  const both = (key: 'nameservers' | 'search' | 'options'): string[] | undefined => {
    const values = [...new Set([...(earlier[key] ?? []), ...(own[key] ?? [])])];
    return values.length === 0 ? undefined : values;
  };
  return {
    ...optional('nameservers', both('nameservers')),
    ...optional('domain', own.domain ?? earlier.domain),
    ...optional('search', both('search')),
    ...optional('options', both('options')),
  };
}

function requiredPrefix(fields: Fields, key: string): string {
  const prefix = fields.string(key) ?? '';
  const { address: host, length = '' } = splitPrefix(prefix);
  const longest = ipVersion(host) === 4 ? 32 : isAddress(host) ? 128 : -1;
  if (!/^\d{1,3}$/.test(length) || Number(length) > longest) throw fields.invalid(key, 'an address with prefix length');
  return prefix;
}

function address(fields: Fields, key: string): string | undefined {
  const value = text(fields, key);
  if (value !== undefined && !isAddress(value)) throw fields.invalid(key, 'an address');
  return value;
}

/** node:net takes "fe80::1%eth0" for an address too; Go, and so a result, does not. */
function isAddress(value: string): boolean {
  return ipVersion(value) !== 0 && !value.includes('%');
}

function text(fields: Fields, key: string): string | undefined {
  const value = fields.string(key);
  return value === '' ? undefined : value;
}

function optional<Key extends string, Value>(key: Key, value: Value | undefined): { [K in Key]?: Value } {
  return (value === undefined ? {} : { [key]: value }) as { [K in Key]?: Value };
}
