import { familyOf } from '../ip/family.ts';
import { addressOf } from '../ip/prefix.ts';
import { keepGateway } from './bridge.ts';
import type { LinkCommand } from './command.ts';
import { linkLocalAddressOf } from './hardware-address.ts';
import type { SysctlValue } from './sysctl-value.ts';

/** The host's end of the veth of a routed container. */
export interface RoutedEnd {
  readonly hostInterface: string;
  readonly mac: string;
  /** Of the container, with prefix length. */
  readonly addresses: readonly string[];
  /** Addresses of the host, with prefix length: the same on every veth of the network. */
  readonly gateways: readonly string[];
}

/** Values of files below /proc/sys/net/ that the host's end needs. */
export function planRoutedSysctls({ hostInterface: name, gateways }: RoutedEnd): SysctlValue[] {
  const hasIpv6 = gateways.some((address) => familyOf(address) === 6);
  return [
    { file: `ipv4/conf/${name}/forwarding`, value: '1' },
    {
      file: `ipv4/conf/${name}/arp_ignore`,
      value: '1',
      without: 'containers learn from answers to ARP which addresses the host has',
    },
    ...(hasIpv6
      ? [
          { file: `ipv6/conf/${name}/disable_ipv6`, value: '0' },
          { file: `ipv6/conf/${name}/forwarding`, value: '1' },
        ]
      : []),
    {
      file: `ipv6/conf/${name}/accept_ra`,
      value: '0',
      without: 'where the host does not forward IPv6, a container without a policy can announce itself as its router',
    },
  ];
}

/**
 * Gives the host's end the gateways, and tells the host the MAC of the container for good: nothing that the container
 * sends changes it. Fit to be repeated.
 */
export function planRoutedAddresses({ hostInterface: name, mac, addresses, gateways }: RoutedEnd): LinkCommand[] {
  const hasIpv6 = gateways.some((address) => familyOf(address) === 6);
  const neighbours = [...addresses, ...(hasIpv6 ? [linkLocalAddressOf(mac)] : [])];
  return [
    ...gateways.map((address) => keepGateway(address, name)),
    ...neighbours.map((address): LinkCommand => ({
      kind: 'replaceNeighbour',
      address: addressOf(address),
      mac,
      name,
      isPermanent: true,
    })),
  ];
}

/**
 * The host's routes to the container. They fail where there is a route to one of the addresses: somebody else has it.
 */
export function planHostRoutes({ hostInterface: dev, addresses, gateways }: RoutedEnd): LinkCommand<'addRoute'>[] {
  return addresses.map((dst) => {
    const gateway = gateways.find((address) => familyOf(address) === familyOf(dst));
    return { kind: 'addRoute', dst, dev, ...(gateway === undefined ? {} : { source: addressOf(gateway) }) };
  });
}
