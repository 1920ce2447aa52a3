import { combineErrors } from '../../cni/errors.ts';
import type { AttachmentRequest } from '../../cni/request.ts';
import { listLinks, readInterface } from '../../host/interfaces.ts';
import { isOwnNetns, netnsExists } from '../../host/netns.ts';
import { removeVeth } from '../../host/veth.ts';
import { hardwareAddressOf } from '../../links/hardware-address.ts';
import { attachmentKey, describeAttachment, hostInterfaceOf } from '../../records/key.ts';
import { readOwnRecord } from '../../records/store.ts';
import { removeAttachment } from './remove.ts';

/**
 * Disconnects a container. Works without namespace, prevResult and runtimeConfig, any number of times, and
 * after a crash at any point; every step is tried, and all errors are reported.
 */
export async function del(request: AttachmentRequest): Promise<void> {
  const { id } = request;
  const record = readOwnRecord(attachmentKey(id));
  const errors = await removeAttachment(request, record ?? id);
  await removeRenamed(request);
  const error = combineErrors(`remove ${describeAttachment(id)}`, errors);
  if (error !== undefined) throw error;
}

/**
 * The host's end of our pair is known by its name. Where somebody gave it another one, its MAC tells it, which is made of
 * that name, and that it and the container's interface are each other's other end. An interface that has the name
 * CNI_IFNAME and is not ours, of another network or of another plugin, is not ours to remove.
 */
async function removeRenamed({ id, netns }: AttachmentRequest): Promise<void> {
  if (!netnsExists(netns) || isOwnNetns(netns)) return;
  try {
    const ours = hostInterfaceOf(attachmentKey(id));
    const inside = await readInterface(id.ifname, { netns });
    if (inside?.kind !== 'veth') return;
    const outside = listLinks().find(
      ({ name, kind, mac, index, otherEnd }) =>
        kind === 'veth' &&
        name !== ours &&
        mac === hardwareAddressOf(ours) &&
        otherEnd === inside.index &&
        index === inside.otherEnd,
    );
    if (outside !== undefined) await removeVeth(outside.name);
  } catch {
    // It goes with the namespace.
  }
}
