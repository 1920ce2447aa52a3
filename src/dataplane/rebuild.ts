import { CniError, codes } from '../cni/errors.ts';
import { doubtNotes } from '../host/firewall/note.ts';
import { applyTransaction } from '../host/nft.ts';
import { elementId, type Element } from '../nft/element.ts';
import type { RuleGroup } from '../nft/group.ts';
import { deniedLately, withCounts } from './counted.ts';
import { namingModules, requireModules, tryLayout } from './kernel-parts.ts';
import { noteMarks, refuseOtherMarks } from './pinned-marks.ts';
import { rememberUse, withUse } from './quotas.ts';
import { hostNetworks, noteNetworks, onLinkElements } from './on-link.ts';
import { rebuildText, type Contents } from './transaction.ts';

/** What all our tables are to hold. */
export interface WholeTables {
  readonly groups: readonly RuleGroup[];
  /** Elements of attachments, by elementId(). */
  readonly staticElements: ReadonlyMap<string, Element>;
  /** Of attachments that nothing more is known of: they keep closed what they share with others. */
  readonly closed: readonly Element[];
  /** Expiring elements; of several for one thing the last counts. */
  readonly passing: readonly Element[];
  /** What was counted until now (counted.ts). */
  readonly counted?: readonly Element[] | undefined;
}

/** Writes our tables whole, in one transaction. Called under the lock of the tables. Throws code 100. */
export async function writeTables({
  groups: declared,
  staticElements,
  closed,
  passing,
  counted = [],
}: WholeTables): Promise<void> {
  const byId = new Map([...closed, ...passing].map((element) => [elementId(element), element]));
  refuseOtherMarks();
  doubtNotes();
  rememberUse(declared);
  const groups = withUse(declared);
  const networks = hostNetworks();
  const elements = [
    ...staticElements.values(),
    ...onLinkElements(networks),
    ...[...byId].flatMap(([id, element]) => (staticElements.has(id) ? [] : element)),
  ];
  const carried = [...withCounts(elements, counted), ...deniedLately(counted)];
  // Rules matter more than counts: where the kernel refuses the counts, the tables come without them.
  const isWritten = counted.length > 0 && (await commits({ groups, elements: carried }).catch(() => false));
  if (!isWritten && !(await namingModules(() => commits({ groups, elements })))) {
    await requireModules();
    await tryLayout();
    throw new CniError(
      codes.internal,
      'Cannot write the tables of rules: the text that was made of the records contradicts itself',
      'Run "drawbridge doctor"',
    );
  }
  noteMarks();
  noteNetworks(networks);
}

async function commits(contents: Contents): Promise<boolean> {
  return (await applyTransaction(rebuildText(contents))) === 'committed';
}
