import { CniError } from '../../cni/errors.ts';
import { isLinkThere } from '../../host/interfaces.ts';
import { openNetns } from '../../host/netns.ts';
import { isRunning } from '../../host/process.ts';
import { isAlive } from '../../records/alive.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { hostInterfacesOf, hostTapOf, mapSections } from '../../records/sections.ts';
import { listRecords, type BrokenRecord } from '../../records/store.ts';
import { upkeep } from '../../records/upkeep.ts';
import { byAge } from '../../records/age.ts';
import { waitsForEver } from '../../records/waiting.ts';
import type { Finding } from './finding.ts';
import { findMissingRules } from './missing-rules.ts';
import { unappliedPolicies } from './unapplied-policies.ts';

/**
 * An attachment by its record, and what is not as its record says: list, doctor, explain, graph and status rest on it.
 */
export interface Attachment {
  readonly record: AttachmentRecord;
  /** Whether its container is still there. */
  readonly isAlive: boolean;
  readonly findings: readonly Finding[];
}

export interface Survey {
  readonly attachments: readonly Attachment[];
  readonly broken: readonly BrokenRecord[];
}

/** Reads all records and compares each with links, namespaces and rules. Never throws for a broken record. */
export async function surveyAttachments(): Promise<Survey> {
  const { records, broken } = listRecords();
  const [rules, policies] = await Promise.all([missingRules(records), unappliedPolicies(records)]);
  const attachments = records.map((record) => {
    const alive = isAlive(record);
    const findings: Finding[] = alive
      ? [...troubles(record), ...(rules.get(record.key) ?? []), ...(policies.get(record.key) ?? [])]
      : [{ kind: 'ended', what: endedWords(record) }];
    return { record, isAlive: alive, findings };
  });
  return { attachments: attachments.toSorted(byPlace), broken };
}

/** Why an attachment is dead, in words. */
export function endedWords(record: AttachmentRecord): string {
  const { netns, state } = record;
  if (state === 'adding') return 'its ADD was cut short, and the process that did it is gone';
  const [port] = hostInterfacesOf(record);
  if (hostTapOf(record) !== undefined) return `its tap "${port}" is gone`;
  return port === undefined
    ? `its namespace "${netns}" is gone`
    : `its interface "${port}" and its namespace "${netns}" are gone`;
}

function troubles(record: AttachmentRecord): Finding[] {
  const glances = mapSections(record, (name, value) => upkeep[name].glance?.(value, record) ?? []).flat();
  return [...waitingTroubles(record), ...addTroubles(record), ...glances, ...netnsTroubles(record)];
}

function waitingTroubles(record: AttachmentRecord): Finding[] {
  if (!waitsForEver(record)) return [];
  return [{ kind: 'waiting', what: 'it waits for a policy that never came, and reaches nothing' }];
}

function addTroubles({ state, adder = '' }: AttachmentRecord): Finding[] {
  if (state !== 'adding') return [];
  const what = isRunning(adder) ? `process ${adder.split(':')[0]} is adding it` : 'its ADD was cut short';
  return [{ kind: 'adding', what }];
}

function netnsTroubles(record: AttachmentRecord): Finding[] {
  const { netns, netnsInode } = record;
  if (hostTapOf(record) !== undefined) return [];
  try {
    if (openNetns(netns).inode === netnsInode) return [];
    return [{ kind: 'namespace', what: `"${netns}" is another namespace now` }];
  } catch {
    // Runtimes that pin no namespace give a path of a process that may have ended before the container.
    if (hostInterfacesOf(record).some(isLinkThere)) return [];
    return [{ kind: 'namespace', what: `its namespace "${netns}" is gone` }];
  }
}

/** One sentence for each attachment whose rules are not in force. */
async function missingRules(records: readonly AttachmentRecord[]): Promise<Map<string, Finding[]>> {
  const ready = records.filter((record) => record.state === 'ready' && isAlive(record));
  try {
    const missing = await findMissingRules(ready);
    return new Map(
      [...missing].map(([key, what]) => [
        key,
        [{ kind: 'rules', what: `its rules are not in force, missing: ${what}` }],
      ]),
    );
  } catch (error) {
    const why = error instanceof CniError ? error.message : String(error);
    const what = `whether its rules are in force cannot be told: ${why}`;
    return new Map(ready.map(({ key }) => [key, [{ kind: 'unclear', what }]]));
  }
}

function byPlace({ record: one }: Attachment, { record: other }: Attachment): number {
  return one.network.localeCompare(other.network) || byAge(one, other) || one.ifname.localeCompare(other.ifname);
}
