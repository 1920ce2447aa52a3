import { distinctGroups, resolve, type Claim } from '../dataplane/difference.ts';
import { desired } from '../records/desired.ts';
import { podClaim } from '../records/pod-policies.ts';
import { familyOfTable, type Element } from '../nft/element.ts';
import type { RuleGroup } from '../nft/group.ts';
import { groupMark } from '../dataplane/layout.ts';
import { encodeKey } from '../dataplane/element-bytes.ts';
import type { Contents } from '../dataplane/transaction.ts';
import type { AttachmentRecord } from '../records/record.ts';
import { elementKey, groupKey } from './resource-key.ts';

/** What our tables are to hold for records. */
export interface ExpectedTables extends Contents {
  /** By elementId(). */
  readonly staticElements: ReadonlyMap<string, Element>;
  /** By the words that events have for them (watch/resource-key.ts). */
  readonly elementsByWord: ReadonlyMap<string, Element>;
  readonly groupsByWord: ReadonlyMap<string, RuleGroup>;
}

const known = new WeakMap<
  readonly AttachmentRecord[],
  { readonly pods: Claim | undefined; readonly tables: ExpectedTables }
>();

/** Worked out once for each array: on a full host that takes a while, and looks come in rows. */
export function expectedOf(records: readonly AttachmentRecord[]): ExpectedTables {
  const [pods] = podClaim();
  const found = known.get(records);
  if (found !== undefined && found.pods === pods) return found.tables;
  const tables = workOut(records, pods);
  known.set(records, { pods, tables });
  return tables;
}

/** What of it words name. What they name besides is nobody's any more, and nothing is missing there. */
export function partOf({ elementsByWord, groupsByWord }: ExpectedTables, words: ReadonlySet<string>): Contents {
  const found = [...words];
  return {
    elements: found.flatMap((word) => elementsByWord.get(word) ?? []),
    groups: [...new Set(found.flatMap((word) => groupsByWord.get(word) ?? []))],
  };
}

const words = new WeakMap<Element, string>();

/**
 * An element stays the same object for as long as its record stands. Undefined for one of a set that nobody declares.
 */
function wordOf(element: Element): string | undefined {
  const found = words.get(element);
  if (found !== undefined) return found;
  const { table, set, key } = element;
  const bytes = encodeKey(table, set, key);
  if (bytes === undefined) return undefined;
  const word = elementKey(familyOfTable(table), set, bytes);
  words.set(element, word);
  return word;
}

function workOut(records: readonly AttachmentRecord[], pods: Claim | undefined): ExpectedTables {
  const claims = [...records.map(desired), ...(pods === undefined ? [] : [pods])];
  const staticElements = resolve(claims);
  const elements = [...staticElements.values()];
  const groups = distinctGroups(claims);
  return {
    staticElements,
    elements,
    groups,
    elementsByWord: new Map(
      elements.flatMap((element) => {
        const word = wordOf(element);
        return word === undefined ? [] : [[word, element] as const];
      }),
    ),
    groupsByWord: new Map(
      groups.flatMap((group) => [group.id, groupMark(group.id)].map((id) => [groupKey(id), group] as const)),
    ),
  };
}
