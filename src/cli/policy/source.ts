import { statSync } from 'node:fs';
import { CniError, codes } from '../../cni/errors.ts';
import { loadPolicy, parsePolicyText, policiesFolder, policyNames } from '../../egress/load-policy.ts';
import { withoutGrants } from '../../egress/grants.ts';
import type { Policy } from '../../egress/policy.ts';
import { formatOfFile } from '../../egress/policy-source.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { listRecords } from '../../records/store.ts';
import { readPolicy } from '../policy-check.ts';
import { findAttachments, UnknownContainer } from '../../repair/survey/find.ts';
import { grantsLeft, type RunningGrant } from '../../repair/survey/grants.ts';
import { shownName } from '../../repair/survey/container-names.ts';

/** A policy, and the words by which it was asked for. */
export interface NamedPolicy {
  readonly title: string;
  /** Without what is granted to a container on top of it. */
  readonly policy: Policy;
  /** What the container is granted for now, where one was asked for. */
  readonly grants?: readonly RunningGrant[];
}

/**
 * The policy that a person means: a file, "-" for stdin, the name of one in /etc/drawbridge/policies, or a container by
 * any of the names that {@link findAttachments} takes. Throws CniError when there is none, or it is invalid.
 */
export async function findPolicy(asked: string): Promise<NamedPolicy> {
  const records = process.getuid?.() === 0 ? listRecords().records : [];
  // A network namespace is a file too.
  const isNetns = records.some(({ netns }) => netns === asked);
  if (asked === '-' || /\.(?:json|ya?ml)$/.test(asked) || (asked.includes('/') && isFile(asked) && !isNetns))
    return { title: asked, policy: await readFrom(asked) };
  const names = await policyNames();
  if (names.includes(asked)) return { title: `policy ${asked}`, policy: await loadPolicy(asked) };
  if (records.length > 0) return policyOf(recordOf(asked, records, names));
  if (asked.includes('/')) return { title: asked, policy: await readFrom(asked) };
  return { title: `policy ${asked}`, policy: await loadPolicy(asked) };
}

async function readFrom(file: string): Promise<Policy> {
  return parsePolicyText(readPolicy(file), { what: `"${file}"`, format: formatOfFile(file) });
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

function recordOf(asked: string, records: readonly AttachmentRecord[], names: readonly string[]): AttachmentRecord {
  try {
    const [record] = findAttachments(asked, records);
    if (record !== undefined) return record;
  } catch (error) {
    if (!(error instanceof UnknownContainer)) throw error;
  }
  throw new CniError(
    codes.invalidConfig,
    `Cannot find "${asked}": it is no file, no policy in ${policiesFolder}, and no container`,
    `${names.length === 0 ? 'There are no named policies' : `The policies are ${names.map((name) => `"${name}"`).join(', ')}`}; "drawbridge list" shows the containers`,
  );
}

function policyOf(record: AttachmentRecord): NamedPolicy {
  const { containerId, egress } = record;
  if (egress === undefined)
    throw new CniError(
      codes.invalidConfig,
      `Cannot show a policy of container "${shownName(containerId)}": it has none`,
      'Nothing keeps it from any destination; "drawbridge list" shows which containers have one',
    );
  const { policy, policyName } = egress;
  const name = policyName === undefined ? '' : ` (${policyName})`;
  return {
    title: `policy of container ${shownName(containerId)}${name}`,
    policy: withoutGrants(policy),
    grants: grantsLeft(record),
  };
}
