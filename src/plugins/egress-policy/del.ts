import type { AttachmentRequest } from '../../cni/request.ts';
import { holdAttachment } from '../../records/attachment-lock.ts';
import { attachmentKey } from '../../records/key.ts';
import { removeSection } from '../../records/remove.ts';
import { readOwnRecord } from '../../records/store.ts';

/** Removes the policy of an attachment, by its record alone; without one there is nothing to remove. */
export async function del({ id }: AttachmentRequest): Promise<void> {
  await holdAttachment(id, 'DEL', async () => {
    const record = readOwnRecord(attachmentKey(id));
    if (record !== undefined) await removeSection(record, 'egress');
  });
}
