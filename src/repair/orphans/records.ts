import { combineErrors } from '../../cni/errors.ts';
import { parseRequest } from '../../cni/request.ts';
import { isRunning } from '../../host/process.ts';
import { removeAttachment } from '../../plugins/drawbridge/remove.ts';
import { closeGate } from '../../plugins/egress-policy/enforce.ts';
import { rememberedElements } from '../../plugins/egress-policy/names.ts';
import { isAlive, mayBeAlive } from '../../records/alive.ts';
import { holdAttachment } from '../../records/attachment-lock.ts';
import { commit } from '../../records/commit.ts';
import type { AttachmentRecord } from '../../records/record.ts';
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

/** An ADD that was cut short leaves what it made; whoever adds the container again starts by removing it. */
function isDead(record: AttachmentRecord): boolean {
  return record.state === 'adding' ? !isRunning(record.adder ?? '') : !isAlive(record);
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

/** What the DEL that never came would have done: by the record alone. */
export async function removeRecorded(record: AttachmentRecord): Promise<void> {
  const { network, containerId, ifname, link, egress, key } = record;
  if (link === undefined) {
    await commit({ drop: key }, { expiring: rememberedElements });
    if (egress !== undefined) await closeGate(egress.ingressInterface, key);
    return;
  }
  const conf = {
    ...link.conf,
    name: network,
    cniVersion: link.conf['cniVersion'] ?? '1.0.0',
    type: link.conf['type'] ?? 'drawbridge',
  };
  const env = {
    CNI_COMMAND: 'DEL',
    CNI_CONTAINERID: containerId,
    CNI_IFNAME: ifname,
    CNI_PATH: process.env['CNI_PATH'] ?? '/opt/cni/bin:/usr/lib/cni:/usr/libexec/cni',
  };
  const errors = await removeAttachment(parseRequest(env, JSON.stringify(conf)), record);
  const error = combineErrors(`remove ${containerId}`, errors);
  if (error !== undefined) throw error;
}

/** One whose container may live on is shown and left. */
function brokenFinding(record: BrokenRecord): Finding {
  const { key, file, why, isNewer } = record;
  const base = { kind: 'record', name: file } as const;
  if (isNewer) return { ...base, why: `${why}; clean with that one` };
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
      await commit({ drop: key }, { expiring: rememberedElements });
      return true;
    },
  };
}
