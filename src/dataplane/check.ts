import { tryTransaction } from '../host/nft.ts';
import { dataText, elementId, type Element } from '../nft/element.ts';
import type { RuleGroup } from '../nft/group.ts';
import { describeChain, findChangedChains } from './changed-chains.ts';
import { resolve, type Claim } from './difference.ts';
import { areHeld } from './held.ts';
import { comparisonTexts } from './transaction.ts';

/** What is missing where the kernel has no tables of this program. For messages. */
export const noTables = 'the tables "inet drawbridge" and "bridge drawbridge", or they are of another version';

/**
 * Compares what the kernel holds for an attachment with what it claims, and names what is missing or different; empty
 * when all is there. Asks for the attachment's own elements only, whatever else is in the tables. `rivals` are the
 * claims of others that may want the same elements.
 *
 * Throws code 100 when nft cannot be run.
 */
export async function findLacking(claim: Claim, rivals: readonly Claim[]): Promise<string[]> {
  const { elements, groups } = claim;
  const owners = resolve([...rivals, claim]);
  const own = elements.filter((element) => owners.get(elementId(element)) === element);
  const [isThere, changed] = await Promise.all([isInForce(own, groups), findChangedChains(groups)]);
  if (isThere) return changed.map(describeChain);
  if (!(await isInForce([], []))) return [noTables];
  const missing: string[] = [];
  for (const group of groups)
    if (!(await isInForce([], [group]))) missing.push(`the chains of policy "${group.id}", or what its sets list`);
  for (const element of own) if (!(await isInForce([element], []))) missing.push(describe(element));
  return missing;
}

/**
 * Whether our tables are there, as this program writes them, with these elements and policies: each element with its
 * value, each policy with what its sets list. Throws code 100 when nft cannot be run.
 */
export async function isInForce(elements: readonly Element[], groups: readonly RuleGroup[]): Promise<boolean> {
  const areThere = areHeld(elements, groups);
  if (areThere !== undefined) return areThere;
  const { values, keys } = comparisonTexts(elements, groups);
  const outcomes = await Promise.all([values, keys].map(tryTransaction));
  return outcomes.every((outcome) => outcome === 'committed');
}

function describe({ table, set, key, value }: Element): string {
  return `element { ${dataText(key)}${value === undefined ? '' : ` : ${dataText(value)}`} } of "${set}" in table "${table}"`;
}
