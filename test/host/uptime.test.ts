import { expect, test } from 'vitest';
import { sinceBoot, stampNow, uptime } from '../../src/host/uptime.ts';

const now = { boot: 'b', uptime: 1000, wall: 1_000_000 };

test('uptime() counts milliseconds since boot, whatever the wall clock says', () => {
  const before = uptime();
  expect(before).toBeGreaterThan(0);
  expect(stampNow().uptime).toBeGreaterThanOrEqual(before);
});

test.each([
  ['of this boot counts by uptime, though the clock was set back', { boot: 'b', uptime: 400, wall: 5_000_000 }, 400],
  ['of this boot counts by uptime, though the clock was set forward', { boot: 'b', uptime: 400, wall: 0 }, 400],
  ['of this boot in the future tells nothing', { boot: 'b', uptime: 1001, wall: 900_000 }, undefined],
  ['of an earlier boot counts by wall time', { boot: 'a', uptime: 77, wall: 990_000 }, -9000],
  ['of an earlier boot in the future tells nothing', { boot: 'a', uptime: 77, wall: 1_000_001 }, undefined],
] as const)('sinceBoot(): a stamp %s', (_, stamp, expected) => {
  expect(sinceBoot(stamp, now)).toBe(expected);
});
