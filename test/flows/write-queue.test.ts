import { expect, test } from 'vitest';
import { WriteQueue } from '../../src/flows/write-queue.ts';

/** A writer that finishes a write when it is told to. */
function slowWriter(): { write: (items: readonly string[]) => Promise<void>; written: string[][]; finish: () => void } {
  const written: string[][] = [];
  let finish = (): void => {};
  const write = async (items: readonly string[]): Promise<void> => {
    written.push([...items]);
    await new Promise<void>((resolve) => {
      finish = resolve;
    });
  };
  return { write, written, finish: () => finish() };
}

const sizeOf = ({ length }: string): number => length;

test('what waits for a slow writer is bounded, however often it is to be flushed, and the rest is counted', async () => {
  const { write, written, finish } = slowWriter();
  const queue = new WriteQueue<string>({ write, most: 3, sizeOf });
  queue.append('a');
  const first = queue.flush();
  await Promise.resolve();
  for (const item of ['b', 'c', 'd', 'e', 'f']) {
    queue.append(item);
    void queue.flush();
  }
  expect(queue.lost).toBe(2);
  const rest = queue.flush();
  finish();
  await first;
  await new Promise((resolve) => setImmediate(resolve));
  finish();
  await rest;
  expect(written).toEqual([['a'], ['b', 'c', 'd']]);
});

test('what could not be written is lost and says why, until a write succeeds', async () => {
  let isBroken = true;
  const queue = new WriteQueue<string>({
    write: async () => {
      if (isBroken) throw new Error('the disk is full');
      await Promise.resolve();
    },
    most: 100,
    sizeOf,
  });
  queue.append('a');
  queue.append('b');
  await queue.flush();
  expect({ lost: queue.lost, problem: queue.problem }).toEqual({ lost: 2, problem: 'the disk is full' });
  isBroken = false;
  queue.append('c');
  await queue.flush();
  expect({ lost: queue.lost, problem: queue.problem }).toEqual({ lost: 2, problem: undefined });
});
