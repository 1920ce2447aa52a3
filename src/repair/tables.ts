import { readPolicyName } from '../egress/policy-names.ts';
import { withLock } from '../host/lock.ts';
import { elementId, type Element } from '../nft/element.ts';
import { isInForce } from '../dataplane/check.ts';
import { putElements } from '../dataplane/commit.ts';
import { writeTables } from '../dataplane/rebuild.ts';
import type { Contents } from '../dataplane/transaction.ts';
import { readCounted, withCounts } from '../dataplane/counted.ts';
import { filledElements } from '../records/fillers.ts';
import { closedElements } from '../records/in-force.ts';
import type { AttachmentRecord } from '../records/record.ts';
import type { BrokenRecord } from '../records/store.ts';
import type { Scope } from './change-event.ts';
import { layoutKey } from './resource-key.ts';
import { grantElements } from '../dataplane/elements/grants.ts';
import { uptime } from '../host/uptime.ts';
import { expectedOf, partOf } from './expected.ts';

export interface TablesSource {
  /** The records as they are now, of attachments that stand; the same array for as long as nothing changes. */
  readonly records: () => readonly AttachmentRecord[];
  /** Files in place of records that cannot be read, as of the last call of `records`. */
  readonly broken: () => readonly BrokenRecord[];
  /** Expiring elements that the agent has in the kernel, of policies that these records still have. */
  readonly expiring: (records: readonly AttachmentRecord[]) => readonly Element[];
  /** What was counted when somebody last looked: for where it went with the tables. */
  readonly counted: () => readonly Element[];
}

/**
 * Compares our tables, or what of them is named, with the records, and puts back what is missing or different: by
 * itself where that is possible, else by writing both tables anew. Returns what was repaired, one sentence each.
 *
 * The first look takes no lock, so that nobody waits for it; an ADD or a DEL that is half done looks like a loss
 * then, and no longer under the lock.
 *
 * Throws code 100 when the rules cannot be written, 11 when the lock is not to be had.
 */
export async function repairTables(source: TablesSource, scope: Scope = 'all'): Promise<string[]> {
  if (await isAsRecorded(source, scope)) return [];
  return withLock('tables', 'repair', async () => {
    if (await isAsRecorded(source, scope)) return [];
    const part = scope === 'all' ? undefined : partOf(expectedOf(source.records()), scope);
    if (part !== undefined && (await putBack(part, source.counted())))
      return [`${part.elements.slice(0, 3).map(elementId).join(', ')}${andMore(part.elements)} had been deleted`];
    await rebuild(source);
    return ['Our tables of rules were not as the records say, and were written anew'];
  });
}

/**
 * Writes both tables anew where a set is full of what somebody else put there: nothing that is expected is missing
 * then. Throws as {@link repairTables}.
 */
export async function emptyFullSets(source: TablesSource): Promise<void> {
  await withLock('tables', 'empty a full set', async () => rebuild(source));
}

/**
 * Writes both tables anew out of what is in memory. What the agent has open lasts at least as long as what is
 * remembered of it; so the files are read for those policies alone of which it has nothing open, and for each of them
 * once.
 */
export async function rebuild(source: TablesSource): Promise<void> {
  const records = source.records();
  const { groups, staticElements } = expectedOf(records);
  const kept = source.expiring(records);
  const known = new Set(kept.map(({ set }) => readPolicyName(set)?.id));
  const others = new Map(
    records.flatMap((record) => {
      const id = record.egress?.policyId;
      return id === undefined || known.has(id) ? [] : [[id, record] as const];
    }),
  );
  const remembered = await filledElements([...others.values()]);
  await writeTables({
    groups,
    staticElements,
    closed: closedElements(source.broken()),
    passing: [...kept, ...remembered, ...records.flatMap((record) => grantElements(record, uptime()))],
    counted: newest([...source.counted(), ...((await readCounted()) ?? [])]),
  });
}

/** Of several elements with one id the last. */
function newest(elements: readonly Element[]): Element[] {
  return [...new Map(elements.map((element) => [elementId(element), element])).values()];
}

/** The marks alone, and what the layout lists, tell within milliseconds that a table is gone. */
async function isAsRecorded(source: TablesSource, scope: Scope): Promise<boolean> {
  const records = source.records();
  if (records.length === 0) return true;
  const expected = expectedOf(records);
  const { elements, groups } = scope === 'all' ? expected : partOf(expected, scope);
  if (scope !== 'all' && !scope.has(layoutKey) && elements.length === 0 && groups.length === 0) return true;
  if (scope === 'all' && !(await isInForce([], []))) return false;
  return isInForce(elements, groups);
}

/** Puts elements again; false where more than they is missing, or another element is in the way. */
async function putBack({ elements, groups }: Contents, counted: readonly Element[]): Promise<boolean> {
  if (elements.length === 0 || groups.length > 0) return false;
  return putElements(withCounts(elements, counted));
}

function andMore({ length }: readonly unknown[]): string {
  return length > 3 ? ` and ${length - 3} more elements` : '';
}
