import { dataText, elementId, type Element } from '../nft/element.ts';
import type { RuleGroup } from '../nft/group.ts';
import type { Change, Contents } from './transaction.ts';

/**
 * What one attachment has in the tables, and since when: of two that claim one element the newer wins, unless it has a
 * rank.
 */
export interface Claim extends Contents {
  readonly key: string;
  /** Milliseconds since boot. */
  readonly madeAt: number;
  /** Wall time, which tells those of one hundredth of a second apart. */
  readonly createdAt: string;
}

/** One attachment before and after, and what must be known of the others: never all of them. */
export interface Transition {
  readonly previous: Claim | undefined;
  readonly next: Claim | undefined;
  /** Other attachments with one of the same addresses. */
  readonly rivals: readonly Claim[];
  /** Whether another attachment claims a shared name ({@link sharedOf}). */
  readonly isShared: (name: string) => boolean;
}

/**
 * The elements to drop and to put so that the tables say what the records say after the transition.
 * An address that a newer attachment took keeps that attachment's elements when the older one goes late.
 */
export function transition({ previous, next, rivals, isShared }: Transition): Change {
  const before = resolve([...rivals, ...present(previous)]);
  const after = resolve([...rivals, ...present(next)]);
  const drop: Element[] = [];
  const put: Element[] = [];
  for (const id of new Set([...ids(previous), ...ids(next)])) {
    const old = before.get(id);
    const wanted = after.get(id);
    const goes = old !== undefined && (wanted === undefined || !isSameValue(wanted, old));
    if (goes && !isKept(old, isShared)) drop.push(old);
    if (wanted !== undefined && (next !== undefined || !isSameValue(wanted, old))) put.push(wanted);
  }
  return { drop, put, ...groupChange(previous, next, isShared) };
}

/** The elements of all attachments: of two with one id that of the newer attachment, unless they have a rank. */
export function resolve(claims: readonly Claim[]): Map<string, Element> {
  const winners = new Map<string, Element>();
  for (const { elements } of claims.toSorted(byAge)) {
    for (const element of elements) {
      const id = elementId(element);
      if (!yields(element, winners.get(id))) winners.set(id, element);
    }
  }
  return winners;
}

function isSameValue(one: Element, other: Element | undefined): boolean {
  const [text, otherText] = [one, other].map((element) => element?.value && dataText(element.value));
  return other !== undefined && text === otherText;
}

/** Whether an element of a newer attachment leaves its place to one of an older. */
function yields({ rank }: Element, older: Element | undefined): boolean {
  return rank !== undefined && older?.rank !== undefined && older.rank <= rank;
}

/** The groups of all attachments, each once. */
export function distinctGroups(claims: readonly Claim[]): RuleGroup[] {
  return [...new Map(claims.flatMap(({ groups }) => groups).map((group) => [group.id, group])).values()];
}

/** Names of what an attachment has in common with others: see {@link Element.shared}. */
export function sharedOf({ elements, groups }: Contents): string[] {
  const names = elements.map(({ shared }) => shared).filter((name) => name !== undefined);
  return [...new Set([...names, ...groups.map(groupName)])];
}

function groupName({ id }: RuleGroup): string {
  return `policy-${id}`;
}

function present(claim: Claim | undefined): Claim[] {
  return claim === undefined ? [] : [claim];
}

function ids(claim: Claim | undefined): string[] {
  return (claim?.elements ?? []).map(elementId);
}

function isKept({ shared }: Element, isShared: Transition['isShared']): boolean {
  return shared !== undefined && isShared(shared);
}

function byAge(one: Claim, other: Claim): number {
  if (one.madeAt !== other.madeAt) return one.madeAt < other.madeAt ? -1 : 1;
  if (one.createdAt !== other.createdAt) return one.createdAt < other.createdAt ? -1 : 1;
  return one.key < other.key ? -1 : 1;
}

function groupChange(
  previous: Claim | undefined,
  next: Claim | undefined,
  isShared: Transition['isShared'],
): Pick<Change, 'declare' | 'undeclare' | 'assert'> {
  const old = new Set(previous?.groups.map(({ id }) => id));
  const wanted = new Set(next?.groups.map(({ id }) => id));
  const isThere = (group: RuleGroup): boolean => old.has(group.id) || isShared(groupName(group));
  return {
    undeclare: (previous?.groups ?? []).filter((group) => !wanted.has(group.id) && !isShared(groupName(group))),
    declare: (next?.groups ?? []).filter((group) => !isThere(group)),
    assert: (next?.groups ?? []).filter(isThere),
  };
}
