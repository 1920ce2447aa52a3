/*
 * /var/lib/drawbridge/policies/  0700
 *   NAME.json    0600 { "version": 1, "text", "until" }
 *
 * "text" is what /etc/drawbridge/policies/NAME.json was before the last "policy apply", or null where there was none;
 * "until" is when the agent puts it back, in milliseconds since 1970, or absent.
 */
import { rmSync } from 'node:fs';
import { listReadable, replaceFile } from '../../host/files.ts';
import { stateDir } from '../../host/paths.ts';
import { checkPolicyName } from '../../egress/conf.ts';
import { readRegularFile } from '../../egress/load-file.ts';
import { longestPolicy, policiesFolder } from '../../egress/load-policy.ts';

/** What a policy's file was before the last change that was made by a command. */
export interface PreviousPolicy {
  readonly name: string;
  /** Null where there was no file. */
  readonly text: string | null;
  /** When the agent puts it back; milliseconds since 1970. */
  readonly until?: number;
}

const folder = `${stateDir}/policies`;

/** The text of a named policy's file; null where there is none. Throws what the system says otherwise. */
export function policyText(name: string): string | null {
  return readOrNull(`${policiesFolder}/${checkPolicyName(name, 'policy')}.json`);
}

/** Undefined where no command ever changed it. */
export function previousPolicy(name: string): PreviousPolicy | undefined {
  try {
    const text = readOrNull(`${folder}/${checkPolicyName(name, 'policy')}.json`);
    if (text === null) return undefined;
    const known = JSON.parse(text) as { version?: unknown; text?: unknown; until?: unknown };
    if (known.version !== 1 || !(typeof known.text === 'string' || known.text === null)) return undefined;
    return { name, text: known.text, ...(typeof known.until === 'number' ? { until: known.until } : {}) };
  } catch {
    return undefined;
  }
}

/** Those that are to be put back at some time. */
export function passingPolicies(): PreviousPolicy[] {
  return listReadable(folder)
    .filter((file) => file.endsWith('.json') && !file.startsWith('.'))
    .flatMap((file) => previousPolicy(file.slice(0, -'.json'.length)) ?? [])
    .filter(({ until }) => until !== undefined);
}

/**
 * Writes the file of a named policy whole, or removes it with null, and remembers what it was. Throws what the system
 * says.
 */
export function putPolicy(name: string, text: string | null, until?: number): void {
  const file = `${policiesFolder}/${checkPolicyName(name, 'policy')}.json`;
  const remembered = { version: 1, text: policyText(name), ...(until === undefined ? {} : { until }) };
  replaceFile(`${folder}/${name}.json`, `${JSON.stringify(remembered)}\n`);
  if (text === null) rmSync(file, { force: true });
  else replaceFile(file, text, { mode: 0o644, folderMode: 0o755 });
}

function readOrNull(file: string): string | null {
  try {
    return readRegularFile(file, longestPolicy);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
