import { labelWords } from '../../flows/filter.ts';
import { UsageError, valueOf, type Invocation } from '../command.ts';
import type { sortKeys } from '../commands/options.ts';
import type { Attachment } from '../../repair/survey/attachments.ts';
import { containerNames, shownName, wordsOf } from '../../repair/survey/container-names.ts';
import { addressesOf, ingressInterfaceOf } from '../../records/sections.ts';
import { count } from '../../repair/survey/words.ts';

/** Which attachments are meant, and in which order. */
export interface Selection {
  readonly pattern?: RegExp;
  readonly network?: string;
  readonly policy?: string;
  readonly isDenied: boolean;
  readonly isStale: boolean;
  readonly isOpen: boolean;
  readonly sort?: SortKey;
}

export type SortKey = (typeof sortKeys)[number];

/** What operand and options of `list` select. Throws {@link UsageError} for an empty pattern. */
export function selectionOf(invocation: Invocation): Selection {
  const { operands, options } = invocation;
  const [pattern] = operands;
  if (pattern === '') throw new UsageError('Cannot look for a container without a name: the pattern is empty');
  const [network, policy, sort] = ['network', 'policy', 'sort'].map((name) => valueOf(invocation, name));
  return {
    ...(pattern === undefined ? {} : { pattern: patternOf(pattern) }),
    ...(network === undefined ? {} : { network }),
    ...(policy === undefined ? {} : { policy }),
    ...(sort === undefined ? {} : { sort: sort as SortKey }),
    isDenied: options['denied'] === true,
    ...statesOf(invocation),
  };
}

/** What `--stale` and `--no-policy` ask for. */
export function statesOf({ options }: Pick<Invocation, 'options'>): Pick<Selection, 'isStale' | 'isOpen'> {
  return { isStale: options['stale'] === true, isOpen: options['no-policy'] === true };
}

/** Whether all attachments are meant. */
export function isWhole({ pattern, network, policy, isDenied, isStale, isOpen }: Selection): boolean {
  return [pattern, network, policy].every((word) => word === undefined) && !isDenied && !isStale && !isOpen;
}

/** Those that are meant; by network and age unless told otherwise. Denials: packets by the record's key. */
export function select(
  attachments: readonly Attachment[],
  { pattern, network, policy, isDenied, isStale, isOpen, sort }: Selection,
  denials: ReadonlyMap<string, number>,
): Attachment[] {
  const found = attachments.filter(
    ({ record, findings }) =>
      (pattern === undefined || wordsAbout(record).some((word) => pattern.test(word))) &&
      (network === undefined || record.network === network) &&
      (policy === undefined || record.egress?.policyName === policy) &&
      (!isDenied || (denials.get(record.key) ?? 0) > 0) &&
      (!isStale || findings.length > 0) &&
      (!isOpen || record.egress === undefined),
  );
  return sort === undefined ? found : found.toSorted((one, other) => compare(one, other, sort, denials));
}

/** "3 attachments of 2 containers in 1 network: 1 without a policy, 12 packets denied, 0 not as recorded." */
export function totalWords(attachments: readonly Attachment[], denials: ReadonlyMap<string, number>): string {
  const distinct = (key: 'containerId' | 'network'): number =>
    new Set(attachments.map(({ record }) => record[key])).size;
  const open = attachments.filter(({ record }) => record.egress === undefined).length;
  const denied = attachments.reduce((sum, { record }) => sum + (denials.get(record.key) ?? 0), 0);
  const stale = attachments.filter(({ findings }) => findings.length > 0).length;
  return `${count(attachments.length, 'attachment')} of ${count(distinct('containerId'), 'container')} in ${count(distinct('network'), 'network')}: ${open} without a policy, ${count(denied, 'packet')} denied, ${stale} not as recorded.`;
}

/** "web*" is the whole word; a pattern without "*" and "?" may stand anywhere in it. */
export function patternOf(text: string): RegExp {
  const escaped = text
    .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(/[*?]/.test(text) ? `^${escaped}$` : escaped, 'i');
}

/** What a pattern is looked for in. */
function wordsAbout(record: Attachment['record']): string[] {
  const name = containerNames().get(record.containerId);
  return [
    record.containerId,
    record.network,
    ingressInterfaceOf(record) ?? '',
    ...addressesOf(record),
    ...(name === undefined ? [] : [name.name, wordsOf(name)]),
    ...labelWords(record.labels),
  ];
}

function compare(
  { record: one }: Attachment,
  { record: other }: Attachment,
  sort: SortKey,
  denials: ReadonlyMap<string, number>,
): number {
  const text = (words: (record: Attachment['record']) => string): number =>
    words(one).localeCompare(words(other), 'en', { numeric: true });
  switch (sort) {
    case 'name':
      return text(({ containerId }) => shownName(containerId));
    case 'address':
      return text((record) => addressesOf(record)[0] ?? '');
    case 'policy':
      return text(({ egress }) => egress?.policyName ?? egress?.policy.mode ?? '');
    case 'denied':
      return (denials.get(other.key) ?? 0) - (denials.get(one.key) ?? 0);
    case 'age':
      return text(({ createdAt }) => createdAt);
  }
}
