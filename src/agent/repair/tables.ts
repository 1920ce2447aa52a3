import { withLock } from '../../host/lock.ts';
import { tryTransaction } from '../../host/nft.ts';
import { distinctGroups, resolve } from '../../nft/change.ts';
import { desired } from '../../nft/desired.ts';
import type { Element } from '../../nft/element.ts';
import { comparisonTexts } from '../../nft/transaction.ts';
import { findChangedChainsOf } from '../../records/chains.ts';
import { rebuildTables } from '../../records/in-force.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { policyOfSet } from '../policy-of-set.ts';
import { rememberedElements } from '../../plugins/egress-policy/names.ts';

export interface TablesSource {
  /** The records as they are now, of attachments that stand. */
  readonly records: () => readonly AttachmentRecord[];
  /** Timed elements that the agent has in the kernel, of policies that these records still have. */
  readonly timed: (records: readonly AttachmentRecord[]) => readonly Element[];
}

/**
 * Compares our tables with the records, and writes them anew when something is missing or different. Returns what
 * was repaired, one sentence each.
 *
 * The first look takes no lock, so that it is in nobody's way; an ADD or a DEL that is half done looks like a loss
 * then, and no longer under the lock.
 *
 * Throws code 100 when the rules cannot be written, 11 when the lock is not to be had.
 */
export async function repairTables(source: TablesSource): Promise<string[]> {
  if (await isInForce(source)) return [];
  return withLock('tables', 'repair', async () => {
    if (await isInForce(source)) return [];
    await rebuild(source);
    return ['Our tables of rules were not as the records say, and were written anew'];
  });
}

/**
 * The same for the rules inside of our chains: `nft` says what they should look like, in a namespace of its own. That
 * takes a while, so nobody is kept waiting for it by a lock: two looks in a row have to find a difference, since one alone
 * may have met an ADD half way. A table that is not there at all is left to {@link repairTables}.
 */
export async function repairChains(source: TablesSource): Promise<string[]> {
  if ((await changedChains(source)).length === 0 || !(await isInForce(source))) return [];
  const changed = await changedChains(source);
  if (changed.length === 0) return [];
  await withLock('tables', 'repair', () => rebuild(source));
  return [
    `Somebody changed ${changed.slice(0, 3).join(', ')}${changed.length > 3 ? ` and ${changed.length - 3} more` : ''}; our tables were written anew`,
  ];
}

async function isInForce({ records: read }: TablesSource): Promise<boolean> {
  const records = read();
  if (records.length === 0) return true;
  const claims = records.map(desired);
  const { values, keys } = comparisonTexts([...resolve(claims).values()], distinctGroups(claims));
  for (const text of [keys, values]) if ((await tryTransaction(text)) !== 'committed') return false;
  return true;
}

async function changedChains({ records: read }: TablesSource): Promise<string[]> {
  const records = read();
  return records.length === 0 ? [] : findChangedChainsOf(distinctGroups(records.map(desired)));
}

/**
 * What the agent has open lasts at least as long as what is remembered of it; so the files are read for those policies
 * alone of which it has nothing open, and for each of them once.
 */
async function rebuild({ records: read, timed: keep }: TablesSource): Promise<void> {
  const kept = keep(read());
  const known = new Set(kept.map(({ set }) => policyOfSet(set)));
  const timed = async (record: AttachmentRecord): Promise<readonly Element[]> => {
    const id = record.egress?.policyId;
    if (id === undefined || known.has(id)) return [];
    known.add(id);
    return rememberedElements(record);
  };
  await rebuildTables({ timed, also: kept });
}
