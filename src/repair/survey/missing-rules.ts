import { resolve } from '../../dataplane/difference.ts';
import { desired } from '../../records/desired.ts';
import { elementId, type Element } from '../../nft/element.ts';
import type { RuleGroup } from '../../nft/group.ts';
import { isInForce, noTables } from '../../dataplane/check.ts';
import { describeChain, findChangedChains } from '../../dataplane/changed-chains.ts';
import { findMissing } from '../../records/check.ts';
import type { AttachmentRecord } from '../../records/record.ts';

/**
 * So many attachments are told what they lack by name; more have one cause, and naming it takes a dozen programs each.
 */
const mostNamed = 8;

/**
 * What of the rules of attachments is missing in the kernel or not as it was written, by their keys; those that lack
 * nothing are not in it. Asks about all of them at once, and then by halves, so that a full host takes little longer
 * than an empty one.
 *
 * Throws code 100 when nft cannot be run.
 */
export async function findMissingRules(records: readonly AttachmentRecord[]): Promise<Map<string, string>> {
  if (records.length === 0) return new Map();
  const claims = records.map(desired);
  const owners = resolve(claims);
  const parts = records.map((record, index): Part => {
    const { elements = [], groups = [] } = claims[index] ?? {};
    return { record, groups, elements: elements.filter((element) => owners.get(elementId(element)) === element) };
  });
  if (!(await areInForce([]))) return new Map(records.map(({ key }) => [key, noTables]));
  const [lacking, changed] = await Promise.all([lackingOf(parts), findChangedChains(groupsOf(parts))]);
  const found = new Map<string, string>();
  for (const [index, { record }] of lacking.entries())
    found.set(record.key, index < mostNamed ? await lackWords(record) : 'elements of our tables');
  for (const { record, groups } of parts) {
    const own = changed.filter(({ group }) => group === undefined || groups.some(({ id }) => id === group.id));
    const words = listWords(own.map(describeChain));
    if (words !== undefined && !found.has(record.key)) found.set(record.key, words);
  }
  return found;
}

/** An attachment with what is its own of the rules. */
interface Part {
  readonly record: AttachmentRecord;
  readonly elements: readonly Element[];
  readonly groups: readonly RuleGroup[];
}

async function lackingOf(parts: readonly Part[]): Promise<Part[]> {
  if (parts.length === 0 || (await areInForce(parts))) return [];
  if (parts.length === 1) return [...parts];
  const middle = Math.ceil(parts.length / 2);
  return [...(await lackingOf(parts.slice(0, middle))), ...(await lackingOf(parts.slice(middle)))];
}

async function areInForce(parts: readonly Part[]): Promise<boolean> {
  return isInForce(
    parts.flatMap(({ elements }) => elements),
    groupsOf(parts),
  );
}

function groupsOf(parts: readonly Part[]): RuleGroup[] {
  return [...new Map(parts.flatMap(({ groups }) => groups).map((group) => [group.id, group])).values()];
}

/** It may have come back in between. */
async function lackWords(record: AttachmentRecord): Promise<string> {
  return listWords(await findMissing(record)) ?? 'elements that had come back at a second look';
}

function listWords([first, ...more]: readonly string[]): string | undefined {
  return first === undefined ? undefined : `${first}${more.length === 0 ? '' : ` and ${more.length} more`}`;
}
