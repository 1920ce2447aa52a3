import { expect, test } from 'vitest';
import { familyOf } from '../../src/ip/family.ts';
import { hostText } from '../../src/ip/host-text.ts';

test.each([
  ['10.88.0.2', 4],
  ['10.88.0.0/16', 4],
  ['::', 6],
  ['fd00::/64', 6],
  ['::ffff:10.88.0.2', 6],
])('familyOf() of "%s" is %d', (text, family) => {
  expect(familyOf(text)).toBe(family);
});

test.each([
  ['10.88.0.2', '10.88.0.2'],
  ['example.com', 'example.com'],
  ['fd00::2', '[fd00::2]'],
])('hostText() writes %j as %j', (host, text) => {
  expect(hostText(host)).toBe(text);
});
