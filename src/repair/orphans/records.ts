import { combineErrors } from '../../cni/errors.ts';
import { findLink } from '../../host/interfaces.ts';
import { isRunning } from '../../host/process.ts';
import { isAlive, mayBeAlive } from '../../records/alive.ts';
import { holdAttachment } from '../../records/attachment-lock.ts';
import { commit } from '../../records/commit.ts';
import { hostInterfacesOf } from '../../records/sections.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { removeAttachment } from '../../records/remove.ts';
import { isBroken, listRecords, readRecord, type BrokenRecord } from '../../records/store.ts';
import { endedWords } from '../survey/attachments.ts';
import type { Finding, RecordSurvey } from './finding.ts';

/** All records, and which of them are of containers that are gone. */
export function readKnown(): RecordSurvey {
  const { records, broken } = listRecords();
  return { records, broken, unclear: broken.filter(mayBeAlive), dead: deadOf(records) };
}

/** Keys of those whose container is gone. */
export function deadOf(records: readonly AttachmentRecord[]): Set<string> {
  return new Set(records.filter((record) => isDead(record)).map(({ key }) => key));
}

/** Attachments of containers that are gone, and files that are no records. */
export function findRecords({ records, broken, dead }: RecordSurvey): Finding[] {
  return [...records.filter(({ key }) => dead.has(key)).map(attachmentFinding), ...broken.map(brokenFinding)];
}

/**
 * An ADD that was cut short has made no attachment: its interface on the host is brought up last of all, when the
 * record says "ready", and whoever adds the container again starts by removing it. One that is up is in use, whatever
 * the record says.
 */
function isDead(record: AttachmentRecord): boolean {
  if (!isAlive(record)) return true;
  return record.state === 'adding' && !isRunning(record.adder ?? '') && !isUp(record);
}

function isUp(record: AttachmentRecord): boolean {
  try {
    return hostInterfacesOf(record).some((name) => findLink(name)?.isUp === true);
  } catch {
    return true;
  }
}

function attachmentFinding(record: AttachmentRecord): Finding {
  const { network, containerId, ifname, key, state } = record;
  return {
    kind: 'attachment',
    name: `${containerId}/${ifname}`,
    network,
    containerId,
    why: state === 'adding' ? 'its ADD was cut short' : endedWords(record),
    remove: async () =>
      holdAttachment(record, 'clean', async () => {
        const now = readRecord(key);
        if (now === undefined) return true;
        if (isBroken(now) || !isDead(now)) return false;
        await removeRecorded(now);
        return true;
      }),
  };
}

/** What the DEL that never came would have done. Throws all that failed. */
export async function removeRecorded(record: AttachmentRecord): Promise<void> {
  const error = combineErrors(`remove ${record.containerId}`, await removeAttachment(record));
  if (error !== undefined) throw error;
}

/** One whose container may live on is shown and left. */
function brokenFinding(record: BrokenRecord): Finding {
  const { key, file, why, isNewer } = record;
  const base = { kind: 'record', name: file } as const;
  if (isNewer) return { ...base, why: `${why}; run "drawbridge clean" of that version` };
  if (mayBeAlive(record))
    return {
      ...base,
      why: `it cannot be read (${why}), but its interface or its namespace is there: its container may be alive; remove the container, then clean again`,
    };
  return {
    ...base,
    why: `it cannot be read: ${why}`,
    remove: async () => {
      const now = readRecord(key);
      if (now !== undefined && (!isBroken(now) || mayBeAlive(now))) return false;
      await commit({ drop: key });
      return true;
    },
  };
}
