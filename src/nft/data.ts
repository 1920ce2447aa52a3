import { readAddress } from '../ip/address.ts';
import { splitPrefix } from '../ip/prefix.ts';
import type { Part } from './element.ts';

/**
 * Keys and values of elements as the kernel has them: each part with its first byte first, and in a concatenation
 * filled up to a multiple of four bytes (net/netfilter/nft_set_*.c compare them as bytes).
 */

/** Bytes of a part, by the names of nft's data types (nft(8), DATA TYPES). */
const sizes = {
  ifname: 16,
  ipv4_addr: 4,
  ipv6_addr: 16,
  ether_addr: 6,
  inet_proto: 1,
  inet_service: 2,
  /** The type of a half of an address, which nft knows by its place in the packet alone. */
  half_addr: 8,
  /** The one type whose bytes are in the order of the machine. */
  devgroup: 4,
} as const;

export type DataType = keyof typeof sizes;

/** The bytes of a key or a value. Undefined for parts that are not of these types. */
export function encodeData(types: readonly DataType[], parts: readonly Part[]): Uint8Array | undefined {
  if (parts.length !== types.length) return undefined;
  return joined(
    types,
    types.map((type, at) => encodePart(type, parts[at] ?? '')),
  );
}

/** The first and the last of the keys that are in an interval. */
export interface DataRange {
  readonly first: Uint8Array;
  readonly last: Uint8Array;
}

/**
 * As {@link encodeData}, of an element of an interval set: each part is one value, a prefix ("10.0.0.0/8") or a range
 * ("10.0.0.1-10.0.0.9", "8000-8100").
 */
export function encodeRange(types: readonly DataType[], parts: readonly Part[]): DataRange | undefined {
  if (parts.length !== types.length) return undefined;
  const ranges = types.map((type, at) => encodePartRange(type, parts[at] ?? ''));
  const first = joined(
    types,
    ranges.map((range) => range?.first),
  );
  const last = joined(
    types,
    ranges.map((range) => range?.last),
  );
  return first === undefined || last === undefined ? undefined : { first, last };
}

function joined(types: readonly DataType[], encoded: readonly (Uint8Array | undefined)[]): Uint8Array | undefined {
  if (types.length === 1) return encoded[0];
  const whole = new Uint8Array(types.reduce((sum, type) => sum + align(sizes[type]), 0));
  let at = 0;
  for (const [place, type] of types.entries()) {
    const part = encoded[place];
    if (part === undefined) return undefined;
    whole.set(part, at);
    at += align(sizes[type]);
  }
  return whole;
}

function encodePartRange(type: DataType, part: Part): DataRange | undefined {
  const text = typeof part === 'object' ? '' : String(part);
  const [from = '', to, ...more] = text.split('-');
  const { address, length } = splitPrefix(text);
  if (to !== undefined) {
    const [first, last] = [encodePart(type, from), encodePart(type, to)];
    return first === undefined || last === undefined || more.length > 0 ? undefined : { first, last };
  }
  const first = encodePart(type, length === undefined ? part : address);
  if (first === undefined || length === undefined) return first && { first, last: first };
  return (type === 'ipv4_addr' || type === 'ipv6_addr') && /^\d+$/.test(length)
    ? rangeOfPrefix(first, Number(length))
    : undefined;
}

/** Bits behind the prefix are zero in its first address and one in its last. */
function rangeOfPrefix(address: Uint8Array, length: number): DataRange | undefined {
  if (length > address.length * 8) return undefined;
  const host = address.map((_, at) => 0xff >> Math.min(8, Math.max(0, length - at * 8)));
  return {
    first: address.map((byte, at) => byte & ~(host[at] ?? 0)),
    last: address.map((byte, at) => byte | (host[at] ?? 0)),
  };
}

/** Numbers of protocols that we name (IANA); text of nft may have the number itself. */
const protocols: Readonly<Record<string, number>> = { icmp: 1, tcp: 6, udp: 17, 'ipv6-icmp': 58, sctp: 132 };

function encodePart(type: DataType, part: Part): Uint8Array | undefined {
  if (typeof part === 'object') return type === 'ifname' ? encodeName(part.interface) : undefined;
  const text = String(part);
  switch (type) {
    case 'ifname':
      return undefined;
    case 'ether_addr':
      return encodeMac(text);
    case 'ipv4_addr':
    case 'ipv6_addr':
      return encodeAddress(type, text);
    case 'inet_proto':
      return encodeNumber(String(protocols[text] ?? text), sizes[type]);
    case 'devgroup':
      return inOrderOfMachine(encodeNumber(text, sizes[type]));
    default:
      return encodeNumber(text, sizes[type]);
  }
}

function inOrderOfMachine(bytes: Uint8Array | undefined): Uint8Array | undefined {
  return isLittleEndian ? bytes?.toReversed() : bytes;
}

const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

function encodeName(text: string): Uint8Array | undefined {
  const name = new TextEncoder().encode(text);
  if (name.length === 0 || name.length >= sizes.ifname) return undefined;
  const bytes = new Uint8Array(sizes.ifname);
  bytes.set(name);
  return bytes;
}

function encodeMac(text: string): Uint8Array | undefined {
  if (!/^[\da-f]{2}(?::[\da-f]{2}){5}$/i.test(text)) return undefined;
  return Uint8Array.from(text.split(':'), (part) => Number.parseInt(part, 16));
}

function encodeAddress(type: 'ipv4_addr' | 'ipv6_addr', text: string): Uint8Array | undefined {
  const address = readAddress(text);
  if (address === undefined || (address.family === 4) !== (type === 'ipv4_addr')) return undefined;
  return bytesOf(address.value, sizes[type]);
}

function encodeNumber(text: string, size: number): Uint8Array | undefined {
  if (!/^\d+$/.test(text)) return undefined;
  const value = BigInt(text);
  return BigInt.asUintN(size * 8, value) === value ? bytesOf(value, size) : undefined;
}

function bytesOf(value: bigint, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let rest = value;
  for (let at = size - 1; at >= 0; at -= 1) {
    bytes[at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}

function align(size: number): number {
  return (size + 3) & ~3;
}
