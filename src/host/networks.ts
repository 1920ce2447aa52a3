import type { HostAddress } from '../links/overlaps.ts';
import { showJson, showJsonNow } from './ip.ts';
import { readNetworksOf, type HostNetworks } from './netlink/networks.ts';
import { readHostAddressesOf, readNow, readWith } from './netlink/read.ts';

/** Addresses of the host, without those of the link and of loopback. */
export async function readHostAddresses(): Promise<HostAddress[]> {
  const read = await readWith(undefined, readHostAddressesOf);
  if (read !== undefined) return read.value;
  const shown = ((await showJson(['address', 'show'])) ?? []) as ShownAddresses[];
  return shown.flatMap(({ ifname, addr_info: infos = [] }) =>
    infos.flatMap(({ local, prefixlen, scope }) =>
      ifname === undefined || scope === 'link' || scope === 'host'
        ? []
        : [{ interface: ifname, address: `${local}/${prefixlen}` }],
    ),
  );
}

/** The networks that the host is on, asked at once. */
export function readNetworks(): HostNetworks {
  const read = readNow(readNetworksOf);
  if (read !== undefined) return read.value;
  const shown = (showJsonNow(['address', 'show']) ?? []) as ShownAddresses[];
  const infos = shown
    .flatMap(({ addr_info: own = [] }) => own)
    .filter(({ scope }) => scope !== 'link' && scope !== 'host');
  const routes = (showJsonNow(['-6', '-details', 'route', 'show', 'table', 'main']) ?? []) as ShownNetworkRoute[];
  return {
    addresses: infos.map(({ local, address, prefixlen }) => (address === undefined ? `${local}/${prefixlen}` : local)),
    others: [
      ...infos.flatMap(({ address, prefixlen }) => (address === undefined ? [] : [`${address}/${prefixlen}`])),
      ...routes.flatMap(({ dst, gateway, protocol, type: kind = 'unicast' }) =>
        gateway === undefined && kind === 'unicast' && (protocol === 'kernel' || protocol === 'ra') && dst.includes('/')
          ? [dst]
          : [],
      ),
    ],
  };
}

/** How many ports a bridge has, up or down; 0 where there is no such bridge. */
export async function countPorts(bridge: string): Promise<number> {
  return (((await showJson(['link', 'show', 'master', bridge])) ?? []) as unknown[]).length;
}

/** Name of the interface that the host sends to an address by; undefined where it has no route. */
export async function interfaceTowards(address: string): Promise<string | undefined> {
  try {
    const [route] = ((await showJson(['route', 'get', address])) ?? []) as { dev?: string }[];
    return route?.dev;
  } catch {
    return undefined;
  }
}

/** What iproute2 6.1 prints. */
interface ShownAddresses {
  ifname?: string;
  addr_info?: { local: string; address?: string; prefixlen: number; scope?: string }[];
}

interface ShownNetworkRoute {
  dst: string;
  gateway?: string;
  protocol?: string;
  type?: string;
}
