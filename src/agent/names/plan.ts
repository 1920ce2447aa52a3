import { createHash } from 'node:crypto';
import { openAddresses, refreshDelay, type KnownName, type OpenOptions } from '../../egress/names-lifetimes.ts';
import type { NameRule } from '../../egress/policy.ts';
import type { Element } from '../../nft/element.ts';
import { openedElement } from './opened-element.ts';

/** What the refresh has to know of a policy whose names open addresses. */
export interface RefreshedPolicy {
  readonly policyId: string;
  readonly names: readonly NameRule[];
  readonly upstream: readonly string[];
  readonly refreshIntervalMinutes: number;
}

/** A name, asked of one list of servers, for all policies that list it. */
export interface WantedName {
  readonly key: string;
  readonly name: string;
  readonly servers: readonly string[];
  readonly users: readonly { readonly policy: RefreshedPolicy; readonly rules: readonly NameRule[] }[];
  /** The shortest interval of its policies in minutes; 0 when all have refresh turned off. */
  readonly refreshIntervalMinutes: number;
}

/** How an attempt to resolve a name ended. */
export interface Attempt {
  /** TTLs of the answer. */
  readonly ttls: readonly number[];
  /** Attempts in a row, this one included, that got no answer; 0 after an answer. */
  readonly failures: number;
}

/** Share of a delay by which names are drawn apart. Being late by it is well within the grace that addresses have. */
const spreadShare = 0.1;
/** Names asked for in a second when many are due at once: at the start, and after the machine slept. */
const startRate = 100;
/** Seconds. */
const longestStart = 60;

/** Every name once. Wildcards are left out: what they open is learnt from the container's own queries. */
export function wantedNames(policies: readonly RefreshedPolicy[]): WantedName[] {
  const wanted = new Map<string, WantedName>();
  for (const policy of policies) {
    for (const [name, rules] of Map.groupBy(policy.names, (rule) => rule.name)) {
      if (name.startsWith('*.')) continue;
      const key = nameKey(name, policy.upstream);
      const before = wanted.get(key);
      const users = [...(before?.users ?? []), { policy, rules }];
      const intervals = users.map((user) => user.policy.refreshIntervalMinutes).filter((minutes) => minutes > 0);
      const refreshIntervalMinutes = intervals.length === 0 ? 0 : Math.min(...intervals);
      wanted.set(key, { key, name, servers: policy.upstream, users, refreshIntervalMinutes });
    }
  }
  return [...wanted.values()];
}

/** Identifies a name among those asked of one list of servers: another list may say otherwise. */
export function nameKey(name: string, servers: readonly string[]): string {
  return [name, ...servers].join(' ');
}

/**
 * Seconds from an attempt to the next one; undefined when refresh is off.
 *
 * After an answer the shortest TTL decides, at least a minute and at most the interval; without an answer, a
 * minute that doubles with every failure, up to the interval. A tenth is added by the name, so that names
 * that were resolved together do not stay together.
 */
export function delayAfter(
  { ttls, failures }: Attempt,
  { key, refreshIntervalMinutes }: WantedName,
): number | undefined {
  const usual = refreshDelay(ttls, refreshIntervalMinutes);
  if (usual === undefined) return undefined;
  const [shortest = usual, longest = usual] = [[0], []].map((given) => refreshDelay(given, refreshIntervalMinutes));
  const delay = failures === 0 ? usual : Math.min(shortest * 2 ** Math.min(failures - 1, 16), longest);
  return delay * (1 + spreadShare * placeOf(key));
}

/** Seconds from the start to the first attempt at a name that is due, one of so many. */
export function startDelay(key: string, count: number): number {
  return Math.min(count / startRate, longestStart) * placeOf(key);
}

/** What a name opens now, for all policies that list it. */
export function elementsOfName(
  { name, users }: WantedName,
  known: KnownName,
  now: number,
  said: Pick<OpenOptions, 'failing' | 'isGone'> = {},
): Element[] {
  return users.flatMap(({ policy, rules }) => {
    const { refreshIntervalMinutes } = policy;
    return openAddresses(known, { now, refreshIntervalMinutes, ...said }).flatMap((open) =>
      rules.map((rule) => openedElement(policy, rule, { name, ...open })),
    );
  });
}

/** 0 to 1, always the same for a name. */
function placeOf(key: string): number {
  return createHash('sha256').update(key).digest().readUInt32BE(0) / 0x1_0000_0000;
}
