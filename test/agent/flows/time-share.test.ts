import { expect, test } from 'vitest';
import { TimeShare } from '../../../src/agent/flows/time-share.ts';

/** Ten seconds in which each piece of work takes 5 ms, and pieces come so many milliseconds after each other. */
function run(milliseconds: number): { worked: number; refused: number } {
  let now = 0;
  let [worked, refused] = [0, 0];
  const share = new TimeShare(() => now);
  while (now < 10_000) {
    const began = now;
    if (share.spend(() => (now += 5))) worked += now - began;
    else refused += 1;
    now = Math.max(now, began + milliseconds);
  }
  return { worked, refused };
}

test('work that takes less than its share of the time is all done', () => {
  expect(run(20)).toEqual({ worked: 2500, refused: 0 });
});

test('of work without an end so much is done that others have more than half of the time', () => {
  const { worked, refused } = run(1);
  expect(worked).toBeGreaterThan(3500);
  expect(worked).toBeLessThan(4500);
  expect(refused).toBeGreaterThan(1000);
});
