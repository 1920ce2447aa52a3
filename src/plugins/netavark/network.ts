import { InvalidValueError } from '../../cni/errors.ts';
import { Fields, quote } from '../../cni/fields.ts';
import { nearestTo } from '../../cni/nearest.ts';

/*
 * The JSON of netavark's plugin protocol (its plugin-API.md, version 1.0.0). Keys that are not read here are podman's
 * own affair.
 */

/** A network as podman keeps it. */
export interface Network {
  readonly name: string;
  readonly id: string;
  /** The bridge; absent until a name is chosen. */
  readonly interface?: string;
  readonly subnets: readonly Subnet[];
  readonly routes: readonly { readonly destination: string; readonly gateway: string; readonly metric?: number }[];
  readonly hasIpv6: boolean;
  /** No way out: no default route, no masquerade. */
  readonly isInternal: boolean;
  /** "host-local" where podman chooses addresses; "none" where nobody does. */
  readonly ipam: 'host-local' | 'none';
  readonly dnsServers: readonly string[];
  readonly options: NetworkOptions;
}

export interface Subnet {
  /** "10.89.0.0/24". */
  readonly subnet: string;
  readonly gateway?: string;
  readonly leaseRange?: { readonly start?: string; readonly end?: string };
}

/** What `podman network create -o KEY=VALUE` takes. */
export interface NetworkOptions {
  /** Name of a policy in /etc/drawbridge/policies. */
  readonly egress?: string;
  /** Presets, which are a policy by themselves. */
  readonly presets: readonly string[];
  readonly mtu?: number;
  /** Of the default route. */
  readonly metric?: number;
  readonly hasDefaultRoute: boolean;
}

const optionNames = ['egress', 'preset', 'mtu', 'metric', 'no_default_route'];

/** Reads a network. Throws {@link CniError} with code 7 for a wrong type, and for an option that is not known. */
export function parseNetwork(raw: unknown): Network {
  const fields = new Fields(raw, 'network');
  const bridge = fields.string('network_interface');
  return {
    name: fields.string('name') ?? '',
    id: fields.string('id') ?? '',
    ...(bridge === undefined || bridge === '' ? {} : { interface: bridge }),
    subnets: (fields.objects('subnets') ?? []).map(parseSubnet),
    routes: (fields.objects('routes') ?? []).map((route) => {
      const metric = route.integer('metric', { min: 0, max: 2 ** 32 - 1 });
      return {
        destination: route.string('destination') ?? '',
        gateway: route.string('gateway') ?? '',
        ...(metric === undefined ? {} : { metric }),
      };
    }),
    hasIpv6: fields.boolean('ipv6_enabled') ?? false,
    isInternal: fields.boolean('internal') ?? false,
    ipam: parseIpamDriver(fields),
    dnsServers: fields.strings('network_dns_servers') ?? [],
    options: parseOptions(fields),
  };
}

function parseSubnet(fields: Fields): Subnet {
  const gateway = fields.string('gateway');
  const range = fields.object('lease_range');
  const start = range?.string('start_ip');
  const end = range?.string('end_ip');
  return {
    subnet: fields.string('subnet') ?? '',
    ...(gateway === undefined ? {} : { gateway }),
    ...(range === undefined
      ? {}
      : { leaseRange: { ...(start === undefined ? {} : { start }), ...(end === undefined ? {} : { end }) } }),
  };
}

function parseIpamDriver(fields: Fields): Network['ipam'] {
  const driver = fields.stringMap('ipam_options')?.get('driver') ?? 'host-local';
  if (driver === 'host-local' || driver === 'none') return driver;
  throw new InvalidValueError(
    'network.ipam_options.driver',
    `${quote(driver)} is not supported`,
    'Use "host-local", or "none" for a network without addresses',
  );
}

function parseOptions(fields: Fields): NetworkOptions {
  const options = fields.stringMap('options') ?? new Map<string, string>();
  const unknown = [...options.keys()].find((name) => !optionNames.includes(name));
  if (unknown !== undefined) {
    const near = nearestTo(unknown, optionNames);
    throw new InvalidValueError(
      'network.options',
      `there is no option ${quote(unknown)}${near === undefined ? '' : `, the nearest one is ${quote(near)}`}`,
      `The options are ${optionNames.map(quote).join(', ')}`,
    );
  }
  const egress = options.get('egress');
  const presets = (options.get('preset') ?? '').split(',').filter((name) => name !== '');
  if (egress !== undefined && presets.length > 0)
    throw new InvalidValueError('network.options', '"egress" and "preset" stand together', 'A network has one policy');
  const mtu = numberOf(options, 'mtu', 65_535);
  const metric = numberOf(options, 'metric', 2 ** 32 - 1);
  return {
    ...(egress === undefined ? {} : { egress }),
    presets,
    ...(mtu === undefined ? {} : { mtu }),
    ...(metric === undefined ? {} : { metric }),
    hasDefaultRoute: !['true', '1'].includes(options.get('no_default_route') ?? 'false'),
  };
}

function numberOf(options: ReadonlyMap<string, string>, name: string, max: number): number | undefined {
  const text = options.get(name);
  if (text === undefined) return undefined;
  if (/^\d{1,10}$/.test(text) && Number(text) <= max) return Number(text);
  throw new InvalidValueError('network.options', `${quote(name)} is ${quote(text)}`, `Expected a number up to ${max}`);
}
