import { tryTransaction } from '../host/nft.ts';
import { resolve } from '../dataplane/difference.ts';
import { desired } from './desired.ts';
import { elementId, type Element } from '../nft/element.ts';
import { comparisonTexts } from '../dataplane/transaction.ts';
import { findChangedChains } from './chains.ts';
import { rivalsOf } from './index-files.ts';
import type { AttachmentRecord } from './record.ts';

/**
 * Compares what the kernel holds for an attachment with what its record says, and names what is missing or
 * different; empty when all is there. Asks for the attachment's own elements only, whatever else is in the tables.
 *
 * Throws code 100 when nft cannot be run.
 */
export async function findMissing(record: AttachmentRecord): Promise<string[]> {
  const claim = desired(record);
  const { elements, groups } = claim;
  const owners = resolve([...rivalsOf(record).map(desired), claim]);
  const own = elements.filter((element) => owners.get(elementId(element)) === element);
  const [isThere, changed] = await Promise.all([isInForce(own, groups), findChangedChains(record)]);
  if (isThere) return changed;
  if (!(await isInForce([], [])))
    return ['the tables "inet drawbridge" and "bridge drawbridge", or they are of another version'];
  const missing: string[] = [];
  for (const group of groups)
    if (!(await isInForce([], [group]))) missing.push(`the chains of policy "${group.id}", or what its sets list`);
  for (const element of own) if (!(await isInForce([element], []))) missing.push(describe(element));
  return missing;
}

async function isInForce(
  elements: readonly Element[],
  groups: Parameters<typeof comparisonTexts>[1],
): Promise<boolean> {
  const { values, keys } = comparisonTexts(elements, groups);
  const outcomes = await Promise.all([values, keys].map(tryTransaction));
  return outcomes.every((outcome) => outcome === 'committed');
}

function describe({ table, set, key, value }: Element): string {
  return `element { ${key}${value === undefined ? '' : ` : ${value}`} } of "${set}" in table "${table}"`;
}
