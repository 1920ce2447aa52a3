import type { Answer } from './netlink/message.ts';
import { subscribe, type OpenSubscription, type Subscription } from './netlink/subscribe.ts';

export interface MonitorOptions {
  /** Messages of the kernel, in the order in which they came. */
  readonly onMessages: (messages: readonly Answer[]) => void;
  /** The kernel tells of changes from now on, for the first time or again: what happened before then was not seen. */
  readonly onGap: () => void;
  /** Something was not told, for this reason, and the watch goes on. */
  readonly onLoss: (reason: string) => void;
  /** Why changes are not seen, or not all of them; undefined when all is well again. */
  readonly onProblem: (reason: string | undefined) => void;
}

export interface Monitor {
  stop(): void;
  /** Messages that the kernel dropped for want of room since this was asked last. */
  dropped(): number;
}

/** Milliseconds that a watch has to have run to be begun again at once when it ends; another one waits as long. */
const pause = 1000;
/** Milliseconds: a watch that ends twice in this time is not to be relied upon, until it has stood for as long. */
const trial = 60_000;

/**
 * Has the kernel tell of changes for as long as it is not stopped, and begins again whenever that ends. `begin` is for
 * tests.
 */
export function startMonitor(
  subscription: Subscription,
  { onMessages, onGap, onLoss, onProblem }: MonitorOptions,
  begin = subscribe,
): Monitor {
  let open: OpenSubscription | undefined;
  let knownDrops = 0;
  let timer: NodeJS.Timeout | undefined;
  let wellAgain: NodeJS.Timeout | undefined;
  let began = -Infinity;
  let lastEnd = -Infinity;
  let isOnTrial = false;
  let isStopped = false;
  void start();
  return {
    stop: () => {
      isStopped = true;
      clearTimeout(timer);
      clearTimeout(wellAgain);
      open?.close();
    },
    dropped: () => {
      const drops = open?.dropped() ?? knownDrops;
      const fresh = drops - knownDrops;
      knownDrops = drops;
      return fresh;
    },
  };

  async function start(): Promise<void> {
    began = performance.now();
    let opened: OpenSubscription | undefined;
    let reason = 'this process has no netlink socket';
    try {
      opened = await begin(subscription, { onMessages, onEnd: again });
    } catch (error) {
      reason = `the kernel says: ${(error as Error).message}`;
    }
    if (isStopped) opened?.close();
    else if (opened === undefined) {
      onProblem(reason);
      timer = setTimeout(() => void start(), trial);
    } else {
      open = opened;
      knownDrops = 0;
      if (isOnTrial) wellAgain = setTimeout(pass, trial);
      else onProblem(undefined);
      onGap();
    }
  }

  function pass(): void {
    isOnTrial = false;
    onProblem(undefined);
  }

  function again(reason: string): void {
    if (isStopped) return;
    const now = performance.now();
    clearTimeout(wellAgain);
    if (now - lastEnd < trial) {
      isOnTrial = true;
      onProblem(`it ended twice within a minute (${reason})`);
    }
    onLoss(reason);
    lastEnd = now;
    timer = setTimeout(() => void start(), Math.max(0, began + pause - now));
  }
}
