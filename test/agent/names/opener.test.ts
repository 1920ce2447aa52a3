import { describe, expect, test, vi } from 'vitest';
import { Opener } from '../../../src/agent/names/opener.ts';
import type { Element } from '../../../src/nft/element.ts';
import { stepsText } from '../../../src/dataplane/transaction.ts';

function element(key: string, timeout?: number): Element {
  return {
    table: 'inet drawbridge',
    set: 'policy_a_names4_tcp_443',
    key: [key],
    comment: 'x',
    ...(timeout === undefined ? {} : { timeout }),
  };
}

describe('Opener', () => {
  test('puts what was asked for during a transaction into the next one, together', async () => {
    const texts: string[] = [];
    const committing = Promise.withResolvers<void>();
    const opener = new Opener({
      commit: async (steps) => {
        texts.push(stepsText(steps));
        await committing.promise;
        return 'committed';
      },
    });
    const first = opener.open([element('192.0.2.1', 60)]);
    await vi.waitFor(() => expect(texts).toHaveLength(1));
    const others = [2, 3, 4].map((n) => opener.open([element(`192.0.2.${n}`, 60)]));
    committing.resolve();
    await Promise.all([first, ...others]);
    expect(texts).toHaveLength(2);
    expect(texts[1]).toContain('192.0.2.2 timeout 60s comment "x", 192.0.2.3');
  });

  test('fails only those parts of a transaction that fail alone', async () => {
    const opener = new Opener({
      commit: async (steps) => (stepsText(steps).includes('192.0.2.2') ? 'stale' : 'committed'),
    });
    const done = await Promise.allSettled([1, 2, 3].map((n) => opener.open([element(`192.0.2.${n}`, 60)])));
    expect(done.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(opener.elements().flatMap(({ key }) => key)).toEqual(['192.0.2.1', '192.0.2.3']);
  });

  test('repairs once and tries again when the rules are not there', async () => {
    let isWhole = false;
    const opener = new Opener({
      commit: async () => (isWhole ? 'committed' : 'stale'),
      repair: async () => {
        isWhole = true;
      },
    });
    await opener.open([element('192.0.2.1', 60)]);
    await expect(
      new Opener({ commit: async () => 'stale', repair: async () => {} }).open([element('192.0.2.1', 60)]),
    ).rejects.toThrow('the rules of its policy are not in the kernel');
  });

  test('never shortens the time that an element has', async () => {
    const texts: string[] = [];
    let now = 1e12;
    const opener = new Opener({
      now: () => now,
      commit: async (steps) => {
        texts.push(stepsText(steps));
        return 'committed';
      },
    });
    await opener.open([element('192.0.2.1', 3600)]);
    now += 600_000;
    await opener.open([element('192.0.2.1', 60), element('192.0.2.1', 120)]);
    expect(texts[1]).toContain('192.0.2.1 timeout 3000s');
    await opener.open([element('192.0.2.1')]);
    await opener.open([element('192.0.2.1', 60)]);
    expect(texts[3]).not.toContain('timeout');
  });

  test('forgets what has ended', async () => {
    let now = 1e12;
    const opener = new Opener({ now: () => now, commit: async () => 'committed' });
    await opener.open([element('192.0.2.1', 60), element('192.0.2.2', 120)]);
    now += 90_000;
    expect(opener.elements()).toEqual([element('192.0.2.2', 30)]);
  });

  test('splits a very long queue', async () => {
    let commits = 0;
    const opener = new Opener({
      commit: async () => {
        commits += 1;
        return 'committed';
      },
    });
    await Promise.all(
      Array.from({ length: 5000 }, (_, index) => opener.open([element(`10.0.${index >> 8}.${index & 255}`, 60)])),
    );
    expect(commits).toBe(3);
  });
});
