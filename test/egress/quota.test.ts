import { expect, test } from 'vitest';
import { parsePolicy } from '../../src/egress/parse.ts';
import { policyId } from '../../src/egress/policy-id.ts';
import { periodStart, quotaGroups } from '../../src/egress/quota.ts';

test.for([
  ['10GB', 10_000_000_000],
  ['1.5GiB', 1_610_612_736],
  ['500 MB', 500_000_000],
  ['200kB', 200_000],
  ['4096', 4096],
  [4096, 4096],
])('a quota of %j is %d bytes', ([bytes, expected]) => {
  expect(parsePolicy({ quota: { bytes } }, '').quota).toEqual({ bytes: expected, per: 'day' });
});

test.for(
  ['10', '10GB', 'x', '0', '-1GB', '10 G B', '10gb', '99999999TB', true, null].filter(
    (one) => one !== '10' && one !== '10GB',
  ),
)('a quota of %j is refused by name', (bytes) => {
  expect(() => parsePolicy({ quota: { bytes } }, 'egress')).toThrow(/egress\.quota\.bytes/);
});

test('a period that there is not, and a key that there is not, are refused by name', () => {
  expect(() => parsePolicy({ quota: { bytes: '1GB', per: 'year' } }, '')).toThrow(/quota\.per.*year/);
  expect(() => parsePolicy({ quota: { bytes: '1GB', each: 'day' } }, '')).toThrow(/quota\.each/);
});

test('periods begin by the clock of the host, weeks on Monday', () => {
  const now = new Date(2026, 10, 27, 21, 45, 30).getTime();
  const begun = (['hour', 'day', 'week', 'month'] as const).map((per) => periodStart(per, now));
  expect(begun).toEqual([
    new Date(2026, 10, 27, 21).getTime(),
    new Date(2026, 10, 27).getTime(),
    new Date(2026, 10, 23).getTime(),
    new Date(2026, 10, 1).getTime(),
  ]);
  expect(
    begun.map((at, index) => periodStart((['hour', 'day', 'week', 'month'] as const)[index] ?? 'day', at)),
  ).toEqual(begun);
});

test('the period after one begins where the clock of the host has it, also across the end of a year', () => {
  const now = new Date(2026, 11, 31, 23, 45, 30).getTime();
  expect((['hour', 'day', 'week', 'month'] as const).map((per) => periodStart(per, now, 1))).toEqual([
    new Date(2027, 0, 1).getTime(),
    new Date(2027, 0, 1).getTime(),
    new Date(2027, 0, 4).getTime(),
    new Date(2027, 0, 1).getTime(),
  ]);
});

test('containers under one policy share its chains and count apart', () => {
  const policy = parsePolicy({ quota: { bytes: '1GB' } }, '');
  expect(policyId(policy)).toBe(policyId(parsePolicy({}, '')));
  const ids = ['one', 'other'].flatMap((key) => quotaGroups(key, policy).map(({ id }) => id));
  expect(new Set(ids).size).toBe(2);
});
