import { withLock } from '../host/lock.ts';
import type { Element } from '../nft/element.ts';
import { putElements } from '../dataplane/commit.ts';
import { isSameAdd } from './attachment-lock.ts';
import { removeIndex, writeIndex } from './index-files.ts';
import type { FilledByPolicy } from './fillers.ts';
import { rebuildTables, type CommitReport } from './in-force.ts';
import type { AttachmentRecord, EgressRecord } from './record.ts';
import { listRecords, writeRecord, type RecordList } from './store.ts';

type EnforcedRecord = AttachmentRecord & { readonly egress: EgressRecord };

export interface CommitAllOptions {
  /** What is open under policies by now; of others what fillers remember. */
  readonly filled: FilledByPolicy;
  readonly also: readonly Element[];
  /** Reads all records as they are under the lock; for who has read most of them before. */
  readonly list?: () => RecordList;
}

/**
 * Gives many attachments the policies that `records` say, and brings them all in force in one transaction. A record
 * that is gone by now, or is of another ADD, or has no policy any more, stays as it is. When the transaction fails the
 * records are as they were, and so are the tables.
 *
 * Throws code 100 when the rules cannot be written.
 */
export async function commitAll(
  records: readonly EnforcedRecord[],
  { filled, also, list = listRecords }: CommitAllOptions,
): Promise<CommitReport> {
  return withLock('tables', `put ${records.length} attachments`, async () => {
    const { records: present, broken } = list();
    const before = new Map(present.map((record) => [record.key, record]));
    const turns = records.flatMap((wanted) => {
      const previous = before.get(wanted.key);
      if (previous?.egress === undefined || !isSameAdd(previous, wanted)) return [];
      // Whatever else became of the record since it was read stays.
      const { policy, policyId } = wanted.egress;
      return [{ previous, next: { ...previous, egress: { ...previous.egress, policy, policyId } } }];
    });
    for (const { previous, next } of turns) {
      writeIndex(next, previous);
      writeRecord(next);
    }
    try {
      const after = new Map([...before, ...turns.map(({ next }) => [next.key, next] as const)]);
      const committed = await rebuildTables({ filled, also, from: { records: [...after.values()], broken } });
      for (const { previous, next } of turns) removeIndex(previous, next);
      return committed;
    } catch (error) {
      for (const { previous, next } of turns) {
        writeRecord(previous);
        removeIndex(next, previous);
      }
      throw error;
    }
  });
}

/**
 * Renews expiring elements, and nothing else, in one transaction; writes the tables whole where they are not as they
 * should be.
 */
export async function putExpiring(filled: FilledByPolicy): Promise<void> {
  const elements = [...filled.values()].flat();
  if (elements.length === 0) return;
  if (await putElements(elements)) return;
  await withLock('tables', 'rebuild', async () => rebuildTables({ filled }));
}
