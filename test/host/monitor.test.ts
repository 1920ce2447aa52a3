import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { startMonitor } from '../../src/host/monitor.ts';
import type { Subscriber } from '../../src/host/netlink/subscribe.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A watch of a kernel that takes it, or not, and what the watch said, in order. */
function watch({ isTaken = true } = {}): {
  said: string[];
  end: (reason: string) => void;
  refuse: () => void;
  stop: () => void;
} {
  let takes = isTaken;
  const said: string[] = [];
  let subscriber: Subscriber | undefined;
  const monitor = startMonitor(
    { protocol: 12, groups: [7] },
    {
      onMessages: (messages) => void said.push(`${messages.length} messages`),
      onGap: () => void said.push('gap'),
      onLoss: (reason) => void said.push(`lost ${reason}`),
      onProblem: (reason) => void said.push(reason === undefined ? 'well' : `problem: ${reason}`),
    },
    async (_, one) => {
      subscriber = one;
      return takes ? { close: () => void said.push('closed'), send: () => true, dropped: () => 0 } : undefined;
    },
  );
  return {
    said,
    end: (reason) => subscriber?.onEnd(reason),
    refuse: () => {
      takes = false;
    },
    stop: () => monitor.stop(),
  };
}

test('a watch says that what happened before it began was not seen', async () => {
  const { said } = watch();
  await vi.advanceTimersByTimeAsync(0);
  expect(said).toEqual(['well', 'gap']);
});

test('a watch that ends says that changes were missed, and begins again', async () => {
  const { said, end } = watch();
  await vi.advanceTimersByTimeAsync(5000);
  end('ENOBUFS');
  await vi.advanceTimersByTimeAsync(0);
  expect(said.slice(2)).toEqual(['lost ENOBUFS', 'well', 'gap']);
});

test('a watch that ends twice within a minute is a problem, until it has stood for a minute', async () => {
  const { said, end } = watch();
  await vi.advanceTimersByTimeAsync(5000);
  end('ENOBUFS');
  await vi.advanceTimersByTimeAsync(50_000);
  end('EIO');
  await vi.advanceTimersByTimeAsync(59_000);
  expect(said.slice(5)).toEqual(['problem: it ended twice within a minute (EIO)', 'lost EIO', 'gap']);
  await vi.advanceTimersByTimeAsync(1000);
  expect(said.at(-1)).toBe('well');
});

test('a watch that ends twice in more than a minute is none', async () => {
  const { said, end } = watch();
  for (const reason of ['ENOBUFS', 'ENOBUFS']) {
    await vi.advanceTimersByTimeAsync(61_000);
    end(reason);
  }
  expect(said.filter((one) => one.startsWith('problem'))).toEqual([]);
  expect(said.filter((one) => one.startsWith('lost'))).toHaveLength(2);
});

test('a watch that ends at once is begun again once a second', async () => {
  const { said, end } = watch();
  await vi.advanceTimersByTimeAsync(0);
  for (let round = 0; round < 4; round += 1) {
    end('EIO');
    await vi.advanceTimersByTimeAsync(1000);
  }
  expect(said.filter((one) => one === 'gap')).toHaveLength(5);
});

test('where the kernel cannot be asked that is a problem, and is tried again each minute', async () => {
  const { said } = watch({ isTaken: false });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(said).toEqual(['problem: this process has no netlink socket', 'problem: this process has no netlink socket']);
});

test('a watch that ended twice and cannot begin again is not well', async () => {
  const { said, end, refuse } = watch();
  await vi.advanceTimersByTimeAsync(5000);
  end('EIO');
  await vi.advanceTimersByTimeAsync(5000);
  refuse();
  end('EIO');
  await vi.advanceTimersByTimeAsync(119_000);
  expect(said.slice(5)).toEqual([
    'problem: it ended twice within a minute (EIO)',
    'lost EIO',
    'problem: this process has no netlink socket',
    'problem: this process has no netlink socket',
  ]);
});

test('a watch that is stopped says nothing any more', async () => {
  const { said, end, stop } = watch();
  await vi.advanceTimersByTimeAsync(0);
  stop();
  end('EIO');
  await vi.advanceTimersByTimeAsync(120_000);
  expect(said).toEqual(['well', 'gap', 'closed']);
});
