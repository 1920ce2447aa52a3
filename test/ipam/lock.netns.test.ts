import { readdirSync, readFileSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
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

  test('is given in the order in which they came, and passes over one who was killed while waiting', async () => {
    const actors = Array.from({ length: 5 }, () => stage.actor());
    for (const each of actors) await each.call('list', stage.folder, 'none');
    const [holder, ...others] = actors;
    await holder?.callUntilWord('holdLock', 'line', 'ADD c1 eth0', 700);
    const spans: Promise<{ from: number }>[] = [];
    for (const each of others) {
      spans.push(each.call('spanOfLock', 'line', 5));
      await setTimeout(60);
    }
    const killed = spans.splice(1, 1)[0]?.catch(() => undefined);
    await others[1]?.kill();
    await killed;
    const froms = (await Promise.all(spans)).map(({ from }) => from);
    expect(froms).toEqual(froms.toSorted((one, other) => one - other));
    expect(readdirSync(stage.inside('/run/drawbridge/locks')).filter((name) => name.startsWith('line'))).toEqual([]);
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

  test('takes the lock of a killed process at once', async () => {
    const holder = stage.actor();
    await holder.callUntilWord('holdLock', 'dead', 'ADD c1 eth0', 60_000);
    await holder.kill();
    expect(await waiter.call('takeLock', 'dead', 'ADD c2 eth0', 8000)).toBeLessThan(500);
  });

  test('takes the lock of a killed process at once when the clock was set back meanwhile', async () => {
    const holder = stage.actor();
    await holder.callUntilWord('holdLock', 'ahead', 'ADD c1 eth0', 60_000);
    await holder.kill();
    const tomorrow = Date.now() / 1000 + 86_400;
    utimesSync(stage.inside('/run/drawbridge/locks/ahead.lock'), tomorrow, tomorrow);
    expect(await waiter.call('takeLock', 'ahead', 'ADD c2 eth0', 8000)).toBeLessThan(500);
  });

  test.for([
    ['does not say who it is', (path: string) => unlinkSync(path)],
    [
      'is of another PID namespace',
      (path: string) => {
        const holder = JSON.parse(readFileSync(path, 'utf8')) as object;
        writeFileSync(path, JSON.stringify({ ...holder, namespaces: 'pid:[1] time:[1]' }));
      },
    ],
  ] as const)('takes a lock over within the stale time when its holder %s', async ([, change]) => {
    const holder = stage.actor();
    await holder.callUntilWord('holdLock', 'unknown', 'ADD c1 eth0', 60_000);
    await holder.kill();
    change(stage.inside('/run/drawbridge/locks/unknown.holder'));
    const waited = await waiter.call('takeLock', 'unknown', 'ADD c2 eth0', 8000);
    expect(waited).toBeGreaterThan(1000);
    expect(waited).toBeLessThan(4500);
  });

  test('gives the lock of a killed process to one at a time, however many come for it', async () => {
    const waiters = Array.from({ length: 6 }, () => stage.actor());
    for (const each of waiters) await each.call('list', stage.folder, 'none');
    for (let round = 0; round < 4; round++) {
      const holder = stage.actor();
      await holder.callUntilWord('holdLock', 'crowd', 'ADD c1 eth0', 60_000);
      await holder.kill();
      const spans = await Promise.all(waiters.map(async (each) => each.call('spanOfLock', 'crowd', 15)));
      spans.sort((one, other) => one.from - other.from);
      spans.forEach(({ from }, index) => expect(from).toBeGreaterThanOrEqual(spans[index - 1]?.to ?? 0));
    }
  });
});
