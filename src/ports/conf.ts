import type { CniError } from '../cni/errors.ts';
import { InvalidValueError } from '../cni/errors.ts';
import type { Fields } from '../cni/fields.ts';
import { formatAddress, readAddress } from '../ip/address.ts';
import { describeMapping, overlaps, type PortMapping, type PortProtocol } from './mapping.ts';

/**
 * Reads the entries of runtimeConfig.portMappings: hostPort and containerPort (1 to 65535), protocol
 * (tcp, udp, sctp in any case of letters; default tcp) and hostIP (a literal address; "", "0.0.0.0" and
 * "::" stand for every address of the host: of both families, of IPv4, of IPv6).
 *
 * An entry that says the same as one before it is left out. Throws {@link CniError} with code 7 for a value
 * that is not allowed, and for two entries that send one port of the host to two places.
 */
export function parsePortMappings(entries: readonly Fields[]): PortMapping[] {
  const mappings: PortMapping[] = [];
  for (const entry of entries) {
    const mapping = parseMapping(entry);
    const twin = mappings.find((other) => overlaps(mapping, other));
    if (twin !== undefined && twin.containerPort !== mapping.containerPort) throw twoTargets(entry, mapping, twin);
    if (twin === undefined || !isCovered(mapping, twin)) mappings.push(mapping);
  }
  return mappings;
}

/**
 * Reads the key "snat" of the configuration, default true: whether a published port is also reached from
 * 127.0.0.1, from the container itself and from its siblings, with the host's address as source.
 */
export function parseSnat(conf: Fields): boolean {
  return conf.boolean('snat') ?? true;
}

function parseMapping(entry: Fields): PortMapping {
  return {
    protocol: parseProtocol(entry),
    ...parseHostIp(entry),
    hostPort: parsePort(entry, 'hostPort'),
    containerPort: parsePort(entry, 'containerPort'),
  };
}

function parsePort(entry: Fields, key: string): number {
  const port = entry.integer(key, { min: 1, max: 65_535 });
  if (port === undefined) throw entry.invalid(key, 'a whole number from 1 to 65535');
  return port;
}

function parseProtocol(entry: Fields): PortProtocol {
  const name = (entry.string('protocol') ?? '').toLowerCase();
  if (name === '') return 'tcp';
  if (name === 'tcp' || name === 'udp' || name === 'sctp') return name;
  throw entry.invalid('protocol', '"tcp", "udp" or "sctp"');
}

function parseHostIp(entry: Fields): Pick<PortMapping, 'hostIp' | 'families'> {
  const text = entry.string('hostIP') ?? '';
  if (text === '') return { families: [4, 6] };
  const address = readAddress(text);
  if (address === undefined)
    throw entry.invalid('hostIP', 'an IPv4 or IPv6 address without prefix length and zone, or ""');
  if (address.value === 0n) return { families: [address.family] };
  return { hostIp: formatAddress(address), families: [address.family] };
}

/** Whether all that `mapping` opens is open already through `other`, which goes to the same port. */
function isCovered(mapping: PortMapping, other: PortMapping): boolean {
  return (
    mapping.families.every((family) => other.families.includes(family)) &&
    (other.hostIp === undefined || other.hostIp === mapping.hostIp)
  );
}

function twoTargets(entry: Fields, mapping: PortMapping, twin: PortMapping): CniError {
  return new InvalidValueError(
    entry.path,
    `it sends ${describeMapping(mapping)} to port "${mapping.containerPort}" of the container, an entry before it sends ${describeMapping(twin)} to port "${twin.containerPort}"`,
    'Give each port of the host to one port of the container, or narrow the entries with different values of "hostIP"',
  );
}
