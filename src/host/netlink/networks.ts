/** The networks that a host is on, as the kernel tells them by route netlink. */
import { addressText } from '../../ip/bytes.ts';
import { familyOf } from '../../ip/family.ts';
import type { Conversation } from './conversation.ts';
import { decodeAttributes, flag, readNumber, type, type Answer } from './message.ts';

/** What of the host's addresses and routes says which networks it is on. */
export interface HostNetworks {
  /** Its addresses with prefix length: "203.0.113.7/24". */
  readonly addresses: readonly string[];
  /** Networks that no address of its own stands for: far ends of pairs, and what a router announces. */
  readonly others: readonly string[];
}

/** An IPv6 address with no network of its own (/128) came by DHCPv6: a router tells of its network, as a route. */
export function readNetworksOf(conversation: Conversation): HostNetworks {
  const found = conversation
    .read({ type: type.getAddress, flags: flag.dump, head: new Uint8Array(8), attributes: [] })
    .filter(({ payload }) => readNumber(payload, 3, 1) < scopeOfLink)
    .map((answer) => ({ ...addressOf(answer), isSix: answer.payload[0] === familyNumber }));
  const isAnnounced = found.some(({ address, isSix }) => isSix && address.endsWith('/128') && address !== '::1/128');
  return {
    addresses: found.map(({ address }) => address),
    others: [...found.flatMap(({ farEnd }) => farEnd ?? []), ...(isAnnounced ? readAnnouncedOf(conversation) : [])],
  };
}

const scopeOfLink = 253;
const ifa = { address: 1, local: 2 } as const;

/** Of a pair of addresses IFA_ADDRESS is the far end, and the length is that of its network. */
function addressOf({ payload }: Answer): { address: string; farEnd?: string } {
  const attributes = decodeAttributes(payload.subarray(8));
  const [local, network] = [attributes.get(ifa.local), attributes.get(ifa.address)];
  const own = addressText(local ?? network ?? new Uint8Array(4));
  const length = readNumber(payload, 1, 1);
  const other = network === undefined ? own : addressText(network);
  if (other === own) return { address: `${own}/${length}` };
  return { address: `${own}/${familyOf(own) === 6 ? 128 : 32}`, farEnd: `${other}/${length}` };
}

/** Destinations of IPv6 that a router said are on the link: their routes have no gateway. */
function readAnnouncedOf(conversation: Conversation): string[] {
  const head = Uint8Array.from({ length: 12 }, (_, at) => (at === 0 ? familyNumber : 0));
  return conversation.read({ type: type.getRoute, flags: flag.dump, head, attributes: [] }).flatMap(({ payload }) => {
    const [table, protocol = 0, kind] = [payload[4], payload[5], payload[7]];
    if (kind !== RTN_UNICAST || table !== RT_TABLE_MAIN || !announcing.includes(protocol)) return [];
    const attributes = decodeAttributes(payload.subarray(12));
    const destination = attributes.get(rta.destination);
    if (destination === undefined || attributes.has(rta.gateway) || attributes.has(rta.multipath)) return [];
    return [`${addressText(destination)}/${readNumber(payload, 1, 1)}`];
  });
}

/** AF_INET6; the others are of linux/rtnetlink.h. */
const familyNumber = 10;
const rta = { destination: 1, gateway: 5, multipath: 9 } as const;
const RTN_UNICAST = 1;
const RT_TABLE_MAIN = 254;
/** RTPROT_KERNEL and RTPROT_RA: the kernel, or a program, that heard a router. */
const announcing: readonly number[] = [2, 9];
