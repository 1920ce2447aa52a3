import { combineErrors } from '../../cni/errors.ts';
import type { GcRequest } from '../../cni/request.ts';
import { removeSection } from '../../records/remove.ts';
import { collectAttachments } from '../collect.ts';

/**
 * Removes the policies of attachments of this network that are not in the runtime's list; without a list those of
 * containers that are provably gone. What our interface plugin made is removed by its own GC, policy and all.
 */
export async function gc(request: GcRequest): Promise<void> {
  const errors = await collectAttachments(request, async (record) => {
    await removeSection(record, 'egress');
  });
  const error = combineErrors(`collect garbage of network "${request.config.name}"`, errors);
  if (error !== undefined) throw error;
}
