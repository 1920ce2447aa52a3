import { delegateDel, delegationOf } from '../../cni/delegate.ts';
import { combineErrors } from '../../cni/errors.ts';
import type { AttachmentRequest } from '../../cni/request.ts';
import { listLinks, readInterface } from '../../host/interfaces.ts';
import { isOwnNetns, netnsExists } from '../../host/netns.ts';
import { removeVeth } from '../../host/veth.ts';
import { ipamOf } from '../../ipam/conf-of-request.ts';
import { release } from '../../ipam/leases.ts';
import { defaultDataDir } from '../../ipam/ranges.ts';
import { hardwareAddressOf } from '../../links/hardware-address.ts';
import { holdAttachment } from '../../records/attachment-lock.ts';
import { attachmentKey, describeAttachment, hostInterfaceOf, hostTapNameOf } from '../../records/key.ts';
import { carryOut, removeAttachment } from '../../records/remove.ts';
import { isTapOf } from '../../records/own-tap.ts';
import { readOwnRecord } from '../../records/store.ts';

/**
 * Disconnects a container. Works without namespace, prevResult and runtimeConfig, any number of times, and
 * after a crash at any point; every step is tried, and all errors are reported.
 */
export async function del(request: AttachmentRequest): Promise<void> {
  await holdAttachment(request.id, 'DEL', async () => disconnect(request));
}

async function disconnect(request: AttachmentRequest): Promise<void> {
  const { id } = request;
  const record = readOwnRecord(attachmentKey(id));
  const errors = record === undefined ? await removeUnrecorded(request) : await removeAttachment(record, request);
  await removeUnnamed(request);
  const error = combineErrors(`remove ${describeAttachment(id)}`, errors);
  if (error !== undefined) throw error;
}

/** Without a record, what follows from the attachment's name and from what we are told is removed. */
async function removeUnrecorded(request: AttachmentRequest): Promise<unknown[]> {
  const { id } = request;
  const { type, dataDir = defaultDataDir } = ipamOf(request);
  const isDelegated = type !== '' && type !== 'host-local';
  const key = attachmentKey(id);
  return carryOut(key, {
    close: [],
    delegate: isDelegated ? [async () => delegateDel(delegationOf(request, type))] : [],
    unlink: [async () => removeVeth(hostInterfaceOf(key)), async () => removeUnrecordedTap(request, key)],
    // Every lease of the network is looked at.
    release: type === 'host-local' ? [() => release(dataDir, id)] : [],
    forget: [],
  });
}

/** A tap of ours on the host, by its name, that no other attachment has. */
async function removeUnrecordedTap({ config }: AttachmentRequest, key: string): Promise<void> {
  const { tap } = config.raw;
  const told = typeof tap === 'object' && tap !== null && 'name' in tap ? String(tap.name) : hostTapNameOf(key);
  if (isTapOf(told, key)) await removeVeth(told);
}

/**
 * The host's end of our pair is known by its name. Where somebody gave it another one, its MAC tells it, which is made
 * of that name, and that it and the container's interface are each other's other end. What the reference plugin made,
 * in a network that was moved to us while it was in use, is told by prevResult. An interface that merely has the name
 * CNI_IFNAME, of another network or of another plugin, is not ours to remove.
 */
async function removeUnnamed({ id, netns, prevResult }: AttachmentRequest): Promise<void> {
  if (!netnsExists(netns) || isOwnNetns(netns)) return;
  try {
    const ours = hostInterfaceOf(attachmentKey(id));
    const inside = await readInterface(id.ifname, { netns });
    if (inside?.kind !== 'veth') return;
    const ends = prevResult?.interfaces ?? [];
    const isTold = ends.some(({ name, sandbox, mac }) => name === id.ifname && sandbox === netns && mac === inside.mac);
    const outside = listLinks().find(
      ({ name, kind, mac, index, otherEnd }) =>
        kind === 'veth' &&
        name !== ours &&
        (mac === hardwareAddressOf(ours) || (isTold && ends.some((end) => end.name === name && end.mac === mac))) &&
        otherEnd === inside.index &&
        index === inside.otherEnd,
    );
    if (outside !== undefined) await removeVeth(outside.name);
  } catch {
    // It goes with the namespace.
  }
}
