import { readFileSync } from 'node:fs';

/** A queue of packets that a program reads. */
export interface QueueState {
  /** Packets that wait for a verdict. */
  readonly waiting: number;
  /** Packets that were dropped since it is read: the queue was full, or its reader had no room for more. */
  readonly overruns: number;
}

/** The kernel's list of the queues of this network namespace that are read (nfnetlink_queue.c, seq_show). */
const list = '/proc/net/netfilter/nfnetlink_queue';

/** Undefined when nobody reads the queue of this number. */
export function readQueueState(number: number): QueueState | undefined {
  try {
    for (const line of readFileSync(list, 'utf8').split('\n')) {
      const [own, , waiting = 0, , , full = 0, undelivered = 0] = line.trim().split(/\s+/).map(Number);
      if (own === number) return { waiting, overruns: full + undelivered };
    }
    return undefined;
  } catch {
    // Without the queue in the kernel there is no list.
    return undefined;
  }
}
