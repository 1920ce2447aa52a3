import { addressBits, formatAddress, readAnyAddress } from '../ip/address.ts';
import type { Family } from '../ip/family.ts';
import { splitPrefix } from '../ip/prefix.ts';

/** A run of addresses of one family, both ends included. */
export interface Interval {
  readonly family: Family;
  readonly from: bigint;
  readonly to: bigint;
}

/**
 * The interval of a prefix in canonical text ("10.0.0.0/8", "fe80::/10") or of a lone address; throws RangeError on
 * anything else.
 */
export function intervalOf(prefix: string): Interval {
  const { address: text, length: digits } = splitPrefix(prefix);
  const address = readAnyAddress(text);
  if (address === undefined)
    throw new RangeError(`Cannot read the prefix "${prefix}": it does not start with an address`);
  const bits = addressBits(address.family);
  const length = digits === undefined ? bits : Number(digits);
  if (!Number.isInteger(length) || length < 0 || length > bits)
    throw new RangeError(`Cannot read the prefix "${prefix}": its length is not 0 to ${bits}`);
  const size = 1n << BigInt(bits - length);
  return { family: address.family, from: address.value, to: address.value + size - 1n };
}

/** True when both are of one family and have an address in common. */
export function overlaps(a: Interval, b: Interval): boolean {
  return a.family === b.family && a.from <= b.to && b.from <= a.to;
}

/** True when every address of `inner` is in `outer`. */
export function covers(outer: Interval, inner: Interval): boolean {
  return outer.family === inner.family && outer.from <= inner.from && inner.to <= outer.to;
}

/** What is left of an interval without those of `holes`: disjoint, in ascending order. */
export function subtract(whole: Interval, holes: readonly Interval[]): Interval[] {
  const rest: Interval[] = [];
  let from = whole.from;
  const sorted = holes.filter((hole) => overlaps(hole, whole)).toSorted(byStart);
  for (const hole of sorted) {
    if (hole.from > from) rest.push({ family: whole.family, from, to: hole.from - 1n });
    if (hole.to + 1n > from) from = hole.to + 1n;
  }
  if (from <= whole.to) rest.push({ family: whole.family, from, to: whole.to });
  return rest;
}

/** Orders by family, then first address, then last address. */
export function byStart(a: Interval, b: Interval): number {
  if (a.family !== b.family) return a.family - b.family;
  if (a.from !== b.from) return a.from < b.from ? -1 : 1;
  return a.to === b.to ? 0 : a.to < b.to ? -1 : 1;
}

/** The fewest prefixes that make up an interval, in ascending order and canonical text. */
export function prefixesOf({ family, from, to }: Interval): string[] {
  const bits: number = addressBits(family);
  const prefixes: string[] = [];
  let start = from;
  while (start <= to) {
    let free = 0;
    while (free < bits && (start & ((2n << BigInt(free)) - 1n)) === 0n && start + (2n << BigInt(free)) - 1n <= to)
      free += 1;
    prefixes.push(`${formatAddress({ family, value: start })}/${bits - free}`);
    start += 1n << BigInt(free);
  }
  return prefixes;
}

/**
 * An interval as nft writes an element of an interval set: an address, a prefix, or a range "a-b".
 */
export function nftInterval(interval: Interval): string {
  const { family, from, to } = interval;
  if (from === to) return formatAddress({ family, value: from });
  const [first, ...more] = prefixesOf(interval);
  if (first !== undefined && more.length === 0) return first;
  return `${formatAddress({ family, value: from })}-${formatAddress({ family, value: to })}`;
}
