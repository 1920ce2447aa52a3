import { CniError, codes } from '../cni/errors.ts';
import type { AttachmentRequest } from '../cni/request.ts';
import { isOwnNetns, openNetns } from '../host/netns.ts';
import { isRunning, processIdentity } from '../host/process.ts';
import { uptime } from '../host/uptime.ts';
import { isAttached } from '../records/alive.ts';
import { attachmentKey, describeAttachment } from '../records/key.ts';
import type { AttachmentRecord } from '../records/record.ts';
import { hostTapOf } from '../records/sections.ts';
import { readSoundRecord } from '../records/store.ts';
import { labelsOf } from './labels.ts';

/**
 * The record with which an ADD begins: without a namespace for a guest behind a tap on the host. Throws code 8 when the
 * namespace is not there.
 */
export function beginRecord(request: AttachmentRequest): AttachmentRecord {
  const { id, netns } = request;
  const place = isOnHost(request) ? { netns: '', netnsInode: '' } : { netns, netnsInode: openNetns(netns).inode };
  return {
    version: 2,
    ...id,
    key: attachmentKey(id),
    ...place,
    createdAt: new Date().toISOString(),
    createdUptime: uptime(),
    state: 'adding',
    ...labelsOf(request),
    adder: processIdentity(process.pid),
  };
}

/**
 * Whether a request is about a guest behind a tap on this host: CNI_NETNS is the host's own namespace, or there is
 * none, and the conf asks for such a tap, the result tells of a guest, or the record of the attachment has one.
 */
export function isOnHost({ config, id, netns, prevResult }: AttachmentRequest): boolean {
  if (netns !== '' && !isOwnNetns(netns)) return false;
  const { tap } = config.raw;
  if (typeof tap === 'object' && tap !== null && 'onHost' in tap && tap.onHost === true) return true;
  if (prevResult?.interfaces.some(({ sandbox }) => sandbox === id.containerId) === true) return true;
  const record = readSoundRecord(attachmentKey(id));
  return record !== undefined && hostTapOf(record) !== undefined;
}

/**
 * What an ADD finds of an earlier one for the same attachment: nothing, or a leftover to be removed first
 * (its namespace was replaced without a DEL, or it was killed half way).
 *
 * Throws code 102 when the attachment stands, and code 11 when another process is making it now.
 */
export function refuseStanding(previous: AttachmentRecord, next: AttachmentRecord): void {
  const isFinished = previous.state === 'ready' && previous.unfinished !== true;
  if (isFinished && previous.netnsInode === next.netnsInode && isAttached(previous)) {
    throw new CniError(
      codes.conflict,
      next.netns === ''
        ? `Cannot add ${describeAttachment(next)}: its tap is there already`
        : `Cannot add ${describeAttachment(next)}: container veth name ("${next.ifname}") already exists in "${next.netns}"`,
      'An interface is added once; send a DEL before the next ADD, or choose another CNI_IFNAME',
    );
  }
  if (!isFinished && previous.adder !== undefined && previous.adder !== next.adder && isRunning(previous.adder)) {
    throw new CniError(
      codes.tryAgainLater,
      `Cannot add ${describeAttachment(next)}: process ${previous.adder.split(':')[0]} is adding it`,
      'Wait for that ADD to end',
    );
  }
}
