import { formatAddress, readAnyAddress } from '../ip/address.ts';
import { familyOf } from '../ip/family.ts';
import { reservedRangeOf } from './ranges-reserved.ts';

/** An address as a resolver gave it, with its time to live in seconds. */
export interface Answer {
  readonly address: string;
  readonly ttl: number;
}

/** An answer in canonical text, and when it was last given, in milliseconds since boot (below zero: before it). */
export interface SeenAddress extends Answer {
  readonly seenAt: number;
}

/** What is known of a name. It does not depend on a policy: several may open one name, with other intervals. */
export interface KnownName {
  readonly name: string;
  /** The last time that the resolver gave addresses, in milliseconds since boot; -Infinity when it never did. */
  readonly resolvedAt: number;
  readonly addresses: readonly SeenAddress[];
  /** True when the query for one of the families failed that time. */
  readonly isPartial?: boolean;
}

/** An address that is open for so many seconds more; without end where the policy has refresh turned off. */
export interface OpenAddress {
  readonly address: string;
  readonly seconds?: number;
}

/** Seconds; a shorter TTL counts as this long. Clients do not ask again for every connection (cilium PR#30936). */
const shortestLifetime = 60;

/** Addresses that one name may open. Large object stores answer with hundreds in an hour (cilium#28427, PR#36255). */
export const mostAddresses = 1000;

/** Milliseconds that last good addresses serve while the resolver fails: a long weekend. */
export const oldestLastGood = 4 * 24 * 60 * 60 * 1000;

/** Minutes that count as the refresh interval when refresh is off. */
const intervalWithoutRefresh = 30;

/**
 * Seconds that an address stays open after it was seen: its TTL, at least a minute and at most the refresh
 * interval, and one interval of grace. So the next refresh finds it still open, and clients that hold on
 * to an answer past its TTL (every JVM) are not cut off. A TTL of 0 counts as a minute.
 */
export function lifetime(ttl: number, refreshIntervalMinutes: number): number {
  const cap = intervalSeconds(refreshIntervalMinutes);
  return Math.min(Math.max(ttl, shortestLifetime), cap) + cap;
}

/**
 * Seconds until names have to be resolved again: the shortest TTL of all, at least a minute, at most the
 * refresh interval, which it also is when there are none. Undefined when refresh is off.
 */
export function refreshDelay(ttls: readonly number[], refreshIntervalMinutes: number): number | undefined {
  if (refreshIntervalMinutes === 0) return undefined;
  return ttls.reduce(
    (shortest, ttl) => Math.min(shortest, Math.max(ttl, shortestLifetime)),
    intervalSeconds(refreshIntervalMinutes),
  );
}

/**
 * True while no TTL of the last answer has run out, nor the refresh interval: the resolver would say the
 * same out of its cache. Never true of an answer that lacks a family because its query failed.
 */
export function isFresh(
  { resolvedAt, addresses, isPartial = false }: KnownName,
  now: number,
  refreshIntervalMinutes: number,
): boolean {
  const last = addresses.filter(({ seenAt }) => seenAt === resolvedAt);
  const cap = intervalSeconds(refreshIntervalMinutes);
  if (isPartial || last.length === 0 || resolvedAt > now) return false;
  return last.every(({ ttl }) => now < resolvedAt + Math.min(ttl, cap) * 1000);
}

/**
 * What is known of a name after an answer. Addresses add up, since a rotating answer does not close what
 * it leaves out (cilium#5310); they go when they are older than {@link oldestLastGood}, and past
 * {@link mostAddresses} the oldest go first.
 *
 * Answers in private, link-local, metadata and bogon ranges are dropped, whatever the policy: a name never
 * opens those (DNS rebinding). An answer of nothing else leaves the name as it was.
 */
export function learn(
  known: KnownName | undefined,
  name: string,
  answers: readonly Answer[],
  now: number,
): { known: KnownName; dropped: string[] } {
  const seen = new Map(
    known?.addresses.filter(({ seenAt }) => now - seenAt <= oldestLastGood).map((entry) => [entry.address, entry]),
  );
  const dropped: string[] = [];
  for (const { address: text, ttl } of answers) {
    const value = readAnyAddress(text);
    const address = value && formatAddress(value);
    if (address === undefined || reservedRangeOf(address) !== undefined) dropped.push(text);
    else seen.set(address, { address, ttl, seenAt: now });
  }
  const isUseful = dropped.length < answers.length;
  const addresses = [...seen.values()].toSorted((a, b) => b.seenAt - a.seenAt).slice(0, mostAddresses);
  return {
    known: { name, resolvedAt: isUseful ? now : (known?.resolvedAt ?? Number.NEGATIVE_INFINITY), addresses },
    dropped,
  };
}

/** What is known of a name beside its addresses when it is asked what it opens. */
export interface OpenOptions {
  readonly now: number;
  readonly refreshIntervalMinutes: number;
  /** Families whose query got no answer just now. */
  readonly failing?: readonly (4 | 6)[];
  /** True when the resolver just said that the name has no addresses. */
  readonly isGone?: boolean;
}

/**
 * The addresses that a name opens now.
 *
 * Of a family whose query fails, what was open when the last good answer came stays open for one more
 * interval and the grace of another, until that answer is {@link oldestLastGood} old. Where refresh is off,
 * nobody will ask again: the last good answer holds without end, also when rules are made anew from memory.
 */
export function openAddresses(
  { resolvedAt, addresses }: KnownName,
  { now, refreshIntervalMinutes, failing = [], isGone = false }: OpenOptions,
): OpenAddress[] {
  const isOff = refreshIntervalMinutes === 0;
  const lastGoodEnds = Math.min(now + 2 * intervalSeconds(refreshIntervalMinutes) * 1000, resolvedAt + oldestLastGood);
  return addresses.flatMap(({ address, ttl, seenAt }) => {
    const fails = failing.includes(familyOf(address));
    const ends = seenAt + lifetime(ttl, refreshIntervalMinutes) * 1000;
    const seconds = Math.ceil((Math.max(ends, fails && ends > resolvedAt ? lastGoodEnds : 0) - now) / 1000);
    const holds = isOff && seenAt === resolvedAt && !fails && !isGone;
    if (seconds <= 0 && !holds) return [];
    return [isOff ? { address } : { address, seconds }];
  });
}

/** Never shorter than the shortest lifetime. */
function intervalSeconds(minutes: number): number {
  return Math.max((minutes === 0 ? intervalWithoutRefresh : minutes) * 60, shortestLifetime);
}
