import { addressBits, formatAddress, formatPrefix, networkPlus, broadcast } from '../ip/address.ts';
import type { Address, Prefix } from '../ip/address.ts';
import type { Family } from '../ip/family.ts';

/** Both ends are inside. */
export interface Span {
  readonly first: bigint;
  readonly last: bigint;
}

/** One entry of a range set, with every default filled in. */
export interface Range {
  readonly subnet: Prefix;
  /** From "rangeStart" to "rangeEnd". */
  readonly span: Span;
  readonly gateway: bigint;
}

/** The pool that one address of an attachment comes from. */
export interface RangeSet {
  readonly family: Family;
  readonly ranges: readonly Range[];
  /** What may be given, in the order of the ranges: their spans without gateways and excluded addresses. */
  readonly spans: readonly Span[];
  /** How many addresses `spans` hold. */
  readonly size: bigint;
  /** For error texts: "10.88.0.0/16", or "10.88.0.10-10.88.0.20" when only a part of the subnet is given out. */
  readonly text: string;
}

/** Makes a set of ranges and of the spans of its family that must not be given. */
export function makeRangeSet(family: Family, ranges: readonly Range[], holes: readonly Span[]): RangeSet {
  const spans = ranges.flatMap((range) => subtract(range.span, holes));
  return {
    family,
    ranges,
    spans,
    size: spans.reduce((size, { first, last }) => size + last - first + 1n, 0n),
    text: ranges.map((range) => describeRange(family, range)).join(', '),
  };
}

/** The range of the set that an address lies in, be the address a gateway or excluded or neither. */
export function rangeOf({ family, ranges }: RangeSet, address: Address): Range | undefined {
  return address.family === family ? ranges.find(({ span }) => isInside(span, address.value)) : undefined;
}

/** Whether the set may give the address. */
export function isGivable({ family, spans }: RangeSet, address: Address): boolean {
  return address.family === family && spans.some((span) => isInside(span, address.value));
}

/**
 * Every address of the set once, beginning with the one after `last` and ending with `last` itself: round
 * robin, so that an address that was given back stays unused for as long as possible. Begins at the
 * first range when there is no `last` or no range of the set holds it.
 */
export function* candidatesAfter(set: RangeSet, last: Address | undefined): Generator<Address, void, undefined> {
  for (const span of spansAfter(set, last)) {
    for (let value = span.first; value <= span.last; value++) yield { family: set.family, value };
  }
}

/** The spans turned so that they begin behind `last`; the span that holds it is cut in two. */
function spansAfter({ family, ranges, spans }: RangeSet, last: Address | undefined): readonly Span[] {
  const home = last?.family === family ? ranges.findIndex(({ span }) => isInside(span, last.value)) : -1;
  if (last === undefined || home === -1) return spans;
  const after: Span[] = [];
  const before: Span[] = [];
  for (const span of spans) {
    const place = ranges.findIndex((range) => isInside(range.span, span.first));
    if (place < home || (place === home && span.last <= last.value)) before.push(span);
    else if (place > home || span.first > last.value) after.push(span);
    else {
      before.push({ first: span.first, last: last.value });
      after.push({ first: last.value + 1n, last: span.last });
    }
  }
  return [...after, ...before];
}

/** What is left of a span without the holes, in ascending order. */
function subtract(span: Span, holes: readonly Span[]): Span[] {
  let left = [span];
  for (const hole of holes) {
    left = left.flatMap(({ first, last }) => {
      if (hole.last < first || last < hole.first) return [{ first, last }];
      return [
        { first, last: hole.first - 1n },
        { first: hole.last + 1n, last },
      ].filter((part) => part.first <= part.last);
    });
  }
  return left;
}

function isInside({ first, last }: Span, value: bigint): boolean {
  return first <= value && value <= last;
}

function describeRange(family: Family, { subnet, span }: Range): string {
  const whole = span.first === firstHost(subnet) && span.last === lastHost(subnet);
  return whole
    ? formatPrefix(subnet)
    : `${formatAddress({ family, value: span.first })}-${formatAddress({ family, value: span.last })}`;
}

/** The first address of a subnet that may be somebody's. Of two addresses (RFC 3021, RFC 6164) each is a host's. */
export function firstHost(subnet: Prefix): bigint {
  return isPair(subnet) ? subnet.value : networkPlus(subnet, 1).value;
}

/**
 * The last address that a subnet gives unless "rangeEnd" says otherwise: IPv6 has no broadcast address, nor have two.
 */
export function lastHost(subnet: Prefix): bigint {
  const { family, value } = broadcast(subnet);
  return family === 4 && !isPair(subnet) ? value - 1n : value;
}

function isPair({ family, length }: Prefix): boolean {
  return length === addressBits(family) - 1;
}
