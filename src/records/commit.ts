import { CniError, codes } from '../cni/errors.ts';
import { applyTransaction } from '../host/nft.ts';
import { withLock } from '../host/lock.ts';
import { distinctGroups, resolve, transition } from '../nft/change.ts';
import { desired } from '../nft/desired.ts';
import { elementId, type Element } from '../nft/element.ts';
import { changeText, isEmpty, rebuildText, removalText, type Change } from '../nft/transaction.ts';
import { describeMapping, overlaps } from '../ports/mapping.ts';
import { isAlive } from './alive.ts';
import { addressHolders, portHolders, removeHints, sharedByOthers, writeHints } from './hints.ts';
import { describeAttachment } from './key.ts';
import type { AttachmentRecord } from './record.ts';
import {
  hasOtherRecord,
  isBroken,
  listRecords,
  readRecord,
  removeRecord,
  writeRecord,
  type BrokenRecord,
} from './store.ts';

/** One attachment's step: its record as it is to be, or the key of the one that goes. */
export type Step = { readonly put: AttachmentRecord } | { readonly drop: string };

export interface CommitOptions {
  /**
   * Timed elements that a record has besides those that follow from it: addresses that its policy's names
   * resolve to. Asked for the record that is put, and in a rebuild for every record.
   */
  readonly timed?: (record: AttachmentRecord) => readonly Element[];
  /** Looks at the record that a put replaces, under the lock, and throws to keep it. */
  readonly refuse?: (previous: AttachmentRecord) => void;
}

export interface Committed {
  /** Whether the tables were written whole: they were missing, of another version, or not as the records say. */
  readonly rebuilt: boolean;
  /** For a person: records that were left out because they cannot be read. */
  readonly warnings: readonly string[];
}

/**
 * Writes or removes a record and brings our tables in line with it, in one transaction whose size does not
 * depend on the number of attachments.
 *
 * A record in state "adding" has no elements: putting it is how an ADD begins. It claims the addresses and the
 * ports of the host. Putting it again as "ready" puts its elements in force. Dropping a record that is not
 * there is success. After a failure the record and the tables are as they were before.
 *
 * Throws {@link CniError}: 102 when a living container holds a port of the host that the record publishes, 100
 * when the rules cannot be written, 5 when a file cannot. Leftovers of a dead container are taken from it.
 */
export async function commit(step: Step, options: CommitOptions = {}): Promise<Committed> {
  const key = 'put' in step ? step.put.key : step.drop;
  return withLock(
    'tables',
    'put' in step ? `put ${step.put.containerId} ${step.put.ifname}` : `drop ${key}`,
    async () => {
      const previous = readRecord(key);
      if ('drop' in step) {
        if (previous === undefined) return { rebuilt: false, warnings: [] };
        return isBroken(previous) ? removeBroken(previous, options) : replace(previous, undefined, options);
      }
      refuseHeldPorts(step.put);
      await evictDeadHolders(step.put, options);
      if (previous === undefined || !isBroken(previous)) return replace(previous, step.put, options);
      writeHints(step.put);
      writeRecord(step.put);
      return rebuildTables(options, [describeBroken(previous)]);
    },
  );
}

/** Writes both tables from all records: layout, policies and elements, in one transaction. Throws code 100. */
export async function rebuild(options: CommitOptions = {}): Promise<Committed> {
  return withLock('tables', 'rebuild', () => rebuildTables(options, []));
}

/** Throws code 102 when a living container publishes a port of the host that the record publishes. */
function refuseHeldPorts(record: AttachmentRecord): void {
  for (const mapping of record.link?.ports ?? []) {
    const holder = portHolders(record, mapping).find(isAlive);
    if (holder === undefined) continue;
    throw new CniError(
      codes.conflict,
      `Cannot publish ${describeMapping(mapping)}: ${describeAttachment(holder)} publishes it`,
      'Remove that container, or publish another port of the host',
    );
  }
}

/** Takes the ports of the host that a record publishes from containers that are gone. */
async function evictDeadHolders(record: AttachmentRecord, options: CommitOptions): Promise<void> {
  for (const mapping of record.link?.ports ?? []) {
    for (const holder of portHolders(record, mapping)) {
      if (holder.link === undefined || isAlive(holder)) continue;
      const left = holder.link.ports.filter((port) => !overlaps(port, mapping));
      await replace(holder, { ...holder, link: { ...holder.link, ports: left } }, options);
    }
  }
}

async function replace(
  previous: AttachmentRecord | undefined,
  next: AttachmentRecord | undefined,
  options: CommitOptions,
): Promise<Committed> {
  if (next !== undefined) {
    desired(next);
    writeHints(next);
    writeRecord(next);
  }
  let committed: Committed;
  try {
    committed = await bringInForce(previous, next, options);
  } catch (error) {
    restore(previous, next);
    throw error;
  }
  if (next === undefined && previous !== undefined) removeRecord(previous.key);
  if (previous !== undefined) removeHints(previous, next);
  return committed;
}

/** The transaction failed whole, so the tables still say what the previous record says. */
function restore(previous: AttachmentRecord | undefined, next: AttachmentRecord | undefined): void {
  if (next === undefined) return;
  if (previous === undefined) removeRecord(next.key);
  else writeRecord(previous);
  removeHints(next, previous);
}

async function bringInForce(
  previous: AttachmentRecord | undefined,
  next: AttachmentRecord | undefined,
  options: CommitOptions,
): Promise<Committed> {
  const record = next ?? previous;
  if (record === undefined) return { rebuilt: false, warnings: [] };
  const isOnly = !hasOtherRecord(record.key);
  if (next === undefined && isOnly) {
    if (previous?.state !== 'adding') await applyTransaction(removalText());
    return { rebuilt: false, warnings: [] };
  }
  const change = plan(previous, next, options);
  if (isEmpty(change)) return { rebuilt: false, warnings: [] };
  const isFirst = isOnly && previous?.state !== 'ready';
  if (!isFirst) {
    if ((await applyTransaction(changeText(change))) === 'committed') return { rebuilt: false, warnings: [] };
    // Somebody may have had the lock at the same time: see withLock(). A rebuild must not take a living one's port.
    if (next !== undefined) refuseHeldPorts(next);
  }
  return rebuildTables(options, [], next === undefined ? previous?.key : undefined);
}

function plan(
  previous: AttachmentRecord | undefined,
  next: AttachmentRecord | undefined,
  { timed }: CommitOptions,
): Change {
  const rivals = new Map(
    [previous, next]
      .flatMap((record) => (record === undefined ? [] : addressHolders(record)))
      .map((rival) => [rival.key, rival]),
  );
  const key = (next ?? previous)?.key ?? '';
  const change = transition({
    previous: previous && desired(previous),
    next: next && desired(next),
    rivals: [...rivals.values()].map(desired),
    isShared: (name) => sharedByOthers(name, key),
  });
  return next?.state === 'ready' ? { ...change, put: [...change.put, ...(timed?.(next) ?? [])] } : change;
}

/** Hints are written anew too: whatever made the tables wrong may have made them wrong. */
async function rebuildTables(
  { timed }: CommitOptions,
  warnings: readonly string[],
  without?: string,
): Promise<Committed> {
  const { records, broken } = listRecords();
  const ready = records.filter(({ key, state }) => key !== without && state === 'ready');
  ready.forEach((record) => writeHints(record));
  const claims = ready.map(desired);
  const lasting = [...resolve(claims).values()];
  const passing = new Map(
    ready.flatMap((record) => timed?.(record) ?? []).map((element) => [elementId(element), element]),
  );
  const outcome = await applyTransaction(
    rebuildText({ groups: distinctGroups(claims), elements: [...lasting, ...passing.values()] }),
  );
  if (outcome === 'stale')
    throw new CniError(
      codes.internal,
      'Cannot write the tables of rules: the text that was made of the records contradicts itself',
      'Run "drawbridge doctor"',
    );
  return { rebuilt: true, warnings: [...warnings, ...broken.map(describeBroken)] };
}

async function removeBroken(record: BrokenRecord, options: CommitOptions): Promise<Committed> {
  removeRecord(record.key);
  return rebuildTables(options, [describeBroken(record)]);
}

function describeBroken({ file, why }: BrokenRecord): string {
  return `Cannot read the record "${file}": ${why}; its rules are not in force`;
}
