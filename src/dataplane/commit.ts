import { applyTransaction } from '../host/nft.ts';
import { notedQueueForm, removeQueueRule } from '../host/queue-rule.ts';
import type { Element } from '../nft/element.ts';
import { commitSteps } from './commit-steps.ts';
import { forgetListings } from './changed-chains.ts';
import { rememberUse, withUse } from './quotas.ts';
import { noteNetworks } from './on-link.ts';
import { unpinMarks } from './pinned-marks.ts';
import { changeSteps, removalText, type Change } from './transaction.ts';

/**
 * Commits what becomes of a few attachments, in one transaction whose size does not depend on the number of others.
 * Returns false, and changes nothing, where the tables are not as the records say: then they are to be written whole
 * (rebuild.ts). Throws code 100.
 */
export async function commitChange(change: Change): Promise<boolean> {
  rememberUse(change.undeclare);
  const steps = changeSteps({ ...change, declare: withUse(change.declare) });
  return (await commitSteps(steps)) === 'committed';
}

/** As {@link commitChange}, for elements that are put, and nothing else. */
export async function putElements(elements: readonly Element[]): Promise<boolean> {
  return commitChange({ drop: [], undeclare: [], declare: [], assert: [], put: elements });
}

/**
 * Removes all our tables, whether they are there or not, and what leads marked packets to the queue: without tables a
 * mark is somebody else's. Throws code 100.
 */
export async function removeTables(): Promise<void> {
  await applyTransaction(removalText());
  if (notedQueueForm() !== undefined) await removeQueueRule();
  forgetListings();
  noteNetworks([]);
  unpinMarks();
}
