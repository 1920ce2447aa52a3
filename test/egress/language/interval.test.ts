import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { intervalOf, nftInterval, prefixesOf, subtract, type Interval } from '../../../src/egress/interval.ts';

const anInterval: fc.Arbitrary<Interval> = fc
  .tuple(fc.nat(300), fc.nat(60))
  .map(([from, size]) => ({ family: 4, from: BigInt(from), to: BigInt(from + size) }));

function members(intervals: readonly Interval[]): bigint[] {
  return intervals.flatMap(({ from, to }) =>
    Array.from({ length: Number(to - from) + 1 }, (_, index) => from + BigInt(index)),
  );
}

test('prefixesOf() makes up the interval, without overlap and in order', () => {
  fc.assert(
    fc.property(anInterval, (interval) => {
      expect(members(prefixesOf(interval).map(intervalOf))).toEqual(members([interval]));
    }),
  );
});

test('prefixesOf() is one prefix for all addresses of a family', () => {
  expect(prefixesOf(intervalOf('0.0.0.0/0'))).toEqual(['0.0.0.0/0']);
  expect(prefixesOf(intervalOf('::/0'))).toEqual(['::/0']);
});

test('subtract() leaves what is in no hole', () => {
  fc.assert(
    fc.property(anInterval, fc.array(anInterval, { maxLength: 5 }), (whole, holes) => {
      const gone = new Set(members(holes));
      expect(members(subtract(whole, holes))).toEqual(members([whole]).filter((value) => !gone.has(value)));
    }),
  );
});

test('subtract() does not mix the families', () => {
  expect(subtract({ family: 4, from: 1n, to: 2n }, [{ family: 6, from: 0n, to: 9n }])).toEqual([
    { family: 4, from: 1n, to: 2n },
  ]);
});

describe('nftInterval()', () => {
  test.each([
    ['an address', { family: 4, from: 1n, to: 1n }, '0.0.0.1'],
    ['a prefix', { family: 4, from: 256n, to: 511n }, '0.0.1.0/24'],
    ['a range', { family: 4, from: 1n, to: 2n }, '0.0.0.1-0.0.0.2'],
    ['an IPv6 range', { family: 6, from: 1n, to: 2n }, '::1-::2'],
  ] as const)('writes %s', (_what, interval, text) => {
    expect(nftInterval(interval)).toBe(text);
  });
});
