import { commitChange, putElements } from '../dataplane/commit.ts';
import { hostNetworks, isNoted, noteNetworks, onLinkChange, onLinkElements } from '../dataplane/on-link.ts';
import { comparisonTexts } from '../dataplane/transaction.ts';
import type { OnLinkNetwork } from '../egress/on-link.ts';
import { withLock } from '../host/lock.ts';
import { tryTransaction } from '../host/nft.ts';
import { dataText, elementId } from '../nft/element.ts';
import { rebuild, type TablesSource } from './tables.ts';

/**
 * Has our tables close the networks that the host is on now, and no others. Returns what changed, one sentence each.
 * Throws code 100 when the rules cannot be written, 11 when the lock is not to be had.
 */
export async function repairOnLink(source: TablesSource): Promise<string[]> {
  if (!source.records().some(({ egress }) => egress !== undefined) || (await isCurrent())) return [];
  return withLock('tables', 'on-link networks', async () => {
    if (await isCurrent()) return [];
    const networks = hostNetworks();
    const told = isNoted(networks) ? await putBack(networks) : await follow(networks);
    if (told !== undefined) return told;
    await rebuild(source);
    return ['The networks of the host were not closed as they are, and our tables were written anew'];
  });
}

/** Somebody took out what the host still has. Undefined where more than that is missing. */
async function putBack(networks: readonly OnLinkNetwork[]): Promise<string[] | undefined> {
  const elements = onLinkElements(networks);
  return (await putElements(elements)) ? [`${elements.map(elementId).join(', ')} had been deleted`] : undefined;
}

/** The host has other networks than our tables have. Undefined where these are not as was noted. */
async function follow(networks: readonly OnLinkNetwork[]): Promise<string[] | undefined> {
  const { drop, put } = onLinkChange(networks);
  if (!(await commitChange({ drop, put, undeclare: [], declare: [], assert: [] }))) return undefined;
  noteNetworks(networks);
  return [
    ...put.map(({ key }) => `The host has come to a network: ${dataText(key)} is closed as a private one`),
    ...drop.map(({ key }) => `The host has left a network: ${dataText(key)} is not closed any more`),
  ];
}

/** Whether what was noted is what the host has, and the kernel has it too. */
async function isCurrent(): Promise<boolean> {
  const networks = hostNetworks();
  if (!isNoted(networks)) return false;
  if (networks.length === 0) return true;
  return (await tryTransaction(comparisonTexts(onLinkElements(networks), []).keys)) === 'committed';
}
