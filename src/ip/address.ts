import { Address4, Address6 } from 'ip-address';
import { CniError, codes } from '../cni/errors.ts';
import { familyOf, type Family } from './family.ts';
import { splitPrefix } from './prefix.ts';

/** One address; `value` is the number that its bits make, most significant first. */
export interface Address {
  readonly family: Family;
  readonly value: bigint;
}

/** A prefix as it was written. */
export interface Prefix extends Address {
  /** The network: the address with every host bit cleared. */
  readonly value: bigint;
  /** The address as it was written, host bits included: of "10.88.0.1/16" that of 10.88.0.1. */
  readonly address: bigint;
  /** Number of network bits: 0 to 32, or 0 to 128. */
  readonly length: number;
  /** Whether the address has host bits, so that the text is an interface's address rather than a network. */
  readonly hostBits: boolean;
}

/**
 * Reads an address without a prefix length, strictly: four decimal parts without leading zeros, or the
 * forms of RFC 4291 2.2 without a zone. Addresses that map IPv4 into IPv6 (::ffff:0:0/96) are refused,
 * since one address would have two names.
 *
 * Throws {@link CniError} with code 7.
 */
export function parseAddress(text: string): Address {
  const address = readAddress(text);
  if (address === undefined)
    throw new CniError(codes.invalidConfig, `Cannot read ${JSON.stringify(text)} as an IP address`);
  return address;
}

/** As {@link parseAddress}, but undefined when the text is not an address. */
export function readAddress(text: string): Address | undefined {
  const address = readAnyAddress(text);
  return address?.family === 6 && address.value >> 32n === mappedNetwork ? undefined : address;
}

/** As {@link readAddress}, but reads IPv4-mapped addresses too: a packet may carry one, so it has to be judged. */
export function readAnyAddress(text: string): Address | undefined {
  const known = latest.get(text);
  if (known !== undefined) return known;
  if (/[%/]/.test(text)) return undefined;
  try {
    const family = familyOf(text);
    const address = { family, value: (family === 4 ? new Address4(text) : new Address6(text)).bigInt() };
    if (latest.size >= mostRemembered) latest.clear();
    latest.set(text, address);
    return address;
  } catch {
    return undefined;
  }
}

/**
 * What was read lately. A judgement compares one address with those of all siblings and of the host, the same ones each
 * time, and the library takes several microseconds for each: under a flood that was nearly all that the agent did.
 */
const latest = new Map<string, Address>();
const mostRemembered = 4096;

/**
 * Reads "address/length". The address may have host bits: see {@link Prefix.hostBits}.
 *
 * Throws {@link CniError} with code 7.
 */
export function parsePrefix(text: string): Prefix {
  const prefix = readPrefix(text);
  if (prefix === undefined)
    throw new CniError(codes.invalidConfig, `Cannot read ${JSON.stringify(text)} as an address with a prefix length`);
  return prefix;
}

/** As {@link parsePrefix}, but undefined when the text is not a prefix. */
export function readPrefix(text: string): Prefix | undefined {
  const { address: host, length: digits } = splitPrefix(text);
  const address = digits === undefined ? undefined : readAddress(host);
  if (address === undefined || digits === undefined) return undefined;
  const length = Number(digits);
  if (!/^(?:0|[1-9]\d{0,2})$/.test(digits) || length > addressBits(address.family)) return undefined;
  return makePrefix(address, length);
}

/** The prefix of a length that an address is in. */
export function makePrefix({ family, value }: Address, length: number): Prefix {
  const network = value & netmask(family, length);
  return { family, value: network, address: value, length, hostBits: network !== value };
}

/** Canonical text: dotted decimal, or RFC 5952. It is the name of a lease's file, so it never varies. */
export function formatAddress({ family, value }: Address): string {
  if (family === 6) return Address6.fromBigInt(value).correctForm();
  const bits = Number(value);
  return `${bits >>> 24}.${(bits >>> 16) & 255}.${(bits >>> 8) & 255}.${bits & 255}`;
}

/** Canonical text of the network: "10.88.0.0/16" for 10.88.0.1/16. */
export function formatPrefix({ family, value, length }: Prefix): string {
  return `${formatAddress({ family, value })}/${length}`;
}

/** Whether an address, or the whole of another prefix, lies in the prefix. Of another family: no. */
export function prefixContains(prefix: Prefix, inner: Address | Prefix): boolean {
  if (inner.family !== prefix.family) return false;
  if ('length' in inner && inner.length < prefix.length) return false;
  return (inner.value & netmask(prefix.family, prefix.length)) === prefix.value;
}

/** The netmask as text: "255.255.0.0", "ffff:ffff::". */
export function prefixNetmask({ family, length }: Prefix): string {
  return formatAddress({ family, value: netmask(family, length) });
}

/** The nth address of the network, counted from the network's own: 1 is the usual gateway. It may lie outside. */
export function networkPlus(prefix: Prefix, n: number | bigint): Address {
  return { family: prefix.family, value: prefix.value + BigInt(n) };
}

/** The last address of the prefix. In IPv4 that is the broadcast address, unless the length is 31 or 32 (RFC 3021). */
export function broadcast({ family, value, length }: Prefix): Address {
  return { family, value: value | (lastAddress(family) ^ netmask(family, length)) };
}

/** Number of bits of an address: 32 or 128. */
export function addressBits(family: Family): 32 | 128 {
  return family === 4 ? 32 : 128;
}

const mappedNetwork = 0xffffn;

function netmask(family: Family, length: number): bigint {
  const hostBits = BigInt(addressBits(family) - length);
  return (lastAddress(family) >> hostBits) << hostBits;
}

function lastAddress(family: Family): bigint {
  return (1n << BigInt(addressBits(family))) - 1n;
}
