import { describe, expect, test } from 'vitest';
import { isNestedDeeperThan } from '../../src/cni/nesting.ts';

describe('isNestedDeeperThan()', () => {
  test.for([
    ['7', 0, false],
    ['[]', 0, true],
    ['{"a": [1, {"b": 2}]}', 3, false],
    ['{"a": [1, {"b": 2}]}', 2, true],
    ['[[], [], []]', 2, false],
    [String.raw`["[[[\"[[[", "\\"]`, 1, false],
  ] as const)('judges %s with limit %d: %j', ([text, limit, expected]) => {
    expect(isNestedDeeperThan(limit, text)).toBe(expected);
  });
});
