import { CniError } from '../../cni/errors.ts';
import { idWithoutGrants } from '../../egress/grants.ts';
import { loadPolicy } from '../../egress/load-policy.ts';
import { policyId } from '../../egress/policy-id.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import type { Finding } from './finding.ts';

/**
 * Attachments, by their keys, whose named policy is not what its file says: the file is gone or invalid, and what it
 * said before is in force, or it changed and nobody applied it.
 */
export async function unappliedPolicies(records: readonly AttachmentRecord[]): Promise<Map<string, Finding[]>> {
  const names = new Set(records.flatMap(({ egress }) => egress?.policyName ?? []));
  const files = new Map(await Promise.all([...names].map(async (name) => [name, await readId(name)] as const)));
  return new Map(
    records.flatMap(({ key, egress }) => {
      const file = files.get(egress?.policyName ?? '');
      if (egress === undefined || file === undefined || file.id === idWithoutGrants(egress)) return [];
      const what = file.problem ?? `policy "${egress.policyName}" has changed in its file, and is not applied`;
      return [[key, [{ kind: 'policy', what }]] as const];
    }),
  );
}

async function readId(name: string): Promise<{ readonly id?: string; readonly problem?: string }> {
  try {
    return { id: policyId(await loadPolicy(name)) };
  } catch (error) {
    if (!(error instanceof CniError)) throw error;
    return { problem: `${error.message}; the policy as it was stays in force` };
  }
}
