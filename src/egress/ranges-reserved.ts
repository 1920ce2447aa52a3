import { formatAddress } from '../ip/address.ts';
import { familyOf } from '../ip/family.ts';
import { intervalOf, overlaps, prefixesOf, subtract, type Interval } from './interval.ts';
import { behindNat64, malformedNat64, nat64Prefixes } from './nat64.ts';
import { behindSixToFour } from './six-to-four.ts';

/** Why a range is not the public internet. */
export type ReservedKind = 'metadata' | 'bogon' | 'private';

export interface ReservedRange {
  /** Canonical prefix text. */
  readonly prefix: string;
  /** What the range is, as a noun phrase for messages. */
  readonly about: string;
}

/**
 * What NAT64 of a network's own may use (RFC 8215): which IPv4 address is meant depends on the length of its prefix.
 */
const localNat64 = '64:ff9b:1::/48';

/**
 * Link-local ranges and the addresses at which clouds hand credentials to whoever asks. Closed except
 * for single addresses under `allowPrivate`. Disjoint; may lie inside ranges of the other lists.
 */
export const metadataRanges: readonly ReservedRange[] = [
  { prefix: '169.254.0.0/16', about: 'link-local (RFC 3927), with the metadata address 169.254.169.254' },
  { prefix: '168.63.129.16/32', about: 'metadata address of Azure' },
  { prefix: '100.100.100.200/32', about: 'metadata address of Alibaba Cloud' },
  { prefix: '192.0.0.192/32', about: 'metadata address of Oracle Cloud' },
  { prefix: 'fe80::/10', about: 'link-local (RFC 4291)' },
  { prefix: 'fd00:ec2::/32', about: 'metadata addresses of AWS' },
  { prefix: 'fd20:ce::254/128', about: 'metadata address of Google Cloud' },
];

/**
 * Ranges that no public destination has, or that carry another address inside and so would slip past
 * the lists of the family inside. The documentation ranges (RFC 5737, RFC 3849) are not among them:
 * nothing answers there. A named range comes before a wider one that holds it; otherwise disjoint.
 *
 * IANA has given out addresses of IPv6 in 2000::/3 alone (RFC 3513, section 2.4): of the rest everything that no other
 * list names is listed here.
 */
export function bogonRanges(): readonly ReservedRange[] {
  return (bogons ??= withoutNat64(allBogons()));
}

// Made when they are first asked for: most runs of a plugin look no address up, and a millisecond counts there.
let bogons: readonly ReservedRange[] | undefined;
let privates: readonly ReservedRange[] | undefined;

function allBogons(): readonly ReservedRange[] {
  return [
    { prefix: '0.0.0.0/8', about: '"this network" (RFC 1122)' },
    { prefix: '127.0.0.0/8', about: 'loopback (RFC 1122)' },
    { prefix: '192.0.0.0/24', about: 'protocol assignments (RFC 6890)' },
    { prefix: '192.88.99.0/24', about: 'relays of 6to4, given up (RFC 7526)' },
    { prefix: '198.18.0.0/15', about: 'benchmarking (RFC 2544)' },
    { prefix: '224.0.0.0/4', about: 'multicast (RFC 5771)' },
    { prefix: '240.0.0.0/4', about: 'reserved (RFC 1112), with the broadcast address' },
    { prefix: '::/96', about: 'unspecified, loopback and IPv4-compatible (RFC 4291)' },
    { prefix: '::ffff:0:0/96', about: 'IPv4-mapped (RFC 4291)' },
    { prefix: '::ffff:0:0:0/96', about: 'IPv4-translated (RFC 2765)' },
    { prefix: localNat64, about: 'local NAT64 (RFC 8215)' },
    { prefix: '100::/64', about: 'discard (RFC 6666)' },
    { prefix: '2001::/32', about: 'Teredo (RFC 4380)' },
    { prefix: '2001:10::/28', about: 'ORCHID (RFC 4843)' },
    { prefix: '2001:20::/28', about: 'ORCHIDv2 (RFC 7343)' },
    { prefix: '3fff::/20', about: 'documentation (RFC 9637)' },
    { prefix: 'fec0::/10', about: 'site-local (RFC 3879)' },
    { prefix: 'ff00::/8', about: 'multicast (RFC 4291)' },
    ...[
      ...prefixesOfRest('::/3', ['64:ff9b::/96', localNat64]),
      '4000::/2',
      '8000::/2',
      'c000::/3',
      'e000::/4',
      'f000::/5',
      'f800::/6',
      'fe00::/9',
    ].map((prefix) => ({
      prefix,
      about: 'not given out (RFC 3513)',
    })),
  ];
}

/** Networks of somebody's own; `allowLocalNetworks` opens them. Disjoint. */
export function privateRanges(): readonly ReservedRange[] {
  return (privates ??= withoutNat64(localRanges()));
}

/** The same, with prefixes of NAT64 in them. */
export const localPrefixes: readonly string[] = localRanges().map(({ prefix }) => prefix);

function localRanges(): readonly ReservedRange[] {
  return [
    { prefix: '10.0.0.0/8', about: 'private (RFC 1918)' },
    { prefix: '172.16.0.0/12', about: 'private (RFC 1918)' },
    { prefix: '192.168.0.0/16', about: 'private (RFC 1918)' },
    { prefix: '100.64.0.0/10', about: 'shared by carriers (RFC 6598)' },
    { prefix: 'fc00::/7', about: 'unique local (RFC 4193)' },
  ];
}

/**
 * Bogons that a literal in `allowPrivate` may open, because somebody uses them inside: test networks,
 * class E, and NAT64 with a prefix of their own. The rest has no honest use as a destination.
 */
export const openableBogons: readonly string[] = ['192.0.0.0/24', '198.18.0.0/15', '240.0.0.0/4', localNat64];

/** Ranges without the prefixes of NAT64 that the operator has in them, which are judged by what is inside. */
function withoutNat64(ranges: readonly ReservedRange[]): readonly ReservedRange[] {
  return ranges.flatMap(({ prefix, about }) => {
    const own = nat64Prefixes.filter((one) => overlaps(one, intervalOf(prefix))).map((one) => one.prefix);
    return own.length === 0
      ? [{ prefix, about }]
      : prefixesOfRest(prefix, own).map((rest) => ({ prefix: rest, about }));
  });
}

/** Ranges of one kind, with those that lead to its IPv4 addresses by NAT64, and those that are behind them by 6to4. */
export function rangesOf(kind: ReservedKind): readonly ReservedRange[] {
  const own = { metadata: () => metadataRanges, bogon: bogonRanges, private: privateRanges }[kind]();
  const behind = own
    .filter(({ prefix }) => familyOf(prefix) === 4)
    .flatMap(({ prefix, about }) => [
      ...behindNat64(prefix).map((one) => ({ prefix: one, about: `${about}, behind NAT64 (RFC 6052)` })),
      { prefix: behindSixToFour(prefix), about: `${about}, behind 6to4 (RFC 3056)` },
    ]);
  return [...own, ...behind];
}

/** In the order of judgement. */
function rangesInOrder(): readonly (readonly [ReservedKind, readonly ReservedRange[]])[] {
  return (inOrder ??= (['metadata', 'bogon', 'private'] as const).map((kind) => [kind, rangesOf(kind)] as const));
}

let inOrder: ReturnType<typeof rangesInOrder> | undefined;

/** What is left of a prefix without smaller ones, which stand by themselves. */
function prefixesOfRest(prefix: string, holes: readonly string[]): string[] {
  return subtract(intervalOf(prefix), holes.map(intervalOf)).flatMap(prefixesOf);
}

/** Read once: an answer of DNS may have a thousand addresses. */
const intervals = new WeakMap<ReservedRange, Interval>();

function intervalOfRange(range: ReservedRange): Interval {
  const known = intervals.get(range) ?? intervalOf(range.prefix);
  intervals.set(range, known);
  return known;
}

/** The reserved range that holds an address, in the order of judgement; undefined for a public one. */
export function reservedRangeOf(address: string): (ReservedRange & { readonly kind: ReservedKind }) | undefined {
  const wanted = intervalOf(address);
  for (const [kind, ranges] of rangesInOrder()) {
    const range = ranges.find((one) => overlaps(intervalOfRange(one), wanted));
    if (range !== undefined) return { ...range, kind };
  }
  const malformed = malformedNat64(wanted);
  return malformed && { prefix: malformed.prefix, about: aboutMalformed, kind: 'bogon' };
}

/** What is wrong with an address that is in a prefix of NAT64 and has no IPv4 address inside. */
export const aboutMalformed = 'NAT64, where bits 64 to 71 have to be zero (RFC 6052)';

/** Metadata and link-local intervals, also as they look from behind NAT64: no prefix in `allowPrivate` opens these. */
export function metadataIntervals(): Interval[] {
  return rangesOf('metadata').map(({ prefix }) => intervalOf(prefix));
}

/** The IPv4 address inside an IPv4-mapped one ("::ffff:192.0.2.1"); undefined for any other address. */
export function ipv4Inside(value: bigint): string | undefined {
  return value >> 32n === 0xffffn ? formatAddress({ family: 4, value: value & 0xffffffffn }) : undefined;
}
