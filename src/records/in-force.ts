import { commitChange, removeTables } from '../dataplane/commit.ts';
import { readCounted } from '../dataplane/counted.ts';
import { distinctGroups, resolve, transition } from '../dataplane/difference.ts';
import { rememberUse } from '../dataplane/quotas.ts';
import { writeTables } from '../dataplane/rebuild.ts';
import { isEmpty, type Change } from '../dataplane/transaction.ts';
import type { OnLinkNetwork } from '../egress/on-link.ts';
import type { Element } from '../nft/element.ts';
import { desired } from './desired.ts';
import { podClaim, sharesPodRules } from './pod-policies.ts';
import { filledElements, type FilledByPolicy } from './fillers.ts';
import { hostNetworks, noteNetworks, onLinkChange } from '../dataplane/on-link.ts';
import { rivalsOf, sharedByOthers, sharedElementsOf, writeIndex } from './index-files.ts';
import type { AttachmentRecord } from './record.ts';
import { hasUnrecorded } from './strays.ts';
import { hasOtherRecord, listRecords, type BrokenRecord, type RecordList } from './store.ts';

export interface CommitReport {
  /** Whether the tables were written whole: they were missing, of another version, or not as the records say. */
  readonly rebuilt: boolean;
  /** For a person: records that were left out because they cannot be read. */
  readonly warnings: readonly string[];
}

/** One attachment's record before and after; with neither there is nothing to do. */
export interface Turn {
  readonly previous: AttachmentRecord | undefined;
  readonly next: AttachmentRecord | undefined;
  readonly filled?: FilledByPolicy | undefined;
  /** Further expiring elements, when the record is ready. */
  readonly also?: readonly Element[] | undefined;
  /** Called before the tables are written whole from the records; throws to keep them as they are. */
  readonly beforeRebuild?: () => void;
}

/**
 * Brings our tables in line with what becomes of one record, in one transaction. The first attachment of the
 * host makes the tables, the last one takes them away. Called under the lock of the tables. Throws code 100.
 */
export async function bringInForce(turn: Turn): Promise<CommitReport> {
  const { previous, next } = turn;
  const record = next ?? previous;
  if (record === undefined) return untouched;
  const networks = next?.state === 'ready' && next.egress !== undefined ? hostNetworks() : undefined;
  const change = withNetworks(await planChange(turn), networks);
  const isOnly = !hasOtherRecord(record.key);
  if (next === undefined && isOnly) {
    if (hasUnrecorded(record.key)) {
      await commitChange(change);
      return untouched;
    }
    rememberUse(change.undeclare);
    const gone = removeTables();
    // One that had no rules yet may be the last to see tables that others left while it was there; more than that it
    // does not ask.
    await (previous?.state === 'adding' ? gone.catch(() => undefined) : gone);
    return untouched;
  }
  if (isEmpty(change)) return untouched;
  const isFirst = isOnly && previous?.state !== 'ready';
  if (!isFirst) {
    if (await commitChange(change)) {
      if (networks !== undefined) noteNetworks(networks);
      return untouched;
    }
    turn.beforeRebuild?.();
  }
  const without = next === undefined ? record.key : undefined;
  return rebuildTables({ filled: turn.filled, also: turn.also, without, isFirst });
}

/**
 * Takes out of our tables what an attachment left there whose record was lost. What is of nobody stays where others
 * have no record either. Called under the lock of the tables. Throws code 100.
 */
export async function dropUnrecorded(key: string): Promise<CommitReport> {
  if (hasUnrecorded(key)) return untouched;
  if (hasOtherRecord(key)) return rebuildTables();
  await removeTables();
  return untouched;
}

export interface RebuildOptions {
  readonly filled?: FilledByPolicy | undefined;
  /** Key of a record that goes. */
  readonly without?: string | undefined;
  readonly also?: readonly Element[] | undefined;
  /** There was no attachment before, so that nothing was counted. */
  readonly isFirst?: boolean;
  /**
   * All records as they are under the lock, for who has read them and looks after their index entries; else they are
   * read.
   */
  readonly from?: RecordList;
}

/**
 * Writes both tables whole from all records. Index entries are looked after too: what harmed the tables may have harmed
 * them. Called under the lock of the tables. Throws code 100.
 */
export async function rebuildTables({
  filled,
  without,
  also = [],
  isFirst = false,
  from,
}: RebuildOptions = {}): Promise<CommitReport> {
  const { records, broken } = from ?? listRecords();
  const ready = records.filter(({ key, state }) => key !== without && state === 'ready');
  if (from === undefined) ready.forEach((record) => writeIndex(record));
  const claims = [...ready.map(desired), ...podClaim()];
  await writeTables({
    groups: distinctGroups(claims),
    staticElements: resolve(claims),
    closed: closedElements(broken),
    passing: [...also, ...(await filledElements(ready, filled))],
    counted: isFirst ? [] : await readCounted(),
  });
  return { rebuilt: true, warnings: broken.map(describeBroken) };
}

/** What attachments whose records cannot be read share with others: it keeps them closed, rather than open. */
export function closedElements(broken: readonly BrokenRecord[]): Element[] {
  return broken.flatMap(({ key }) => sharedElementsOf(key));
}

/** For messages. */
export function describeBroken({ file, why }: BrokenRecord): string {
  return `Cannot read the record "${file}": ${why}; its rules are not in force`;
}

const untouched: CommitReport = { rebuilt: false, warnings: [] };

async function planChange({ previous, next, filled, also = [] }: Turn): Promise<Change> {
  const own = [previous, next].filter((record) => record !== undefined);
  const change = transition({
    previous: previous && desired(previous),
    next: next && desired(next),
    rivals: rivalsOfAll(own).map(desired),
    // Who has lost its record may share it too.
    isShared: (name) =>
      sharedByOthers(name, own[0]?.key ?? '') || sharesPodRules(name) || hasUnrecorded(own[0]?.key ?? ''),
  });
  if (next?.state !== 'ready') return change;
  return { ...change, put: [...change.put, ...(await filledElements([next], filled)), ...also] };
}

/** The networks that the host is on may have changed while no agent watched. */
function withNetworks(change: Change, networks: readonly OnLinkNetwork[] | undefined): Change {
  if (networks === undefined) return change;
  const { drop, put } = onLinkChange(networks);
  return { ...change, drop: [...change.drop, ...drop], put: [...change.put, ...put] };
}

function rivalsOfAll(records: readonly AttachmentRecord[]): AttachmentRecord[] {
  const rivals = records.flatMap((record) => rivalsOf(record));
  return [...new Map(rivals.map((rival) => [rival.key, rival])).values()];
}
