import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Stage } from './stage.ts';
import type { Actor } from './stage.ts';

let stage: Stage;
let waiter: Actor;

beforeAll(async () => {
  stage = new Stage();
  waiter = stage.actor();
  await waiter.call('list', stage.folder, 'none');
});
afterAll(() => stage[Symbol.asyncDispose]());

describe('withLock()', () => {
  test('makes the second wait until the first is done', async () => {
    await stage.actor().callUntilWord('holdLock', 'order', 'ADD c1 eth0', 300);
    const waited = await waiter.call('takeLock', 'order', 'ADD c2 eth0', 5000);
    expect(waited).toBeGreaterThan(200);
    expect(waited).toBeLessThan(2000);
  });

  test('fails with the name of the holder when the deadline passes', async () => {
    const holder = stage.actor();
    await holder.callUntilWord('holdLock', 'deadline', 'ADD c1 eth0', 60_000);
    await expect(waiter.call('takeLock', 'deadline', 'ADD c2 eth0', 100)).rejects.toMatchObject({
      code: 11,
      message: expect.stringMatching(
        `^Cannot lock "deadline" for "ADD c2 eth0" within 100 ms: process ${holder.pid} \\("ADD c1 eth0"\\) since 20.*Z holds it$`,
      ) as string,
    });
    expect(JSON.parse(readFileSync(stage.inside('/run/drawbridge/locks/deadline.holder'), 'utf8'))).toMatchObject({
      pid: holder.pid,
    });
  });

  test('takes over the lock of a killed process within the stale time', async () => {
    const holder = stage.actor();
    await holder.callUntilWord('holdLock', 'dead', 'ADD c1 eth0', 60_000);
    await holder.kill();
    expect(await waiter.call('takeLock', 'dead', 'ADD c2 eth0', 8000)).toBeLessThan(4500);
  });
});
