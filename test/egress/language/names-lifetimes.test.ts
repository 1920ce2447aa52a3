import { describe, expect, test } from 'vitest';
import {
  isFresh,
  learn,
  lifetime,
  mostAddresses,
  oldestLastGood,
  openAddresses,
  refreshDelay,
  type KnownName,
} from '../../../src/egress/names-lifetimes.ts';

const now = 1_795_000_000_000;
const known = (address: string, ttl: number, seenAt = now): KnownName => ({
  name: 'a.example.org',
  resolvedAt: seenAt,
  addresses: [{ address, ttl, seenAt }],
});

describe('lifetime()', () => {
  test.each([
    ['a TTL between floor and cap', 300, 30, 300 + 1800],
    ['a TTL of 0 as a minute', 0, 30, 60 + 1800],
    ['a short TTL as a minute', 5, 30, 60 + 1800],
    ['a long TTL as the interval', 86_400, 30, 1800 + 1800],
    ['the shortest interval', 300, 1, 60 + 60],
    ['thirty minutes when refresh is off', 86_400, 0, 1800 + 1800],
  ])('takes %s', (_what, ttl, interval, seconds) => {
    expect(lifetime(ttl, interval)).toBe(seconds);
  });
});

describe('refreshDelay()', () => {
  test.each([
    ['the shortest TTL', [300, 120, 900], 30, 120],
    ['a minute at least', [5, 300], 30, 60],
    ['the interval at most', [86_400], 30, 1800],
    ['the interval when nothing resolved', [], 5, 300],
  ])('is %s', (_what, ttls, interval, seconds) => {
    expect(refreshDelay(ttls, interval)).toBe(seconds);
  });

  test('is undefined when refresh is off', () => {
    expect(refreshDelay([300], 0)).toBeUndefined();
  });
});

describe('isFresh()', () => {
  test.each([
    ['before the TTL has run out', known('192.0.2.1', 60, now - 59_000), true],
    ['when the TTL has run out', known('192.0.2.1', 60, now - 60_000), false],
    ['past the interval, however long the TTL', known('192.0.2.1', 4_294_967_295, now - 1_800_000), false],
    ['when a family failed', { ...known('192.0.2.1', 60), isPartial: true }, false],
    ['with a TTL of 0', known('192.0.2.1', 0, now), false],
    ['when the answer is from the future', known('192.0.2.1', 60, now + 1000), false],
    ['without addresses', { name: 'a.example.org', resolvedAt: now, addresses: [] }, false],
  ])('%s', (_what, name, fresh) => {
    expect(isFresh(name, now, 30)).toBe(fresh);
  });
});

describe('learn()', () => {
  test('drops private, link-local, metadata and bogon answers', () => {
    const closed = [
      '10.0.0.1',
      '192.168.1.1',
      '100.64.0.1',
      '169.254.169.254',
      '127.0.0.1',
      '0.0.0.0',
      '224.0.0.1',
      '::1',
      '::',
      'fe80::1',
      'fd00::1',
      '::ffff:8.8.8.8',
      '64:ff9b::a00:1',
      '64:ff9b:1::808:808',
      '2002:a00:1::',
      'ff02::1',
      'not an address',
    ];
    const { known: after, dropped } = learn(
      undefined,
      'a.example.org',
      closed.map((address) => ({ address, ttl: 60 })),
      now,
    );
    expect(dropped).toEqual(closed);
    expect(after.addresses).toEqual([]);
  });

  test('leaves the last good answer as it was when all of an answer is dropped', () => {
    const { known: after } = learn(
      known('192.0.2.1', 60, now - 5000),
      'a.example.org',
      [{ address: '10.0.0.1', ttl: 60 }],
      now,
    );
    expect(after).toEqual(known('192.0.2.1', 60, now - 5000));
  });

  test('adds addresses to those of earlier answers', () => {
    const { known: after } = learn(
      known('192.0.2.1', 60, now - 5000),
      'a.example.org',
      [{ address: '192.0.2.2', ttl: 60 }],
      now,
    );
    expect(after.addresses.map(({ address }) => address)).toEqual(['192.0.2.2', '192.0.2.1']);
  });

  test('renews an address that comes again', () => {
    const { known: after } = learn(
      known('192.0.2.1', 60, now - 5000),
      'a.example.org',
      [{ address: '192.0.2.1', ttl: 90 }],
      now,
    );
    expect(after).toEqual(known('192.0.2.1', 90));
  });

  test('writes addresses in canonical text', () => {
    const { known: after } = learn(undefined, 'a.example.org', [{ address: '2001:DB8:0:0::1', ttl: 60 }], now);
    expect(after.addresses[0]?.address).toBe('2001:db8::1');
  });

  test('forgets addresses that have not come for days', () => {
    const { known: after } = learn(
      known('192.0.2.1', 60, now - oldestLastGood - 1),
      'a.example.org',
      [{ address: '192.0.2.2', ttl: 60 }],
      now,
    );
    expect(after.addresses.map(({ address }) => address)).toEqual(['192.0.2.2']);
  });

  test('keeps the newest addresses when there are too many', () => {
    const answers = Array.from({ length: mostAddresses }, (_, index) => ({
      address: `203.0.${index >> 8}.${index & 255}`,
      ttl: 60,
    }));
    const { known: after } = learn(known('192.0.2.1', 60, now - 5000), 'a.example.org', answers, now);
    expect(after.addresses).toHaveLength(mostAddresses);
    expect(after.addresses.some(({ address }) => address === '192.0.2.1')).toBe(false);
  });
});

describe('openAddresses()', () => {
  const options = { now, refreshIntervalMinutes: 30 };

  test('opens an address for what is left of its lifetime', () => {
    expect(openAddresses(known('192.0.2.1', 300, now - 100_000), options)).toEqual([
      { address: '192.0.2.1', seconds: 2000 },
    ]);
  });

  test('opens nothing past the lifetime', () => {
    expect(openAddresses(known('192.0.2.1', 300, now - 2_100_000), options)).toEqual([]);
  });

  test('opens without end when refresh is off', () => {
    expect(openAddresses(known('192.0.2.1', 300), { now, refreshIntervalMinutes: 0 })).toEqual([
      { address: '192.0.2.1' },
    ]);
  });

  test('opens the last good answer for ever when refresh is off and rules are made anew', () => {
    const old = known('192.0.2.1', 300, now - 10 * oldestLastGood);
    expect(openAddresses(old, { now, refreshIntervalMinutes: 0 })).toEqual([{ address: '192.0.2.1' }]);
  });

  test('opens no old answer when refresh is off and the name is gone', () => {
    const old = known('192.0.2.1', 300, now - 86_400_000);
    expect(openAddresses(old, { now, refreshIntervalMinutes: 0, isGone: true })).toEqual([]);
  });

  test('keeps the last good addresses open while the resolver fails', () => {
    expect(openAddresses(known('192.0.2.1', 300, now - 86_400_000), { ...options, failing: [4, 6] })).toEqual([
      { address: '192.0.2.1', seconds: 3600 },
    ]);
  });

  test('keeps only the family open whose query failed', () => {
    expect(openAddresses(known('192.0.2.1', 300, now - 86_400_000), { ...options, failing: [6] })).toEqual([]);
  });

  test('lets last good addresses go when they are too old', () => {
    expect(openAddresses(known('192.0.2.1', 300, now - oldestLastGood), { ...options, failing: [4, 6] })).toEqual([]);
    expect(
      openAddresses(known('192.0.2.1', 300, now - oldestLastGood + 60_000), { ...options, failing: [4, 6] }),
    ).toEqual([{ address: '192.0.2.1', seconds: 60 }]);
  });

  test('does not bring back what had run out before the last good answer', () => {
    const old: KnownName = {
      name: 'a.example.org',
      resolvedAt: now - 10_000_000,
      addresses: [{ address: '192.0.2.1', ttl: 60, seenAt: now - 20_000_000 }],
    };
    expect(openAddresses(old, { ...options, failing: [4] })).toEqual([]);
  });
});
