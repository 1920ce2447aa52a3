import { formatPrefix, parsePrefix, prefixContains, readAddress } from '../ip/address.ts';
import { addressOf } from '../ip/prefix.ts';

/** An address of the host. */
export interface HostAddress {
  /** Name of its interface. */
  readonly interface: string;
  /** With prefix length. */
  readonly address: string;
}

/** A network of an attachment that another interface of the host is in too. */
export interface Overlap {
  /** "10.88.0.0/16". */
  readonly network: string;
  readonly other: HostAddress;
  /** Whether it is the very network, so that of two ways into it only one is ever taken. */
  readonly isIdentical: boolean;
}

/**
 * Finds the host's addresses in networks that overlap those of `addresses` (with prefix length), at other interfaces
 * than `own`. A single address (/32, /128) inside is no network, and what is for this host alone (loopback, the link)
 * does not count.
 */
export function findOverlaps(
  addresses: readonly string[],
  present: readonly HostAddress[],
  own: readonly string[],
): Overlap[] {
  const networks = [...new Set(addresses.map((address) => formatPrefix(parsePrefix(address))))];
  return networks.flatMap((network) => {
    const ours = parsePrefix(network);
    return present.flatMap((other): Overlap[] => {
      const theirs = parsePrefix(other.address);
      const isOne = theirs.length === (theirs.family === 4 ? 32 : 128);
      if (own.includes(other.interface) || other.interface === 'lo' || isOne) return [];
      if (!prefixContains(ours, theirs) && !prefixContains(theirs, ours)) return [];
      return [{ network, other, isIdentical: ours.length === theirs.length }];
    });
  });
}

/** The address of the host that is one of `addresses` (with prefix length) too; undefined when none is. */
export function ownAddressAmong(
  addresses: readonly string[],
  present: readonly HostAddress[],
): HostAddress | undefined {
  const taken = new Set(addresses.map(bare));
  return present.find(({ address }) => taken.has(bare(address)));
}

function bare(address: string): string {
  const text = addressOf(address);
  const { family, value } = readAddress(text) ?? { family: 0, value: text };
  return `${family} ${value}`;
}
