/**
 * What the agent of a cluster last put in force for the pods of this node:
 *
 *   /run/drawbridge/cluster/policies.json     NodePolicies (kubernetes/policy/node-policies.ts)
 *
 * Whoever writes our tables anew reads it, so that they hold what they held: without an agent, and without an API
 * server.
 */
import { statSync } from 'node:fs';
import { CniError, codes } from '../cni/errors.ts';
import { sharedOf, type Claim } from '../dataplane/difference.ts';
import { compilePodPolicies } from '../dataplane/pods/compile.ts';
import { runDir } from '../host/paths.ts';
import { readText, writeWhole } from '../host/state-file.ts';
import type { NodePolicies } from '../kubernetes/policy/node-policies.ts';

const file = `${runDir}/cluster/policies.json`;

const nothing: NodePolicies = { pods: [], profiles: [] };

let known: { readonly stamp: string; readonly policies: NodePolicies; readonly claim: Claim | undefined } | undefined;

/** What it claims of our tables, beside what records claim; none on a host that is no node of a cluster. */
export function podClaim(): Claim[] {
  const { claim } = read();
  return claim === undefined ? [] : [claim];
}

/** What was last put in force. */
export function podPolicies(): NodePolicies {
  return read().policies;
}

/** Whether a shared name (index-files.ts) is claimed by it. */
export function sharesPodRules(name: string): boolean {
  const { claim } = read();
  return claim !== undefined && sharedOf(claim).includes(name);
}

/** Replaces it; throws code 5. Called under the lock of the tables. */
export function writePodPolicies(policies: NodePolicies): void {
  writeWhole(file, JSON.stringify(policies), `Cannot write "${file}"`);
  known = undefined;
}

/** What policies claim of our tables. */
export function claimOf(policies: NodePolicies): Claim {
  return { key: 'cluster', madeAt: 0, createdAt: '', ...compilePodPolicies(policies) };
}

function read(): NonNullable<typeof known> {
  const stats = statSync(file, { throwIfNoEntry: false });
  const stamp = stats === undefined ? '' : `${stats.ino} ${stats.mtimeMs} ${stats.size}`;
  if (known?.stamp === stamp) return known;
  const text = stats === undefined ? undefined : readText(file);
  const policies = text === undefined ? nothing : parse(text);
  known = { stamp, policies, claim: stamp === '' ? undefined : claimOf(policies) };
  return known;
}

function parse(text: string): NodePolicies {
  try {
    return JSON.parse(text) as NodePolicies;
  } catch (error) {
    throw new CniError(
      codes.ioFailure,
      `Cannot read "${file}": it is not whole`,
      'Remove it and start the agent anew: pods pass nothing until it has written it',
      { cause: error },
    );
  }
}
