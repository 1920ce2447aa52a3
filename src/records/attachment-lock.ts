import { CniError, codes } from '../cni/errors.ts';
import type { AttachmentId } from '../cni/request.ts';
import { withLock } from '../host/lock.ts';
import { attachmentKey, describeAttachment } from './key.ts';
import type { AttachmentRecord } from './record.ts';

/** Locks of attachments begin with this; what follows is the attachment's key. */
const attachmentLockPrefix = 'attachment-';

/**
 * Runs a verb of one attachment after every other verb of the same attachment that is under way: runtimes send a DEL
 * while the ADD still runs. Taken before every other lock.
 *
 * It keeps the order. Who holds it for so long that somebody takes it for abandoned (host/lock.ts) finds that out by
 * {@link requireSameAdd}. Throws code 11 when the other verb does not come to an end.
 */
export async function holdAttachment<T>(id: AttachmentId, verb: string, work: () => Promise<T>): Promise<T> {
  const name = `${attachmentLockPrefix}${attachmentKey(id)}`;
  return withLock(name, `${verb} ${id.containerId} ${id.ifname}`, work);
}

/**
 * Whether two records come from the same ADD: between two of one attachment it may have been removed and added again.
 */
export function isSameAdd(one: AttachmentRecord, other: AttachmentRecord): boolean {
  return one.key === other.key && one.createdAt === other.createdAt && one.adder === other.adder;
}

/** Throws code 11 when the record that is there now is not of the ADD that made `own`. */
export function requireSameAdd(found: AttachmentRecord | undefined, own: AttachmentRecord): void {
  if (found !== undefined && isSameAdd(found, own)) return;
  const what = found === undefined ? 'removed it' : 'removed it and added it again';
  throw new CniError(
    codes.tryAgainLater,
    `Cannot go on with ${describeAttachment(own)}: another process ${what} meanwhile`,
    'Send a DEL, then add the container again',
  );
}
