import { existsSync } from 'node:fs';
import { loadPolicy, parsePolicyText, policyNames } from '../../egress/load-policy.ts';
import type { Policy } from '../../egress/policy.ts';
import { listRecords } from '../../records/store.ts';
import { readPolicy } from '../policy-check.ts';
import { findAttachments } from '../survey/find.ts';

/** A policy, and the words by which it was asked for. */
export interface NamedPolicy {
  readonly title: string;
  readonly policy: Policy;
}

/**
 * The policy that a person means: a file (anything with a slash or ".json"), the name of one in
 * /etc/drawbridge/policies, or that of a container. Throws CniError when there is none, or it is invalid.
 */
export async function findPolicy(asked: string): Promise<NamedPolicy> {
  if (asked.includes('/') || asked.endsWith('.json') || asked === '-')
    return { title: asked, policy: parsePolicyText(readPolicy(asked), `"${asked}"`) };
  if ((await policyNames()).includes(asked)) return { title: `policy ${asked}`, policy: await loadPolicy(asked) };
  const records = process.getuid?.() === 0 && existsSync('/run/drawbridge/attachments') ? listRecords().records : [];
  const isContainer = records.some(({ containerId }) => containerId.startsWith(asked));
  if (!isContainer) return { title: `policy ${asked}`, policy: await loadPolicy(asked) };
  const [record] = findAttachments(asked, records);
  if (record?.egress === undefined) return { title: `policy ${asked}`, policy: await loadPolicy(asked) };
  const { policyName } = record.egress;
  return {
    title: `policy of container ${record.containerId}${policyName === undefined ? '' : ` (${policyName})`}`,
    policy: record.egress.policy,
  };
}
