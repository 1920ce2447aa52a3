import { withLock } from '../../host/lock.ts';
import { tryTransaction } from '../../host/nft.ts';
import { distinctGroups, resolve } from '../../nft/change.ts';
import { desired } from '../../nft/desired.ts';
import { elementId, type Element } from '../../nft/element.ts';
import { comparisonTexts } from '../../nft/transaction.ts';
import { findChangedChains } from '../../records/chains.ts';
import { rebuildTables } from '../../records/in-force.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { listRecords } from '../../records/store.ts';
import { rememberedElements } from '../../plugins/egress-policy/names.ts';

/** Timed elements that the agent has in the kernel, of policies that these records still have. */
export type KeepTimed = (records: readonly AttachmentRecord[]) => readonly Element[];

/**
 * Compares our tables with the records, and writes them anew when something is missing or different. Returns what
 * was repaired, one sentence each.
 *
 * The first look takes no lock, so that it is in nobody's way; an ADD or a DEL that is half done looks like a loss
 * then, and no longer under the lock.
 *
 * Throws code 100 when the rules cannot be written, 11 when the lock is not to be had.
 */
export async function repairTables(keep: KeepTimed): Promise<string[]> {
  if (await isInForce()) return [];
  return withLock('tables', 'repair', async () => {
    if (await isInForce()) return [];
    await rebuild(keep);
    return ['Our tables of rules were not as the records say, and were written anew'];
  });
}

/** The same for the rules inside of our chains: `nft` says what they should look like, in a namespace of its own. */
export async function repairChains(keep: KeepTimed): Promise<string[]> {
  if ((await changedChains()).length === 0) return [];
  return withLock('tables', 'repair', async () => {
    const changed = await changedChains();
    if (changed.length === 0) return [];
    await rebuild(keep);
    return [
      `Somebody changed ${changed.slice(0, 3).join(', ')}${changed.length > 3 ? ` and ${changed.length - 3} more` : ''}; our tables were written anew`,
    ];
  });
}

async function isInForce(): Promise<boolean> {
  const records = ready();
  if (records.length === 0) return true;
  const claims = records.map(desired);
  const { values, keys } = comparisonTexts([...resolve(claims).values()], distinctGroups(claims));
  for (const text of [keys, values]) if ((await tryTransaction(text)) !== 'committed') return false;
  return true;
}

async function changedChains(): Promise<string[]> {
  // The chains that do not belong to a policy are compared with those of each record.
  const byPolicy = new Map(ready().map((record) => [record.egress?.policyId ?? '', record]));
  const changed = new Set<string>();
  for (const record of byPolicy.values()) for (const chain of await findChangedChains(record)) changed.add(chain);
  return [...changed];
}

async function rebuild(keep: KeepTimed): Promise<void> {
  const kept = keep(ready());
  const known = new Set(kept.map(elementId));
  // What the agent has open lasts at least as long as what is remembered of it.
  const timed = async (record: AttachmentRecord): Promise<Element[]> =>
    (await rememberedElements(record)).filter((element) => !known.has(elementId(element)));
  await rebuildTables({ timed, also: kept });
}

function ready(): AttachmentRecord[] {
  return listRecords().records.filter(({ state }) => state === 'ready');
}
