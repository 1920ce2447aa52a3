import { CniError, codes } from '../../../cni/errors.ts';
import { KernelLacks, notPermitted, type Outcome } from '../../nft.ts';
import { errnos, strerror } from '../errno.ts';
import { netfilterHere } from '../conversation.ts';
import { readNumber, type } from '../message.ts';
import { encodeBatch, type RulesetChange } from './batch.ts';

/**
 * Commits changes, whole or not at all, without a process; the same outcomes as applyTransaction() in host/nft.ts.
 * Undefined where it is not known that this was done: this process cannot speak to the kernel, there is more than one
 * message may hold, or the kernel's answer was lost. Whoever then commits the same by nft has either outcome told.
 *
 * Throws {@link CniError} with code 100 when the kernel refuses.
 */
export function commitRuleset(changes: readonly RulesetChange[]): Outcome | undefined {
  // Errors, or 0 for an acknowledgement: the kernel has answered when it has taken a transaction.
  const errors = (netfilterHere()?.exchange(encodeBatch(changes)) ?? []).flatMap((answer) =>
    answer.type === type.error ? [-(readNumber(answer.payload, 0, 4) | 0)] : [],
  );
  const fatal = errors.find((errno) => errno !== 0 && errno !== errnos.ENFILE && !stale.has(errno));
  if (fatal !== undefined) throw refusal(fatal);
  // A set has as many elements as it may.
  if (errors.includes(errnos.ENFILE)) return 'full';
  if (errors.some((errno) => errno !== 0)) return 'stale';
  return errors.length > 0 ? 'committed' : undefined;
}

/**
 * Something to delete or to add to is missing (ENOENT), another value is in the way (EEXIST), a chain is in use
 * (EBUSY).
 */
const stale: ReadonlySet<number> = new Set([errnos.ENOENT, errnos.EEXIST, errnos.EBUSY]);

function refusal(errno: number): CniError {
  if (errno === errnos.EPERM || errno === errnos.EACCES) return notPermitted();
  if (errno === errnos.EOPNOTSUPP) return new KernelLacks(strerror(errno));
  return new CniError(codes.commandFailed, `Cannot write rules: the kernel refuses them: ${strerror(errno)}`);
}
