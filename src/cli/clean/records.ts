import { existsSync, readFileSync } from 'node:fs';
import { combineErrors } from '../../cni/errors.ts';
import { parseRequest } from '../../cni/request.ts';
import { removeAttachment } from '../../plugins/drawbridge/remove.ts';
import { closeGate } from '../../plugins/egress-policy/enforce.ts';
import { rememberedElements } from '../../plugins/egress-policy/names.ts';
import { isAlive } from '../../records/alive.ts';
import { commit } from '../../records/commit.ts';
import { hostInterfaceOf } from '../../records/key.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { isBroken, listRecords, readRecord, type BrokenRecord } from '../../records/store.ts';
import { endedWords } from '../survey/attachments.ts';
import type { Finding, Known } from './finding.ts';

/** All records, and which of them are of containers that are gone. */
export function readKnown(): Known {
  const { records, broken } = listRecords();
  return { records, broken, dead: deadOf(records) };
}

/** Keys of those whose container is gone. */
export function deadOf(records: readonly AttachmentRecord[]): Set<string> {
  return new Set(records.filter((record) => isDead(record)).map(({ key }) => key));
}

/** Attachments of containers that are gone, and files that are no records. */
export function findRecords({ records, broken, dead }: Known): Finding[] {
  return [...records.filter(({ key }) => dead.has(key)).map(attachmentFinding), ...broken.map(brokenFinding)];
}

/** An ADD that was cut short leaves what it made; whoever adds the container again starts by removing it. */
function isDead(record: AttachmentRecord): boolean {
  return record.state === 'adding' ? !isAdding(record) : !isAlive(record);
}

/** "pid:start time" of the process that adds it (proc(5), field 22 of stat). */
function isAdding({ adder = '' }: AttachmentRecord): boolean {
  const [pid = '', start] = adder.split(':');
  try {
    const stat = readFileSync(`/proc/${Number(pid)}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] === start;
  } catch {
    return false;
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
    remove: async () => {
      const now = readRecord(key);
      if (now === undefined) return true;
      if (isBroken(now) || !isDead(now)) return false;
      await removeRecorded(now);
      return true;
    },
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

/** Its name tells the host's end of its interface: while that is there, a container may live on without a record. */
function brokenFinding({ key, file, why }: BrokenRecord): Finding {
  const base = { kind: 'record', name: file } as const;
  const port = /^[0-9a-f]{16}$/.test(key) ? hostInterfaceOf(key) : undefined;
  if (port !== undefined && existsSync(`/sys/class/net/${port}`))
    return {
      ...base,
      why: `it cannot be read (${why}), but its interface "${port}" is there: its container may be alive; remove the container, then clean again`,
    };
  return {
    ...base,
    why: `it cannot be read: ${why}`,
    remove: async () => {
      const now = readRecord(key);
      if (now !== undefined && !isBroken(now)) return false;
      await commit({ drop: key }, { expiring: rememberedElements });
      return true;
    },
  };
}
