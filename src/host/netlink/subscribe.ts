import { closeSync } from 'node:fs';
import { openLibrary } from './libc.ts';
import { decode, type Answer } from './message.ts';

/** Which changes are to be told: groups of a netlink protocol (libc.ts, {@link protocols}). */
export interface Subscription {
  readonly protocol: number;
  readonly groups: readonly number[];
}

export interface Subscriber {
  /** Messages, in the order in which the kernel sent them. */
  readonly onMessages: (messages: readonly Answer[]) => void;
  /**
   * Nothing is told any more, for this reason: the kernel had more to tell than there was room for (ENOBUFS), or an
   * error.
   */
  readonly onEnd: (reason: string) => void;
}

/**
 * Has the kernel tell of changes from now on; undefined where this process cannot speak to it.
 *
 * The runtime's own event loop waits for the socket, which costs nothing while nothing comes. A timer that asks every
 * 10 ms takes 6 ms of CPU time a second, measured; a thread that waits in recv() takes a runtime of its own.
 */
export async function subscribe(
  { protocol, groups }: Subscription,
  { onMessages, onEnd }: Subscriber,
): Promise<{ close(): void } | undefined> {
  const { Bun: runtime } = globalThis as { Bun?: Runtime };
  const socket = runtime === undefined ? undefined : openLibrary()?.openListener(protocol, groups);
  if (runtime === undefined || socket === undefined) return undefined;
  let isOpen = true;
  const end = (reason: string): void => {
    if (isOpen) onEnd(reason);
    isOpen = false;
  };
  try {
    const connection = await runtime.connect({
      fd: socket,
      socket: {
        data: (_, bytes) => onMessages(decode(bytes)),
        close: (_, error) => end(error?.code ?? 'the socket was closed'),
        error: (_, error) => end(error.code ?? error.message),
      },
    });
    return {
      close: () => {
        isOpen = false;
        connection.terminate();
      },
    };
  } catch {
    closeSync(socket);
    return undefined;
  }
}

/** What this uses of Bun (bun.com/docs/runtime/networking/tcp): a socket that is open already joins the event loop. */
interface Runtime {
  connect(options: {
    readonly fd: number;
    readonly socket: {
      data(socket: unknown, bytes: Uint8Array): void;
      close(socket: unknown, error?: NodeJS.ErrnoException): void;
      error(socket: unknown, error: NodeJS.ErrnoException): void;
    };
  }): Promise<{ terminate(): void }>;
}
