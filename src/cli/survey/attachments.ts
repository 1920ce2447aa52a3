import { existsSync, readFileSync } from 'node:fs';
import { CniError } from '../../cni/errors.ts';
import { tryTransaction } from '../../host/nft.ts';
import { openNetns } from '../../host/netns.ts';
import { resolve } from '../../nft/change.ts';
import { desired } from '../../nft/desired.ts';
import { comparisonTexts } from '../../nft/transaction.ts';
import { isAlive } from '../../records/alive.ts';
import { findMissing } from '../../records/check.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { listRecords, type BrokenRecord } from '../../records/store.ts';

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

/** Asks the kernel about all records at once, and one by one only when something is missing. */
async function missingRules(records: readonly AttachmentRecord[]): Promise<Map<string, string[]>> {
  const ready = records.filter((record) => record.state === 'ready' && isAlive(record));
  const missing = new Map<string, string[]>();
  if (ready.length === 0) return missing;
  try {
    if (await isAllInForce(ready)) return missing;
    for (const record of ready) {
      const [first, ...more] = await findMissing(record);
      if (first !== undefined)
        missing.set(record.key, [
          `its rules are not in force, missing: ${first}${more.length === 0 ? '' : ` and ${more.length} more`}`,
        ]);
    }
  } catch (error) {
    const why = error instanceof CniError ? error.message : String(error);
    for (const { key } of ready) missing.set(key, [`whether its rules are in force cannot be told: ${why}`]);
  }
  return missing;
}

async function isAllInForce(records: readonly AttachmentRecord[]): Promise<boolean> {
  const claims = records.map(desired);
  const groups = [...new Map(claims.flatMap((claim) => claim.groups).map((group) => [group.id, group])).values()];
  const { values, keys } = comparisonTexts([...resolve(claims).values()], groups);
  const outcomes = await Promise.all([values, keys].map(tryTransaction));
  return outcomes.every((outcome) => outcome === 'committed');
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
