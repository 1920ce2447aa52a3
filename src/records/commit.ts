import { CniError, codes } from '../cni/errors.ts';
import { withLock } from '../host/lock.ts';
import { desired } from './desired.ts';
import type { Element } from '../nft/element.ts';
import { describeMapping } from '../ports/mapping.ts';
import { isAlive } from './alive.ts';
import { requireSameAdd } from './attachment-lock.ts';
import { refuseHeldAddresses } from './addresses-held.ts';
import { refuseBypass } from './exclusive.ts';
import { isIndexed, portHolders, removeIndex, removeIndexOf, writeIndex } from './index-files.ts';
import type { FilledByPolicy } from './fillers.ts';
import {
  bringInForce,
  describeBroken,
  dropUnrecorded,
  rebuildTables,
  type CommitReport,
  type Turn,
} from './in-force.ts';
import { describeAttachment } from './key.ts';
import type { AttachmentRecord } from './record.ts';
import { portsOf, withoutPort } from './sections.ts';
import {
  isBroken,
  readRecord,
  readSoundRecord,
  refuseNewer,
  removeRecord,
  writeRecord,
  type BrokenRecord,
} from './store.ts';

/** One attachment's step: its record as it is to be, or the key of the one that goes. */
export type Step = { readonly put: AttachmentRecord } | { readonly drop: string };

export interface CommitOptions {
  /** What is open under a policy, from who has just asked; of other policies what fillers remember (fillers.ts). */
  readonly filled?: FilledByPolicy;
  /** Further expiring elements, put with those of a record that is ready. */
  readonly also?: readonly Element[];
  /**
   * Gives back what an attachment holds besides its rules, when those of a drop are gone and before the record goes:
   * so a process that is killed in between leaves the record, by which the next DEL or GC finds everything. Called
   * under the lock, also when there is no record. When it throws the record stays.
   */
  readonly release?: () => Promise<void>;
  /**
   * The record that a put replaces, as its caller saw it: the put fails with code 11 when that ADD's record is gone.
   */
  readonly replaces?: AttachmentRecord | undefined;
  /** Looks at the record that a put replaces, under the lock, and throws to keep it. */
  readonly refuse?: (previous: AttachmentRecord) => void;
}

/**
 * Writes or removes a record and brings our tables in line with it, in one transaction whose size does not
 * depend on the number of attachments.
 *
 * A record in state "adding" has no elements: putting it is how an ADD begins. It claims the addresses and the
 * ports of the host. Putting it again as "ready" puts its elements in force. Dropping a record that is not
 * there is success. After a failure the record and the tables are as they were before.
 *
 * Throws {@link CniError}: 102 when the container would have a network that bypasses an exclusive policy, when a living
 * container behind another interface has one of its addresses, when a living
 * container holds a port of the host that the record publishes, or a newer
 * drawbridge wrote the record that is there, 100
 * when the rules cannot be written, 5 when a file cannot. Leftovers of a dead container are taken from it.
 */
export async function commit(step: Step, options: CommitOptions = {}): Promise<CommitReport> {
  const what = 'put' in step ? `put ${step.put.containerId} ${step.put.ifname}` : `drop ${step.drop}`;
  return withLock('tables', what, () => ('put' in step ? put(step.put, options) : drop(step.drop, options)));
}

/**
 * Notes that everything of an attachment stands, whatever else its record says by now. Throws code 5 when it cannot be
 * written, 11 when nobody lets go of the lock, and when the record is not there any more or is of another ADD.
 */
export async function finish(own: AttachmentRecord): Promise<void> {
  await withLock('tables', `finish ${own.containerId} ${own.ifname}`, () => {
    const record = readSoundRecord(own.key);
    requireSameAdd(record, own);
    const { unfinished: _, ...rest } = record ?? own;
    writeRecord(rest);
  });
}

/** Writes both tables from all records: layout, policies and elements, in one transaction. Throws code 100. */
export async function rebuild(): Promise<CommitReport> {
  return withLock('tables', 'rebuild', () => rebuildTables());
}

async function put(next: AttachmentRecord, { filled, also, refuse, replaces }: CommitOptions): Promise<CommitReport> {
  const previous = readRecord(next.key);
  if (previous !== undefined && isBroken(previous)) refuseNewer(previous);
  if (replaces !== undefined)
    requireSameAdd(previous === undefined || isBroken(previous) ? undefined : previous, replaces);
  if (previous !== undefined && !isBroken(previous)) refuse?.(previous);
  refuseBypass(next);
  refuseHeldAddresses(next);
  refuseHeldPorts(next);
  await evictDeadHolders(next);
  if (previous === undefined || !isBroken(previous)) return replace(previous, next, { filled, also });
  writeIndex(next);
  writeRecord(next);
  return withWarning(await rebuildTables({ filled, also }), previous);
}

async function drop(key: string, { release }: CommitOptions): Promise<CommitReport> {
  const previous = readRecord(key);
  if (previous !== undefined && isBroken(previous)) {
    refuseNewer(previous);
    return removeBroken(previous, release);
  }
  if (previous === undefined) {
    const report = isIndexed(key) ? await dropUnrecorded(key) : { rebuilt: false, warnings: [] };
    await release?.();
    removeIndexOf(key);
    return report;
  }
  const committed = await bringInForce({ previous, next: undefined });
  await release?.();
  // The record goes last: what a process that is killed here leaves of the index entries, nobody else would look for.
  removeIndex(previous, undefined);
  removeRecord(key);
  return committed;
}

/**
 * Throws code 102 when another living container publishes a port of the host that the record publishes. One with
 * several networks is given the same ports on each of them by podman and nerdctl: one of its attachments has them.
 */
function refuseHeldPorts(record: AttachmentRecord): void {
  for (const mapping of portsOf(record)) {
    const holder = portHolders(record, mapping).find(
      (other) => other.containerId !== record.containerId && isAlive(other),
    );
    if (holder === undefined) continue;
    throw new CniError(
      codes.conflict,
      `Cannot publish ${describeMapping(mapping)}: ${describeAttachment(holder)} publishes it`,
      'Remove that container, or publish another port of the host',
    );
  }
}

/** Takes the ports of the host that a record publishes from containers that are gone. */
async function evictDeadHolders(record: AttachmentRecord): Promise<void> {
  for (const mapping of portsOf(record)) {
    for (const holder of portHolders(record, mapping)) {
      if (!isAlive(holder)) await replace(holder, withoutPort(holder, mapping));
    }
  }
}

async function replace(
  previous: AttachmentRecord | undefined,
  next: AttachmentRecord,
  fillings: Pick<Turn, 'filled' | 'also'> = {},
): Promise<CommitReport> {
  desired(next);
  writeIndex(next);
  writeRecord(next);
  let committed: CommitReport;
  try {
    // Somebody may have had the lock at the same time (withLock): a rebuild must not take a living one's port.
    committed = await bringInForce({ previous, next, ...fillings, beforeRebuild: () => refuseHeldPorts(next) });
  } catch (error) {
    restore(previous, next);
    throw error;
  }
  if (previous !== undefined) removeIndex(previous, next);
  return committed;
}

/** The transaction failed whole, so the tables still say what the previous record says. */
function restore(previous: AttachmentRecord | undefined, next: AttachmentRecord): void {
  if (previous === undefined) removeRecord(next.key);
  else writeRecord(previous);
  removeIndex(next, previous);
}

async function removeBroken(
  { key, ...rest }: BrokenRecord,
  release: CommitOptions['release'] | undefined,
): Promise<CommitReport> {
  await release?.();
  removeRecord(key);
  return withWarning(await rebuildTables(), { key, ...rest });
}

function withWarning({ rebuilt, warnings }: CommitReport, broken: BrokenRecord): CommitReport {
  return { rebuilt, warnings: [describeBroken(broken), ...warnings] };
}
