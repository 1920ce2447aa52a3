import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sha256 } from '../../src/digest/sha256.ts';

const expected = (text: string): string => createHash('sha256').update(text).digest('hex');

test('sha256() knows the examples of the standard', () => {
  expect(sha256('')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  expect(sha256('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});

test('sha256() is that of node:crypto at every length around the ends of blocks', () => {
  for (let length = 0; length < 200; length++) expect(sha256('x'.repeat(length))).toBe(expected('x'.repeat(length)));
});

test('sha256() is that of node:crypto for long texts', () => {
  for (const length of [3999, 4000, 4001, 100_000])
    expect(sha256('ä'.repeat(length))).toBe(expected('ä'.repeat(length)));
});

test('sha256() is that of node:crypto for any text', () => {
  const same = fc.property(fc.string({ unit: 'grapheme', maxLength: 100 }), (text) => sha256(text) === expected(text));
  fc.assert(same, { numRuns: 50 });
});
