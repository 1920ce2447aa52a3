import { InvalidValueError } from '../cni/errors.ts';
import { formatAddress, readPrefix } from '../ip/address.ts';
import { splitPrefix } from '../ip/prefix.ts';
import { covers, intervalOf, overlaps, type Interval } from './interval.ts';

/** A prefix of NAT64: addresses in it have an IPv4 address inside. */
export interface Nat64Prefix extends Interval {
  /** 32, 40, 48, 56, 64 or 96 (RFC 6052, 2.2). */
  readonly length: number;
  /** Canonical text. */
  readonly prefix: string;
}

/** Of RFC 6052: known without anybody saying so. */
export const wellKnownNat64 = nat64Prefix('64:ff9b::/96');

const lengths: readonly number[] = [32, 40, 48, 56, 64, 96];

/** Where a network may have its own: addresses that are given out, its own ones, and those of RFC 8215. */
const places = ['2000::/3', 'fc00::/7', '64:ff9b:1::/48'].map(intervalOf);

/** Parts of those that have another meaning: Teredo and ORCHID, 6to4, documentation (RFC 9637), metadata addresses. */
const taken = ['2001::/32', '2001:10::/28', '2001:20::/28', '2002::/16', '3fff::/20', 'fd00:ec2::/32', 'fd20:ce::/64'];

/** Bits 64 to 71, which are zero in every address of NAT64. */
export const zeroOctet = 0xffn << 56n;

/**
 * Reads the prefixes that a file lists, one a line, "#" before remarks. Throws code 7, with the line, for what is no
 * prefix of NAT64, or not one that a network may have.
 */
export function parseNat64(text: string, file: string): readonly Nat64Prefix[] {
  const found: Nat64Prefix[] = [];
  for (const [at, raw] of text.split('\n').entries()) {
    const line = raw.replace(/#.*/, '').trim();
    if (line === '') continue;
    const refused = (why: string, hint: string): InvalidValueError =>
      new InvalidValueError(`${file}:${at + 1}`, `"${line}" ${why}`, hint);
    const prefix = readPrefix(line);
    if (prefix?.family !== 6)
      throw refused('is no prefix of IPv6', 'Expected one prefix a line, as "2001:db8:64::/96"');
    if (prefix.hostBits) throw refused('has bits behind its length', 'Expected the prefix alone');
    if (!lengths.includes(prefix.length))
      throw refused('has a length that NAT64 does not know', `Expected one of ${lengths.join(', ')} (RFC 6052)`);
    const wanted = nat64Prefix(`${formatAddress(prefix)}/${prefix.length}`);
    if (covers(wellKnownNat64, wanted)) continue;
    if (prefix.length === 96 && (prefix.value & zeroOctet) !== 0n)
      throw refused('has bits 64 to 71 set, which are zero in NAT64', 'Expected a prefix as of RFC 6052');
    const other = taken.find((one) => overlaps(intervalOf(one), wanted));
    if (other !== undefined) throw refused(`has addresses of ${other} in it`, 'Expected a prefix of your own network');
    if (!places.some((place) => covers(place, wanted)))
      throw refused('is nothing that a network may have', 'Expected it within 2000::/3, fc00::/7 or 64:ff9b:1::/48');
    const twice = found.find((one) => overlaps(one, wanted));
    if (twice?.prefix === wanted.prefix) continue;
    if (twice !== undefined) throw refused(`overlaps ${twice.prefix}`, 'Expected prefixes that have nothing in common');
    found.push(wanted);
  }
  return found;
}

/** The file that lists these; empty for none. */
export function nat64Text(prefixes: readonly Nat64Prefix[]): string {
  return prefixes.map(({ prefix }) => `${prefix}\n`).join('');
}

/** The prefix of addresses in one that lead to those of an IPv4 prefix. */
export function leadingTo(one: Nat64Prefix, prefix: string): string {
  const { from } = intervalOf(prefix);
  const bits = Number(splitPrefix(prefix).length ?? 32);
  const high = (from >> lowBits(one)) << 64n;
  const low = (from & mask(lowBits(one))) << lowAt(one);
  const octet = one.length < 96 && bits > 64 - one.length ? 8 : 0;
  return `${formatAddress({ family: 6, value: one.from + high + low })}/${one.length + bits + octet}`;
}

/** The IPv4 addresses that addresses within one lead to; undefined where they have bits that have to be zero. */
export function insideOf(one: Nat64Prefix, { from, to }: Interval): Interval | undefined {
  if (one.length < 96 && (from & zeroOctet) !== 0n) return undefined;
  const inside = (address: bigint): bigint =>
    (((address >> 64n) & mask(32n - lowBits(one))) << lowBits(one)) | ((address >> lowAt(one)) & mask(lowBits(one)));
  return { family: 4, from: inside(from), to: inside(to) };
}

/** Bits of the IPv4 address that stand behind bit 71, or behind bit 95: the others come before bit 64. */
function lowBits({ length }: Nat64Prefix): bigint {
  return length === 96 ? 32n : BigInt(length - 32);
}

/** Where they end, counted from the last bit. */
function lowAt(one: Nat64Prefix): bigint {
  return one.length === 96 ? 0n : 56n - lowBits(one);
}

function mask(bits: bigint): bigint {
  return (1n << bits) - 1n;
}

function nat64Prefix(prefix: string): Nat64Prefix {
  return { ...intervalOf(prefix), prefix, length: Number(splitPrefix(prefix).length) };
}
