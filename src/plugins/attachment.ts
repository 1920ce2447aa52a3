import { CniError, codes } from '../cni/errors.ts';
import type { AttachmentRequest } from '../cni/request.ts';
import { openNetns } from '../host/netns.ts';
import { isRunning, processIdentity } from '../host/process.ts';
import { uptime } from '../host/uptime.ts';
import { isAttached } from '../records/alive.ts';
import { attachmentKey, describeAttachment } from '../records/key.ts';
import type { AttachmentRecord } from '../records/record.ts';
import { labelsOf } from './labels.ts';

/** The record with which an ADD begins. Throws code 8 when the namespace is not there. */
export function beginRecord(request: AttachmentRequest): AttachmentRecord {
  const { id, netns } = request;
  return {
    version: 2,
    ...id,
    key: attachmentKey(id),
    netns,
    netnsInode: openNetns(netns).inode,
    createdAt: new Date().toISOString(),
    createdUptime: uptime(),
    state: 'adding',
    ...labelsOf(request),
    adder: processIdentity(process.pid),
  };
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
      `Cannot add ${describeAttachment(next)}: container veth name ("${next.ifname}") already exists in "${next.netns}"`,
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
