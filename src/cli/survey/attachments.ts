import { CniError } from '../../cni/errors.ts';
import { findLink, isLinkThere } from '../../host/interfaces.ts';
import { openNetns } from '../../host/netns.ts';
import { isRunning } from '../../host/process.ts';
import { isAlive } from '../../records/alive.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { listRecords, type BrokenRecord } from '../../records/store.ts';
import { waitsForEver } from '../../records/waiting.ts';
import { findMissingRules } from './missing-rules.ts';

/** An attachment by its record, and what is not as its record says. */
export interface Attachment {
  readonly record: AttachmentRecord;
  /** Whether its container is still there. */
  readonly isAlive: boolean;
  /** What is wrong with it, one sentence each without a period; empty when nothing is. */
  readonly stale: readonly string[];
}

export interface Survey {
  readonly attachments: readonly Attachment[];
  readonly broken: readonly BrokenRecord[];
}

/** Reads all records and compares each with links, namespaces and rules. Never throws for a broken record. */
export async function surveyAttachments(): Promise<Survey> {
  const { records, broken } = listRecords();
  const rules = await missingRules(records);
  const attachments = records.map((record) => {
    const alive = isAlive(record);
    const stale = alive ? [...troubles(record), ...(rules.get(record.key) ?? [])] : [endedWords(record)];
    return { record, isAlive: alive, stale };
  });
  return { attachments: attachments.toSorted(byPlace), broken };
}

/** Why an attachment is dead, in words. */
export function endedWords({ link, egress, netns, state }: AttachmentRecord): string {
  if (state === 'adding') return 'its ADD was cut short, and the process that did it is gone';
  const port = link?.hostInterface ?? egress?.port;
  return port === undefined
    ? `its namespace "${netns}" is gone`
    : `its interface "${port}" and its namespace "${netns}" are gone`;
}

function troubles(record: AttachmentRecord): string[] {
  const waiting = waitsForEver(record) ? ['it waits for a policy that never came, and reaches nothing'] : [];
  return [...waiting, ...addTroubles(record), ...linkTroubles(record), ...netnsTroubles(record)];
}

function addTroubles({ state, adder = '' }: AttachmentRecord): string[] {
  if (state !== 'adding') return [];
  return [isRunning(adder) ? `process ${adder.split(':')[0]} is adding it` : 'its ADD was cut short'];
}

function linkTroubles({ link, state }: AttachmentRecord): string[] {
  if (link === undefined) return [];
  const found = findLink(link.hostInterface);
  return [
    ...(state === 'ready' && found === undefined ? [`its interface "${link.hostInterface}" is gone`] : []),
    ...(state === 'ready' && found !== undefined && found.master === undefined
      ? [`its interface "${link.hostInterface}" is on no bridge`]
      : []),
    ...(found?.operState === 'down' ? [`its interface "${link.hostInterface}" is down`] : []),
    ...(isLinkThere(link.bridge) ? [] : [`its bridge "${link.bridge}" is gone`]),
  ];
}

function netnsTroubles({ link, netns, netnsInode }: AttachmentRecord): string[] {
  try {
    return openNetns(netns).inode === netnsInode ? [] : [`"${netns}" is another namespace now`];
  } catch {
    // Runtimes that pin no namespace give a path of a process that may have ended before the container.
    return link !== undefined && isLinkThere(link.hostInterface) ? [] : [`its namespace "${netns}" is gone`];
  }
}

/** One sentence for each attachment whose rules are not in force. */
async function missingRules(records: readonly AttachmentRecord[]): Promise<Map<string, string[]>> {
  const ready = records.filter((record) => record.state === 'ready' && isAlive(record));
  try {
    const missing = await findMissingRules(ready);
    return new Map([...missing].map(([key, what]) => [key, [`its rules are not in force, missing: ${what}`]]));
  } catch (error) {
    const why = error instanceof CniError ? error.message : String(error);
    return new Map(ready.map(({ key }) => [key, [`whether its rules are in force cannot be told: ${why}`]]));
  }
}

function byPlace({ record: one }: Attachment, { record: other }: Attachment): number {
  return (
    one.network.localeCompare(other.network) ||
    one.createdAt.localeCompare(other.createdAt) ||
    one.ifname.localeCompare(other.ifname)
  );
}
