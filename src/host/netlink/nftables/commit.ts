import { closeSync } from 'node:fs';
import { CniError, codes } from '../../../cni/errors.ts';
import type { Outcome } from '../../nft.ts';
import { strerror } from '../errno.ts';
import { openLibrary, protocols, type Kernel } from '../libc.ts';
import { decode, readNumber, type } from '../message.ts';
import { encodeBatch, type ElementChange } from './elements.ts';

/**
 * Commits changes of elements, whole or not at all, without a process; the same outcomes as applyTransaction() in
 * host/nft.ts. Undefined where this process cannot speak to the kernel: nothing was done.
 *
 * Throws {@link CniError} with code 100 when the kernel refuses.
 */
export function commitElements(changes: readonly ElementChange[]): Outcome | undefined {
  const kernel = openLibrary();
  const socket = kernel?.openSocket(undefined, protocols.netfilter);
  if (kernel === undefined || socket === undefined) return undefined;
  try {
    const errors = send(kernel, socket, encodeBatch(changes));
    const fatal = errors.find((errno) => errno !== 0 && !stale.has(errno));
    if (fatal !== undefined)
      throw new CniError(codes.commandFailed, `Cannot write rules: the kernel refuses elements: ${strerror(fatal)}`);
    if (errors.some((errno) => errno !== 0)) return 'stale';
    if (errors.length > 0) return 'committed';
    throw new CniError(codes.commandFailed, 'Cannot write rules: the kernel did not answer');
  } finally {
    closeSync(socket);
  }
}

/**
 * Something to delete or to add to is missing (ENOENT), another value is in the way (EEXIST), a chain is in use
 * (EBUSY).
 */
const stale: ReadonlySet<number> = new Set([2, 17, 16]);
const EMSGSIZE = 90;

/** Numbers of the errors, or 0 for an acknowledgement: the kernel has answered when it has taken a transaction. */
function send(kernel: Kernel, socket: number, batch: Uint8Array): number[] {
  if (!kernel.send(socket, batch)) return [EMSGSIZE];
  const found: number[] = [];
  for (let bytes = kernel.receive(socket); bytes !== undefined; bytes = kernel.receive(socket))
    for (const answer of decode(bytes))
      if (answer.type === type.error) found.push(-(readNumber(answer.payload, 0, 4) | 0));
  return found;
}
