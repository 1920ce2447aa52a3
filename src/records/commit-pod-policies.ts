import { commitChange } from '../dataplane/commit.ts';
import { transition } from '../dataplane/difference.ts';
import { isEmpty } from '../dataplane/transaction.ts';
import { withLock } from '../host/lock.ts';
import type { NodePolicies } from '../kubernetes/policy/node-policies.ts';
import { sharedByOthers } from './index-files.ts';
import { rebuildTables } from './in-force.ts';
import { claimOf, podClaim, podPolicies, writePodPolicies } from './pod-policies.ts';
import { listRecords } from './store.ts';

/**
 * Puts other policies in force, in one transaction: what changes, and nothing else. Before the first pod of a node
 * there are no tables, and those of the first ADD have it. Returns whether anything changed. After a failure everything
 * is as before. Throws code 100 when the rules cannot be written, 5 when the file cannot.
 */
export async function commitPodPolicies(next: NodePolicies): Promise<boolean> {
  return withLock('tables', 'put policies of pods', async () => {
    const before = podPolicies();
    const [previous] = podClaim();
    const claim = claimOf(next);
    const change = transition({
      previous,
      next: claim,
      rivals: [],
      isShared: (name) => sharedByOthers(name, ''),
    });
    if (JSON.stringify(next) === JSON.stringify(before)) return false;
    writePodPolicies(next);
    try {
      if (listRecords().records.length === 0 || isEmpty(change)) return true;
      // Elements that stay are not put again: there may be thousands.
      const kept = new Set((previous?.elements ?? []).map((element) => JSON.stringify(element)));
      const put = change.put.filter((element) => !kept.has(JSON.stringify(element)));
      if (!(await commitChange({ ...change, put }))) await rebuildTables();
      return true;
    } catch (error) {
      writePodPolicies(before);
      throw error;
    }
  });
}
