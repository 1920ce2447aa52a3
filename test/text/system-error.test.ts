import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { systemReason } from '../../src/text/system-error.ts';

const calls: [string, () => unknown, string][] = [
  ['a file that is not there', () => readFileSync('/nowhere/file'), 'there is no such file'],
  ['a folder in place of a file', () => readFileSync('/etc'), 'it is a folder'],
  ['a file in place of a folder', () => readdirSync('/etc/passwd'), 'a part of the path is not a folder'],
  ['a name that is too long', () => writeFileSync(`/tmp/${'x'.repeat(300)}`, ''), 'the name is too long'],
  ['another file system', () => renameSync('/proc/self/status', '/tmp/x'), 'cross-device link not permitted'],
];

function failure(call: () => unknown): unknown {
  try {
    return call();
  } catch (error) {
    return error;
  }
}

describe('systemReason()', () => {
  test.each(calls)('says of %s nothing in the words of a program', (_, call, words) => {
    expect(systemReason(failure(call))).toBe(words);
  });

  test('keeps the message of an error that is no answer of the system', () => {
    expect([systemReason(new Error('no route')), systemReason('text')]).toEqual(['no route', 'text']);
  });
});
