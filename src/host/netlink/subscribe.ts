import { closeSync, fstatSync, readFileSync } from 'node:fs';
import { throwIfRefused } from './conversation.ts';
import { openLibrary, type Kernel } from './libc.ts';
import { decode, encode, flag, type, type Answer, type Request } from './message.ts';

/** Which changes are to be told: groups of a netlink protocol (libc.ts, {@link protocols}). */
export interface Subscription {
  readonly protocol: number;
  readonly groups: readonly number[];
  /** What the kernel is asked for at that socket before it tells anything. */
  readonly setup?: readonly Request[];
  /** What there is no room for is dropped and counted, and the telling goes on. */
  readonly isLossy?: boolean;
  /** Messages that are read at once, where as many wait: one by default. The event loop takes longer for each. */
  readonly together?: number;
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

export interface OpenSubscription {
  close(): void;
  /** Says something to the kernel that it does not answer; false when it did not take it. */
  send(message: Uint8Array): boolean;
  /** Messages that the kernel dropped for want of room since it was opened; undefined where it does not say. */
  dropped(): number | undefined;
}

/**
 * Has the kernel tell of changes from now on; undefined where this process cannot speak to it. Rejects with a
 * `RefusedError` when the kernel does not take the set-up.
 *
 * The runtime's own event loop waits for the socket, which costs nothing while nothing comes. A timer that asks every
 * 10 ms takes 6 ms of CPU time a second, measured; a thread that waits in recv() takes a runtime of its own.
 */
export async function subscribe(
  { protocol, groups, setup = [], isLossy = false, together = 1 }: Subscription,
  { onMessages, onEnd }: Subscriber,
): Promise<OpenSubscription | undefined> {
  const { Bun: runtime } = globalThis as { Bun?: Runtime };
  const kernel = runtime === undefined ? undefined : openLibrary();
  const socket = kernel?.openListener(protocol, groups, { isLossy });
  if (runtime === undefined || kernel === undefined || socket === undefined) return undefined;
  let isOpen = true;
  const end = (reason: string): void => {
    if (isOpen) onEnd(reason);
    isOpen = false;
  };
  try {
    setup.forEach((request, index) => configure(kernel, { socket, request, sequence: index + 1, onMessages }));
  } catch (error) {
    closeSync(socket);
    throw error;
  }
  const inode = String(fstatSync(socket).ino);
  try {
    const connection = await runtime.connect({
      fd: socket,
      socket: {
        data: (_, bytes) => {
          onMessages(decode(bytes));
          for (let read = 1; read < together; read += 1) {
            const more = kernel.receive(socket);
            if (more === undefined) return;
            onMessages(decode(more));
          }
        },
        close: (_, error) => end(error?.code ?? 'the socket was closed'),
        error: (_, error) => end(error.code ?? error.message),
      },
    });
    return {
      close: () => {
        isOpen = false;
        connection.terminate();
      },
      send: (message) => kernel.send(socket, message),
      dropped: () => droppedOf(inode),
    };
  } catch {
    closeSync(socket);
    return undefined;
  }
}

/** Asks for one thing and waits for the answer, which is there when send(2) returns. */
function configure(
  kernel: Kernel,
  {
    socket,
    request,
    sequence,
    onMessages,
  }: { socket: number; request: Request; sequence: number; onMessages: Subscriber['onMessages'] },
): void {
  kernel.send(socket, encode({ ...request, flags: request.flags | flag.ack }, sequence));
  for (;;) {
    const bytes = kernel.receive(socket);
    if (bytes === undefined) return;
    const messages = decode(bytes);
    // What is told at once comes before the answer to the next request.
    onMessages(messages.filter((message) => message.type !== type.error));
    const answer = messages.find((message) => message.type === type.error && message.sequence === sequence);
    if (answer !== undefined) return throwIfRefused(answer);
  }
}

/** Of a netlink socket by its inode: the ninth column of the kernel's list, netlink_native_seq_show. */
function droppedOf(inode: string): number | undefined {
  try {
    const line = readFileSync('/proc/net/netlink', 'utf8')
      .split('\n')
      .map((text) => text.trim().split(/\s+/))
      .find((fields) => fields[9] === inode);
    return line === undefined ? undefined : Number(line[8]);
  } catch {
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
