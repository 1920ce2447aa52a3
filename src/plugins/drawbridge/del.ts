import { combineErrors } from '../../cni/errors.ts';
import type { AttachmentRequest } from '../../cni/request.ts';
import { isOwnNetns, netnsExists } from '../../host/netns.ts';
import { removeContainerInterface } from '../../host/veth.ts';
import { attachmentKey, describeAttachment } from '../../records/key.ts';
import { readOwnRecord } from '../../records/store.ts';
import { removeAttachment } from './remove.ts';

/**
 * Disconnects a container. Works without namespace, prevResult and runtimeConfig, any number of times, and
 * after a crash at any point; every step is tried, and all errors are reported.
 */
export async function del(request: AttachmentRequest): Promise<void> {
  const { id, netns } = request;
  const record = readOwnRecord(attachmentKey(id));
  const errors = await removeAttachment(request, record ?? id);
  // An interface that another plugin made under this name: a network that was moved to us while it was in use.
  if (record === undefined && netnsExists(netns) && !isOwnNetns(netns)) {
    await removeContainerInterface(netns, id.ifname).catch((error: unknown) => errors.push(error));
  }
  const error = combineErrors(`remove ${describeAttachment(id)}`, errors);
  if (error !== undefined) throw error;
}
