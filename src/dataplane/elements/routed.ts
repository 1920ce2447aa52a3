import { familyOf } from '../../ip/family.ts';
import { addressOf } from '../../ip/prefix.ts';
import { interfacePart, type Element, type Part } from '../../nft/element.ts';
import type { LinkRecord } from '../../records/record.ts';
import { halvesOf, linkLocalOf } from './egress.ts';

/** What a routed container has of the guard at its veth, and by what its siblings know it; none on a bridge. */
export function routedElements({ bridge, group, hostInterface, mac, addresses }: LinkRecord): Element[] {
  if (bridge !== undefined || group === undefined) return [];
  const veth = interfacePart(hostInterface);
  const hosts = addresses.map(({ address }) => addressOf(address));
  const ipv6 = [...hosts.filter((address) => familyOf(address) === 6), linkLocalOf(mac)];
  return [
    inet('routed', veth),
    ...hosts.filter((address) => familyOf(address) === 4).map((address) => inet('routed4', veth, mac, address)),
    ...ipv6.flatMap((address) => [
      inet('routed6', veth, mac, address),
      inet('routed_nd', veth, mac, ...halvesOf(address)),
    ]),
    { ...inet('routed_pairs', group, group), shared: routedUse(group) },
    ...hosts.map((address) => inet(`routed_home${familyOf(address)}`, address, group)),
  ];
}

/** The name under which the routed containers of a network claim what they have in common. */
export function routedUse(group: number): string {
  return `routed-${group}`;
}

function inet(set: string, ...key: readonly Part[]): Element {
  return { table: 'inet drawbridge', set, key };
}
