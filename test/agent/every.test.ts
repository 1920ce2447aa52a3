import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { every } from '../../src/agent/every.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('recurring work is never done twice at a time, however long it takes', async () => {
  let begun = 0;
  const open: (() => void)[] = [];
  const recurring = every(10, 'look', () => {
    begun += 1;
    return new Promise<void>((resolve) => open.push(resolve));
  });
  await vi.advanceTimersByTimeAsync(100);
  expect(begun).toBe(1);
  open.pop()?.();
  await vi.advanceTimersByTimeAsync(10);
  expect(begun).toBe(2);
  open.pop()?.();
  await recurring.stop();
});

test('recurring work that fails is tried again, and is a problem until it succeeds', async () => {
  let isWell = false;
  const recurring = every(10, 'look at links', () => {
    if (!isWell) throw new Error('the disk is full');
  });
  await vi.advanceTimersByTimeAsync(10);
  expect(recurring.problem).toBe('Cannot look at links: the disk is full');
  isWell = true;
  await vi.advanceTimersByTimeAsync(10);
  expect(recurring.problem).toBeUndefined();
  await recurring.stop();
});

test('stopping waits for the run that is under way, and none follows', async () => {
  const done: string[] = [];
  let finish = (): void => {};
  const recurring = every(10, 'look', async () => {
    await new Promise<void>((resolve) => (finish = resolve));
    done.push('run');
  });
  await vi.advanceTimersByTimeAsync(10);
  const stopped = recurring.stop().then(() => done.push('stopped'));
  await vi.advanceTimersByTimeAsync(100);
  finish();
  await stopped;
  expect(done).toEqual(['run', 'stopped']);
});
