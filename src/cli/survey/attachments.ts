import { existsSync, readFileSync } from 'node:fs';
import { CniError } from '../../cni/errors.ts';
import { openNetns } from '../../host/netns.ts';
import { isAlive } from '../../records/alive.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { listRecords, type BrokenRecord } from '../../records/store.ts';
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
  return port === undefined ? `its namespace "${netns}" is gone` : `its interface "${port}" is gone`;
}

function troubles({ link, netns, netnsInode, state, adder }: AttachmentRecord): string[] {
  const found: string[] = [];
  if (state === 'adding') {
    const pid = adder?.split(':')[0] ?? '';
    found.push(existsSync(`/proc/${pid}`) ? `process ${pid} is adding it` : 'its ADD was cut short');
  }
  if (link !== undefined) {
    const folder = `/sys/class/net/${link.hostInterface}`;
    if (state === 'ready' && !existsSync(`${folder}/master`))
      found.push(`its interface "${link.hostInterface}" is on no bridge`);
    if (readText(`${folder}/operstate`) === 'down') found.push(`its interface "${link.hostInterface}" is down`);
    if (!existsSync(`/sys/class/net/${link.bridge}`)) found.push(`its bridge "${link.bridge}" is gone`);
  }
  try {
    if (openNetns(netns).inode !== netnsInode) found.push(`"${netns}" is another namespace now`);
  } catch {
    // Runtimes that pin no namespace give a path of a process that may have ended before the container.
    if (link === undefined || !existsSync(`/sys/class/net/${link.hostInterface}`))
      found.push(`its namespace "${netns}" is gone`);
  }
  return found;
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

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
}
