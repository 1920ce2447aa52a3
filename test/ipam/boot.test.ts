import { describe, expect, test } from 'vitest';
import { isFromBeforeBoot } from '../../src/host/boot.ts';

const minute = 60_000;
const hour = 60 * minute;
const now = 1_800_000_000_000;

describe('isFromBeforeBoot()', () => {
  test.each([
    ['older than the last use', now - 3 * hour, { booted: now - hour, lastUsed: now - 2 * hour }, true],
    [
      'after the last use, long before the boot: of a plugin that keeps no stamp',
      now - 90 * minute,
      { booted: now - hour, lastUsed: now - 2 * hour },
      true,
    ],
    ['after the boot', now - minute, { booted: now - hour, bootedThen: now - hour, lastUsed: now - 2 * hour }, false],
    [
      'before a reboot of ten seconds, known by the stamp',
      now - 30_000,
      { booted: now - 20_000, lastUsed: now - 30_000 },
      true,
    ],
    ['shortly before the boot without a stamp', now - hour - 30_000, { booted: now - hour }, false],
    ['long before the boot without a stamp', now - 2 * hour, { booted: now - hour }, true],
    [
      'of this boot, on a clock in the past that was set since',
      5 * minute,
      { booted: now - hour, bootedThen: minute, lastUsed: now - 2 * hour },
      false,
    ],
    [
      'of an earlier boot, on a clock in the past that was set since',
      now - 3 * hour,
      { booted: now - hour, bootedThen: minute, lastUsed: now - 2 * hour },
      true,
    ],
    [
      'of this boot, while the clock is still in the past',
      4 * minute,
      { now: 5 * minute, booted: minute, bootedThen: minute, lastUsed: now },
      false,
    ],
    [
      'of an earlier boot, while the clock is still in the past',
      now - minute,
      { now: 5 * minute, booted: minute, bootedThen: minute, lastUsed: now },
      true,
    ],
    [
      'of this boot, on a clock that ran ahead and was set back',
      now + 90 * minute,
      { booted: now - hour, bootedThen: now + hour },
      false,
    ],
    [
      'before the boot of the outer machine, in a container with a /run of its own',
      now - 2 * hour,
      { booted: now - hour, bootedThen: now - minute },
      true,
    ],
  ])('of something %s', (_, madeAt, times, expected) => {
    expect(isFromBeforeBoot(madeAt, { now, ...times })).toBe(expected);
  });
});
