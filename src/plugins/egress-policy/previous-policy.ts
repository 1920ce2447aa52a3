/*
 * /var/lib/drawbridge/policies/  0700
 *   NAME.json    0600 { "version": 1, "text", "format", "passes": { "since", "milliseconds" } }
 *
 * "text" is what the file of NAME in /etc/drawbridge/policies was before the last "policy apply", or null where there
 * was none; "format" is what it is written in, JSON where it does not say;
 * "passes" is for how long the new one holds before the agent puts that back, or absent.
 */
import { rmSync } from 'node:fs';
import { listReadable, replaceFile } from '../../host/files.ts';
import { stateDir } from '../../host/paths.ts';
import { sinceBoot, stampNow, uptime, type Stamp } from '../../host/uptime.ts';
import { checkPolicyName } from '../../egress/conf.ts';
import { readRegularFile } from '../../egress/load-file.ts';
import { CniError, codes } from '../../cni/errors.ts';
import { findPolicyFile } from '../../egress/load-policy-file.ts';
import type { PolicyFormat } from '../../egress/policy-source.ts';
import { longestPolicy, policiesFolder } from '../../egress/load-policy.ts';

/** What a policy's file was before the last change that was made by a command. */
export interface PreviousPolicy {
  readonly name: string;
  /** Null where there was no file. */
  readonly text: string | null;
  readonly format: PolicyFormat;
  /** For how long the new one holds; absent where it stays. */
  readonly passes?: PassingTime;
}

/** A time that began at a moment. It goes on by the time since boot, so that nobody makes it longer by a clock. */
interface PassingTime {
  readonly since: Stamp;
  readonly milliseconds: number;
}

const folder = `${stateDir}/policies`;

/** The text of a named policy's file; null where there is none. Throws what the system says otherwise. */
export function policyText(name: string): string | null {
  const found = findPolicyFile(name, policiesFolder);
  return found === undefined ? null : readOrNull(found.file);
}

/** What a named policy is written in; undefined where there is none. */
export function policyFormat(name: string): PolicyFormat | undefined {
  return findPolicyFile(name, policiesFolder)?.format;
}

/** Undefined where no command ever changed it. */
export function previousPolicy(name: string): PreviousPolicy | undefined {
  try {
    const text = readOrNull(`${folder}/${checkPolicyName(name, 'policy')}.json`);
    if (text === null) return undefined;
    const known = JSON.parse(text) as { version?: unknown; text?: unknown; format?: unknown; passes?: PassingTime };
    if (known.version !== 1 || !(typeof known.text === 'string' || known.text === null)) return undefined;
    const format = known.format === 'yaml' ? 'yaml' : 'json';
    return { name, text: known.text, format, ...(known.passes === undefined ? {} : { passes: known.passes }) };
  } catch {
    return undefined;
  }
}

/**
 * Those whose new policy has held for its time, and which are to be put back. Where a clock that was set back hides how
 * long ago it began, in an earlier boot, its time is over.
 */
export function passedPolicies(): PreviousPolicy[] {
  return listReadable(folder)
    .filter((file) => file.endsWith('.json') && !file.startsWith('.'))
    .flatMap((file) => previousPolicy(file.slice(0, -'.json'.length)) ?? [])
    .filter(({ passes }) => passes !== undefined && isOver(passes));
}

function isOver({ since, milliseconds }: PassingTime): boolean {
  const began = sinceBoot(since);
  return began === undefined || uptime() - began >= milliseconds;
}

/**
 * Writes the file of a named policy whole, or removes it with null, and remembers what it was; with `milliseconds` it
 * goes back after them. Throws code 4 where the policy is written in another format, and what the system says.
 */
export function putPolicy(
  name: string,
  text: string | null,
  { format, milliseconds }: { readonly format: PolicyFormat; readonly milliseconds?: number | undefined },
): void {
  const before = findPolicyFile(name, policiesFolder);
  // Between two files there would be a moment with both, or with none.
  if (text !== null && before !== undefined && before.format !== format)
    throw new CniError(
      codes.conflict,
      `Cannot put ${format.toUpperCase()} in the place of "${before.file}"`,
      `Write the policy in ${before.format.toUpperCase()}, or remove that file first`,
    );
  const passes = milliseconds === undefined ? {} : { passes: { since: stampNow(), milliseconds } };
  const remembered = { version: 1, text: policyText(name), format: before?.format ?? format, ...passes };
  replaceFile(`${folder}/${name}.json`, `${JSON.stringify(remembered)}\n`);
  if (text !== null) replaceFile(`${policiesFolder}/${name}.${format}`, text, { mode: 0o644, folderMode: 0o755 });
  else if (before !== undefined) rmSync(before.file, { force: true });
}

function readOrNull(file: string): string | null {
  try {
    return readRegularFile(file, longestPolicy);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
