import { CniError, codes } from '../../cni/errors.ts';
import { Fields } from '../../cni/fields.ts';
import { parseEgressConf } from '../../egress/conf.ts';
import { loadPolicy } from '../../egress/load-policy.ts';
import { loadOwnPresets } from '../../egress/load-presets.ts';
import { readHostAddresses } from '../../host/networks.ts';
import { formatAddress, formatPrefix, networkPlus, parsePrefix, readPrefix } from '../../ip/address.ts';
import { sha256 } from '../../digest/sha256.ts';
import { findOverlaps, type HostAddress } from '../../links/overlaps.ts';
import { egressOf, parseInterfaceConf } from '../drawbridge/conf.ts';
import { interfaceDefaults } from '../drawbridge/defaults.ts';
import { networkConf } from './attachment.ts';
import { parseNetwork, type Subnet } from './network.ts';
import { readPodmanSubnets } from './podman-networks.ts';

/**
 * Completes a network that podman is asked to create: the name of its bridge, its subnets with gateways. What podman
 * was told stays. Returns the network as podman is to keep it.
 *
 * Throws {@link CniError} with code 7 for what no container could be connected with, a policy that is missing among it,
 * and code 102 when no subnet is free.
 */
export async function create(input: unknown): Promise<Readonly<Record<string, unknown>>> {
  const { value } = new Fields(input, 'network');
  const asked = parseNetwork(input);
  const subnets = asked.ipam === 'none' ? [] : await completeSubnets(asked.subnets, asked.hasIpv6, asked.id);
  const made = { ...asked, interface: asked.interface ?? bridgeOf(asked.id), subnets };
  await requireUsable(made);
  return {
    ...value,
    network_interface: made.interface,
    ...(asked.ipam === 'none' ? {} : { subnets: subnets.map(writeSubnet) }),
    ipv6_enabled: asked.hasIpv6 || subnets.some(({ subnet }) => readPrefix(subnet)?.family === 6),
  };
}

/** An interface has at most 15 characters; networks have ids of 64. */
function bridgeOf(id: string): string {
  return `db-${id.slice(0, 10)}`;
}

/** Everything that `setup` would refuse is refused now, when a person reads it. */
async function requireUsable(network: Parameters<typeof networkConf>[0]): Promise<void> {
  const config = networkConf(network);
  parseInterfaceConf({ config, args: { pairs: new Map(), malformed: [] } }, interfaceDefaults.drawbridge);
  const egress = egressOf(config.fields);
  if (egress === undefined) return;
  const { policy } = parseEgressConf(egress.value, 'egress', loadOwnPresets());
  if ('named' in policy) await loadPolicy(policy.named);
}

/** Of the subnets that were asked for, with their first address as gateway; of a free one where none was. */
async function completeSubnets(asked: readonly Subnet[], hasIpv6: boolean, id: string): Promise<Subnet[]> {
  const given = asked.map(withGateway);
  const isThere = (family: 4 | 6): boolean => given.some(({ subnet }) => readPrefix(subnet)?.family === family);
  return [
    ...given,
    ...(isThere(4) || given.length > 0 ? [] : [withGateway({ subnet: await freeSubnet() })]),
    ...(hasIpv6 && !isThere(6) ? [withGateway({ subnet: localSubnet(id) })] : []),
  ];
}

function withGateway(subnet: Subnet): Subnet {
  const prefix = readPrefix(subnet.subnet);
  // What is no prefix is told by the parser of the configuration, with its place.
  if (prefix === undefined || subnet.gateway !== undefined) return subnet;
  return { ...subnet, gateway: formatAddress(networkPlus(prefix, 1)) };
}

/** Second parts of 10.x.0.0/16 whose /24 networks podman and netavark give too. */
const secondParts = { from: 89, to: 255 };

/** The first /24 that no interface of the host and no other network of podman is in. */
async function freeSubnet(): Promise<string> {
  const taken: HostAddress[] = [
    ...(await readHostAddresses()),
    ...readPodmanSubnets().map((address) => ({ interface: 'podman', address })),
  ];
  for (let second = secondParts.from; second <= secondParts.to; second++)
    for (let third = 0; third <= 255; third++) {
      const subnet = `10.${second}.${third}.0/24`;
      if (findOverlaps([`10.${second}.${third}.1/24`], taken, []).length === 0) return subnet;
    }
  throw new CniError(
    codes.conflict,
    'Cannot find a free subnet for the network: every /24 from 10.89.0.0 to 10.255.255.0 overlaps another network',
    'Name one: podman network create --subnet 192.168.50.0/24',
  );
}

/** A unique local network (RFC 4193, section 3.2.1: 40 bits that no other host is likely to have). */
function localSubnet(id: string): string {
  const digits = sha256(`drawbridge ${id}`).slice(0, 10);
  return formatPrefix(parsePrefix(`fd${digits.slice(0, 2)}:${digits.slice(2, 6)}:${digits.slice(6, 10)}::/64`));
}

function writeSubnet({ subnet, gateway, leaseRange }: Subnet): object {
  return {
    subnet,
    gateway,
    ...(leaseRange === undefined ? {} : { lease_range: { start_ip: leaseRange.start, end_ip: leaseRange.end } }),
  };
}
