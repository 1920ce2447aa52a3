import { describe, expect, test } from 'vitest';
import { addressOf, splitPrefix } from '../../src/ip/prefix.ts';

describe('splitPrefix()', () => {
  test.each([
    ['10.88.0.2/16', '10.88.0.2', '16'],
    ['fd00::2/64', 'fd00::2', '64'],
    ['fd00::2', 'fd00::2', undefined],
    ['10.88.0.2/', '10.88.0.2', ''],
    ['/16', '', '16'],
    // So that whoever reads the length refuses it.
    ['10.88.0.2/16/8', '10.88.0.2', '16/8'],
  ])('cuts %j at the first slash', (text, address, length) => {
    expect(splitPrefix(text)).toEqual({ address, length });
  });
});

test.each([
  ['10.88.0.2/16', '10.88.0.2'],
  ['fd00::2', 'fd00::2'],
])('addressOf() leaves %j without its length', (text, address) => {
  expect(addressOf(text)).toBe(address);
});
