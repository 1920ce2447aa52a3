import { statSync } from 'node:fs';
import { CniError } from '../cni/errors.ts';
import { idWithoutGrants } from '../egress/grants.ts';
import { loadPolicy, policiesFolder, policyNames } from '../egress/load-policy.ts';
import { findPolicyFile } from '../egress/load-policy-file.ts';
import { policyId } from '../egress/policy-id.ts';
import type { AttachmentRecord } from '../records/record.ts';
import { listRecords } from '../records/store.ts';
import type { Invocation } from './command.ts';
import { localTime } from './flows/line.ts';
import { printTable } from './table.ts';
import { printJson, type Terminal } from './terminal.ts';

interface ListedPolicy {
  readonly name: string;
  /** null: the file cannot be used. */
  readonly mode: string | null;
  /** Containers that are under it, and of those how many are not yet under what the file says. */
  readonly containers: number;
  readonly pending: number;
  readonly problem: string | null;
  /** ISO 8601: when its file was changed last; null where there is none. */
  readonly changed: string | null;
}

/**
 * Named policies: those that have a file, and those that containers are under without one. Exit status 1 when one
 * cannot be used.
 */
export async function run({ options }: Invocation, terminal: Terminal): Promise<number> {
  const records = process.getuid?.() === 0 ? listRecords().records : [];
  const used = records.flatMap(({ egress }) => egress?.policyName ?? []);
  const names = [...new Set([...(await policyNames()), ...used])].toSorted();
  const listed = await Promise.all(names.map(async (name) => describe(name, records)));
  if (options['json'] === true) printJson(terminal, listed);
  else if (listed.length === 0) terminal.out('There is no named policy.');
  else print(listed, terminal);
  return listed.some(({ problem }) => problem !== null) ? 1 : 0;
}

async function describe(name: string, records: readonly AttachmentRecord[]): Promise<ListedPolicy> {
  const under = records.filter(({ egress }) => egress?.policyName === name);
  const containers = new Set(under.map(({ containerId }) => containerId)).size;
  const changed = changedAt(name);
  try {
    const policy = await loadPolicy(name);
    const id = policyId(policy);
    const pending = under.filter(({ egress }) => egress === undefined || idWithoutGrants(egress) !== id);
    return {
      name,
      mode: policy.audit ? `${policy.mode}, audit` : policy.mode,
      containers,
      pending: new Set(pending.map(({ containerId }) => containerId)).size,
      problem: null,
      changed,
    };
  } catch (error) {
    if (!(error instanceof CniError)) throw error;
    return { name, mode: null, containers, pending: 0, problem: error.message, changed };
  }
}

/** Of the file of a policy; null where there is none, or two. */
function changedAt(name: string): string | null {
  try {
    const found = findPolicyFile(name, policiesFolder);
    return found === undefined ? null : statSync(found.file).mtime.toISOString();
  } catch {
    return null;
  }
}

function print(listed: readonly ListedPolicy[], terminal: Terminal): void {
  const { paint } = terminal;
  printTable(
    terminal,
    [
      { title: 'POLICY' },
      { title: 'MODE' },
      { title: 'CONTAINERS', align: 'right' },
      { title: 'PENDING', align: 'right' },
      { title: 'CHANGED' },
      { title: 'VALID', narrowest: 24 },
    ],
    listed.map(({ name, mode, containers, pending, problem, changed }) => [
      name,
      mode ?? '-',
      String(containers),
      pending === 0 ? '0' : paint.warn(String(pending)),
      changed === null ? '-' : localTime(changed),
      problem === null ? 'yes' : paint.bad(problem),
    ]),
  );
}
