import { catalogue } from '../dataplane/catalogue.ts';
import { withLock } from '../host/lock.ts';
import { applyTransaction } from '../host/nft.ts';
import { familyOfTable, type TableName } from '../nft/element.ts';
import { rememberUse, withUse } from '../dataplane/quotas.ts';
import { restoredChainsText } from '../dataplane/transaction.ts';
import { describeChain, findChangedChains, type ChangedChain } from '../dataplane/changed-chains.ts';
import type { Scope } from './change-event.ts';
import { chainKey } from './resource-key.ts';
import { expectedOf } from './expected.ts';
import { rebuild, repairTables, type TablesSource } from './tables.ts';

/**
 * Compares the rules inside of our chains with what was written, and puts them back: where nothing else is lost by
 * rules alone, so that counters and what is open stay. Returns what was repaired, one sentence each.
 *
 * The look takes no lock. Nobody changes the rules of a chain that stands, so a difference is a loss; a chain that is
 * not there may be that of an ADD or a DEL half way, and is looked for again under the lock.
 *
 * Throws code 100 when nft cannot be run, 11 when the lock is not to be had.
 */
export async function repairChains(source: TablesSource, scope: Scope = 'all'): Promise<string[]> {
  if (!concernsUs(source, scope)) return [];
  const seen = await changedChains(source);
  if (seen.length === 0) return [];
  // Rules are the least of it when the tables are gone.
  if (seen.some(({ isMissing }) => isMissing)) {
    const repaired = await repairTables(source);
    if (repaired.length > 0) return repaired;
  }
  return withLock('tables', 'repair', async () => {
    const changed = seen.some(({ isMissing }) => isMissing) ? await changedChains(source) : seen;
    if (changed.length === 0) return [];
    if (await putBack(changed)) return [`Somebody changed ${listed(changed)}; the rules are as they were`];
    await rebuild(source);
    return [`Somebody changed ${listed(changed)}; our tables were written anew`];
  });
}

/** Chains of policies come with their first container and go with the last. */
function concernsUs(source: TablesSource, scope: Scope): boolean {
  const records = source.records();
  if (records.length === 0) return false;
  if (scope === 'all') return true;
  const chains = [...catalogue.chains, ...expectedOf(records).groups.flatMap((group) => group.chains)];
  return chains.some(({ table, name }) => scope.has(chainKey(familyOfTable(table), name)));
}

async function changedChains(source: TablesSource): Promise<ChangedChain[]> {
  const records = source.records();
  return records.length === 0 ? [] : findChangedChains(expectedOf(records).groups);
}

/**
 * A chain of the layout that is missing takes its hook, and what leads to it, along: then nothing short of all will do.
 */
async function putBack(changed: readonly ChangedChain[]): Promise<boolean> {
  if (changed.some(({ isMissing }) => isMissing)) return false;
  const groups = [...new Set(changed.flatMap(({ group }) => group ?? []))];
  const chains = changed.flatMap(({ family, chain, group }) =>
    group === undefined ? [{ table: `${family} drawbridge` as TableName, chain }] : [],
  );
  rememberUse(groups);
  const text = restoredChainsText(chains, withUse(groups));
  return text !== undefined && (await applyTransaction(text)) === 'committed';
}

function listed(changed: readonly ChangedChain[]): string {
  const more = changed.length > 3 ? ` and ${changed.length - 3} more` : '';
  return `${changed.slice(0, 3).map(describeChain).join(', ')}${more}`;
}
