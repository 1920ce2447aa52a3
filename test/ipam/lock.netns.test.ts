import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Stage } from './stage.ts';
import type { Actor } from './stage.ts';

let stage: Stage;
let first: Actor;
let second: Actor;

beforeAll(async () => {
  stage = new Stage();
  first = stage.actor();
  await first.call('list', stage.folder, 'none');
  second = stage.actor();
});
afterAll(() => stage[Symbol.asyncDispose]());

describe('withLock()', () => {
  test('makes the second wait until the first is done', async () => {
    const holding = first.callUntilWord('holdLock', 'order', 'ADD c1 eth0', 300);
    await holding;
    const waited = await second.call('takeLock', 'order', 'ADD c2 eth0', 5000);
    expect(waited).toBeGreaterThan(200);
    expect(waited).toBeLessThan(2000);
  });

  test('fails with the name of the holder when the deadline passes', async () => {
    await first.callUntilWord('holdLock', 'deadline', 'ADD c1 eth0', 600);
    await expect(second.call('takeLock', 'deadline', 'ADD c2 eth0', 100)).rejects.toMatchObject({
      code: 11,
      message: expect.stringMatching(
        `^Cannot lock "deadline" for "ADD c2 eth0" within 100 ms: process ${first.pid} \\("ADD c1 eth0"\\) since 20.*Z holds it$`,
      ) as string,
    });
    expect(JSON.parse(readFileSync(stage.inside('/run/drawbridge/locks/deadline.holder'), 'utf8'))).toMatchObject({ pid: first.pid });
  });

  test('takes over the lock of a killed process within the stale time', async () => {
    const third = stage.actor();
    await third.callUntilWord('holdLock', 'dead', 'ADD c1 eth0', 60_000);
    await third.kill();
    expect(await second.call('takeLock', 'dead', 'ADD c2 eth0', 8000)).toBeLessThan(4500);
  });
});
