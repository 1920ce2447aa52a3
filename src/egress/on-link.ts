import { addressBits, formatAddress, readAnyAddress } from '../ip/address.ts';
import { addressOf, splitPrefix } from '../ip/prefix.ts';
import { byStart, covers, intervalOf, nftInterval, overlaps, subtract, type Interval } from './interval.ts';
import { rangesOf } from './ranges-reserved.ts';

/** A network on which the host has neighbours, with public addresses. */
export interface OnLinkNetwork {
  /** Canonical. */
  readonly prefix: string;
  /** The host's own addresses in it: they are judged as the host, and at their published ports as public. */
  readonly own: readonly string[];
}

/**
 * Shortest prefix that counts as a network of the host: a /8 of IPv4 and a /32 of IPv6 are the largest blocks that one
 * network is given. A default route, or half of one as VPNs make it, is the internet and no neighbourhood.
 */
const shortest = { 4: 8, 6: 32 } as const;

/** What such a network is, as a noun phrase for messages. */
export const aboutOnLink = 'a network that this host is on';

/**
 * The networks on which the host has neighbours, of its addresses with prefix length ("203.0.113.7/24"), and of
 * `networks` without an address of the host ("203.0.113.0/24"): disjoint, in ascending order. Ranges that are closed
 * anyway (private, link-local, bogon) are left out, so that the networks of containers come and go without a change
 * here.
 */
export function onLinkNetworks(addresses: readonly string[], networks: readonly string[] = []): OnLinkNetwork[] {
  const found = [...new Set([...addresses, ...networks].flatMap((address) => networkOf(address) ?? []))]
    .map((prefix) => ({ prefix, interval: intervalOf(prefix) }))
    .filter(({ interval }) => !reserved().some((range) => covers(range, interval)));
  const own = [...new Set(addresses.map(addressOf))].filter((address) => readAnyAddress(address) !== undefined);
  return found
    .filter((one) => !found.some((other) => other !== one && covers(other.interval, one.interval)))
    .filter(({ prefix, interval }) => interval.from !== interval.to || !own.includes(addressOf(prefix)))
    .toSorted((one, other) => byStart(one.interval, other.interval))
    .map(({ prefix, interval }) => ({ prefix, own: own.filter((address) => covers(interval, intervalOf(address))) }));
}

/**
 * The network of the host that holds all of a prefix or an address; undefined when none does, and for an address of the
 * host itself.
 */
export function onLinkNetworkOf(prefix: string, networks: readonly OnLinkNetwork[]): OnLinkNetwork | undefined {
  const wanted = intervalOf(prefix);
  return networks.find(
    (network) =>
      covers(intervalOf(network.prefix), wanted) && !network.own.some((address) => covers(intervalOf(address), wanted)),
  );
}

/** What of a network is closed: runs of addresses in nft's words, without the host's own. */
export function closedRuns({ prefix, own }: OnLinkNetwork): string[] {
  return subtract(intervalOf(prefix), own.map(intervalOf)).map(nftInterval);
}

/** Whether no address of a prefix is in a range that is closed on every host. */
export function isPublicPrefix(prefix: string): boolean {
  const wanted = intervalOf(prefix);
  return !reserved().some((range) => overlaps(range, wanted));
}

/** Whether a prefix is as long as a network of a host has to be. */
export function isNetworkSized(prefix: string): boolean {
  const network = splitPrefix(prefix);
  const family = readAnyAddress(network.address)?.family;
  return family !== undefined && Number(network.length ?? addressBits(family)) >= shortest[family];
}

/** A prefix without host bits; undefined for one that is no neighbourhood. */
function networkOf(text: string): string | undefined {
  const { address: host, length } = splitPrefix(text);
  const address = readAnyAddress(host);
  if (address === undefined || !isNetworkSized(text)) return undefined;
  const bits = length ?? String(addressBits(address.family));
  const free = BigInt(addressBits(address.family) - Number(bits));
  return `${formatAddress({ ...address, value: (address.value >> free) << free })}/${bits}`;
}

let ranges: readonly Interval[] | undefined;

function reserved(): readonly Interval[] {
  ranges ??= (['metadata', 'bogon', 'private'] as const).flatMap(rangesOf).map(({ prefix }) => intervalOf(prefix));
  return ranges;
}
