import type { AttachmentRequest } from '../../cni/request.ts';
import { holdAttachment } from '../../records/attachment-lock.ts';
import { attachmentKey } from '../../records/key.ts';
import { readOwnRecord } from '../../records/store.ts';
import { isEnforced } from './enforce.ts';
import { removePolicy } from './remove.ts';

/** Removes the policy of an attachment, by its record alone; without one there is nothing to remove. */
export async function del({ id }: AttachmentRequest): Promise<void> {
  await holdAttachment(id, 'DEL', async () => {
    const record = readOwnRecord(attachmentKey(id));
    if (isEnforced(record)) await removePolicy(record);
  });
}
