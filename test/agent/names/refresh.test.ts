import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  delayAfter,
  elementsOfName,
  startDelay,
  wantedNames,
  type RefreshedPolicy,
} from '../../../src/agent/names/plan.ts';
import { NamesRefresh, type RefreshOptions } from '../../../src/agent/names/refresh.ts';
import type { Answer, KnownName } from '../../../src/egress/names-lifetimes.ts';
import type { Resolution } from '../../../src/egress/names-resolve.ts';
import { openedAddress } from '../../../src/dataplane/elements/egress.ts';
import type { Element } from '../../../src/nft/element.ts';
import { rule } from '../dns/rig.ts';

function policyOf(policyId: string, names: readonly string[], more: Partial<RefreshedPolicy> = {}): RefreshedPolicy {
  return { policyId, names: names.map((name) => rule(name)), upstream: [], refreshIntervalMinutes: 30, ...more };
}

function wanted(minutes = 30): ReturnType<typeof wantedNames>[number] {
  const [one] = wantedNames([policyOf('a', ['api.example.org'], { refreshIntervalMinutes: minutes })]);
  if (one === undefined) throw new Error('no name');
  return one;
}

describe('wantedNames()', () => {
  test('asks once for a name of several policies, as often as the most impatient wants', () => {
    const names = wantedNames([
      policyOf('a', ['x.example']),
      policyOf('b', ['x.example'], { refreshIntervalMinutes: 5 }),
      policyOf('c', ['x.example'], { refreshIntervalMinutes: 0 }),
    ]);
    expect(
      names.map(({ name, users, refreshIntervalMinutes }) => [name, users.length, refreshIntervalMinutes]),
    ).toEqual([['x.example', 3, 5]]);
  });

  test('keeps apart what other servers are asked', () => {
    expect(
      wantedNames([policyOf('a', ['x.example']), policyOf('b', ['x.example'], { upstream: ['192.0.2.1'] })]),
    ).toHaveLength(2);
  });

  test('leaves out wildcards', () => {
    expect(wantedNames([policyOf('a', ['*.example.net'])])).toEqual([]);
  });
});

describe('delayAfter()', () => {
  test.each([
    ['the shortest TTL', [600, 120, 900], 0, 120],
    ['a floor of a minute', [5, 600], 0, 60],
    ['the interval as a cap', [86_400], 0, 1800],
    ['the interval without an answer of addresses', [], 0, 1800],
    ['a minute after a failure', [], 1, 60],
    ['more after more failures', [], 3, 240],
    ['at most the interval after any number of failures', [], 5000, 1800],
  ])('is %s, and up to a tenth more', (_, ttls, failures, seconds) => {
    const delay = delayAfter({ ttls, failures }, wanted()) ?? 0;
    expect(delay).toBeGreaterThanOrEqual(seconds);
    expect(delay).toBeLessThan(seconds * 1.1);
  });

  test('is nothing with refresh off', () => {
    expect(delayAfter({ ttls: [60], failures: 0 }, wanted(0))).toBeUndefined();
  });
});

test('startDelay() draws many names apart and leaves a lone one where it is', () => {
  expect(startDelay('x', 1)).toBeLessThanOrEqual(0.01);
  const bySecond = Object.groupBy(
    Array.from({ length: 5000 }, (_, index) => startDelay(`name${index}`, 5000)),
    (delay) => Math.floor(delay),
  );
  expect(Object.keys(bySecond)).toHaveLength(50);
  expect(Math.max(...Object.values(bySecond).map((all) => all?.length ?? 0))).toBeLessThan(150);
});

test('elementsOfName() keeps what an earlier answer held until its time is up', () => {
  const now = 1e12;
  const known: KnownName = {
    name: 'api.example.org',
    resolvedAt: now,
    addresses: [
      { address: '198.51.100.2', ttl: 60, seenAt: now },
      { address: '198.51.100.1', ttl: 60, seenAt: now - 600_000 },
      { address: '198.51.100.0', ttl: 60, seenAt: now - 7200_000 },
    ],
  };
  expect(elementsOfName(wanted(), known, now).map((one) => [openedAddress(one), one.timeout])).toEqual([
    ['198.51.100.2', 1860],
    ['198.51.100.1', 1260],
  ]);
});

describe('NamesRefresh', () => {
  beforeEach(() => void vi.useFakeTimers({ now: 1e12 }));
  afterEach(() => void vi.useRealTimers());

  interface Stage {
    refresh: NamesRefresh;
    asked: { name: string; at: number }[];
    opened: Element[];
    remembered: KnownName[];
    policies: readonly RefreshedPolicy[];
    say: (name: string) => readonly Answer[] | Error | Promise<readonly Answer[]>;
    stop: () => Promise<void>;
  }

  function stage(policies: readonly RefreshedPolicy[], options: Partial<RefreshOptions> = {}): Stage {
    const abort = new AbortController();
    const on = {
      asked: [],
      opened: [],
      remembered: [],
      policies,
      say: () => [{ address: '198.51.100.7', ttl: 300 }],
    } as unknown as Stage;
    on.refresh = new NamesRefresh({
      policies: () => on.policies,
      open: async (elements) => void on.opened.push(...elements),
      resolve: async (name): Promise<Resolution> => {
        on.asked.push({ name, at: Date.now() - 1e12 });
        const said = await on.say(name);
        if (said instanceof Error)
          return {
            name,
            answers: [],
            failures: [
              { family: 4, why: said.message },
              { family: 6, why: said.message },
            ],
          };
        return { name, answers: said, failures: [] };
      },
      now: Date.now,
      recall: async () => undefined,
      remember: async (known) => void on.remembered.push(known),
      ...options,
    });
    const running = on.refresh.run(abort.signal);
    on.stop = async () => {
      abort.abort();
      await vi.advanceTimersByTimeAsync(30_000);
      await running;
    };
    return on;
  }

  test('asks again when the TTL is over, and opens for it and the grace', async () => {
    const on = stage([policyOf('ab12', ['api.example.org'])]);
    await vi.advanceTimersByTimeAsync(1_000_000);
    expect(on.asked.length).toBeGreaterThanOrEqual(3);
    expect(on.asked.length).toBeLessThanOrEqual(4);
    expect(on.opened[0]).toMatchObject({ set: 'policy_ab12_names4_tcp_443', key: ['198.51.100.7'], timeout: 2100 });
    expect(on.remembered[0]).toMatchObject({ name: 'api.example.org' });
    await on.stop();
  });

  test('asks nothing with refresh off', async () => {
    const on = stage([policyOf('ab12', ['api.example.org'], { refreshIntervalMinutes: 0 })]);
    await vi.advanceTimersByTimeAsync(10_000_000);
    expect(on.asked).toEqual([]);
    await on.stop();
  });

  test('adds a rotated answer to what is open', async () => {
    let turn = 0;
    const on = stage([policyOf('ab12', ['api.example.org'])]);
    on.say = () => [{ address: `198.51.100.${(turn += 1)}`, ttl: 60 }];
    await vi.advanceTimersByTimeAsync(200_000);
    const last = on.opened
      .filter(({ comment }) => comment !== undefined)
      .slice(-turn)
      .map(openedAddress);
    expect(last.toSorted()).toEqual(Array.from({ length: turn }, (_, index) => `198.51.100.${index + 1}`));
    await on.stop();
  });

  test('keeps the last good addresses open while the resolver fails, until they are four days old', async () => {
    const hour = 3600_000;
    const resolvedAt = 1e12 - 94 * hour;
    const address = { address: '198.51.100.9', ttl: 300, seenAt: resolvedAt };
    let ends = 0;
    const on = stage([policyOf('ab12', ['api.example.org'])], {
      recall: async () => ({ name: 'api.example.org', resolvedAt, addresses: [address] }),
      open: async (elements) => {
        for (const { timeout = 0 } of elements) ends = Math.max(ends, Date.now() + timeout * 1000);
      },
    });
    on.say = () => new Error('no server answered');
    for (let minutes = 0; minutes < 118; minutes += 1) {
      await vi.advanceTimersByTimeAsync(60_000);
      expect(ends).toBeGreaterThan(Date.now());
    }
    await vi.advanceTimersByTimeAsync(2 * hour);
    expect(ends).toBeLessThanOrEqual(resolvedAt + 96 * hour + 1000);
    await on.stop();
  });

  test('a name that fails, hangs or cannot be opened touches no other', async () => {
    const on = stage([policyOf('ab12', ['bad.example', 'hangs.example', 'full.example', 'good.example'])], {
      open: async (elements) => {
        if (elements.some(({ comment }) => comment === 'full.example')) throw new Error('full');
        on.opened.push(...elements);
      },
    });
    on.say = (name) => {
      if (name === 'bad.example') throw new Error('broken');
      if (name === 'hangs.example') return new Promise<never>((resolve) => setTimeout(resolve, 20_000, [] as never));
      return [{ address: '198.51.100.7', ttl: 60 }];
    };
    await vi.advanceTimersByTimeAsync(300_000);
    expect(on.opened.filter(({ comment }) => comment === 'good.example').length).toBeGreaterThanOrEqual(4);
    await on.stop();
  });

  test('opens what is remembered at once, and asks for it when its time comes', async () => {
    const known: KnownName = {
      name: 'api.example.org',
      resolvedAt: 1e12 - 100_000,
      addresses: [{ address: '198.51.100.9', ttl: 300, seenAt: 1e12 - 100_000 }],
    };
    const on = stage([policyOf('ab12', ['api.example.org'])], { recall: async () => known });
    await vi.advanceTimersByTimeAsync(100);
    expect(on.opened.map((one) => [openedAddress(one), one.timeout])).toEqual([['198.51.100.9', 2000]]);
    expect(on.asked).toEqual([]);
    await vi.advanceTimersByTimeAsync(240_000);
    expect(on.asked).toHaveLength(1);
    await on.stop();
  });

  test('follows a policy that came and one that went', async () => {
    const on = stage([policyOf('a', ['old.example'])]);
    await vi.advanceTimersByTimeAsync(5000);
    on.policies = [policyOf('b', ['new.example'])];
    await vi.advanceTimersByTimeAsync(5000);
    expect(on.asked.map(({ name }) => name)).toEqual(['old.example', 'new.example']);
    await vi.advanceTimersByTimeAsync(1_000_000);
    expect(on.asked.filter(({ name }) => name === 'old.example')).toHaveLength(1);
    await on.stop();
  });

  test('does not ask for what the proxy was answered', async () => {
    const on = stage([policyOf('ab12', ['api.example.org'])]);
    await vi.advanceTimersByTimeAsync(200_000);
    on.refresh.note('api.example.org', [], 4, [{ address: '198.51.100.8', ttl: 300 }]);
    on.refresh.note('api.example.org', [], 6, []);
    await vi.advanceTimersByTimeAsync(250_000);
    expect(on.asked).toHaveLength(1);
    expect(on.refresh.elements().map(openedAddress)).toEqual(['198.51.100.8', '198.51.100.7']);
    await vi.advanceTimersByTimeAsync(100_000);
    expect(on.asked).toHaveLength(2);
    await on.stop();
  });

  test('5000 names with a TTL of a minute are spread, with never more than 16 under way', async () => {
    let underWay = 0;
    let most = 0;
    const on = stage([
      policyOf(
        'ab12',
        Array.from({ length: 5000 }, (_, index) => `n${index}.example`),
      ),
    ]);
    on.say = async () => {
      most = Math.max(most, (underWay += 1));
      await new Promise((resolve) => setTimeout(resolve, 50));
      underWay -= 1;
      return [{ address: '198.51.100.7', ttl: 60 }];
    };
    await vi.advanceTimersByTimeAsync(130_000);
    const bySecond = Object.values(Object.groupBy(on.asked, ({ at }) => Math.floor(at / 1000))).map(
      (all) => all?.length ?? 0,
    );
    expect(most).toBeLessThanOrEqual(16);
    expect(Math.max(...bySecond)).toBeLessThan(200);
    expect(new Set(on.asked.map(({ name }) => name)).size).toBe(5000);
    expect(on.asked.length).toBeGreaterThan(9000);
    await on.stop();
  }, 30_000);
});
