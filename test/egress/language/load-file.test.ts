import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readRegularFile } from '../../../src/egress/load-file.ts';

let folder: string;
const at = (name: string): string => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'drawbridge-files-'));
  writeFileSync(at('file'), 'naïve');
  writeFileSync(at('long'), 'x'.repeat(101));
  symlinkSync('file', at('link'));
  symlinkSync('/dev/zero', at('zero'));
  execFileSync('mkfifo', [at('pipe')]);
});
afterAll(() => rmSync(folder, { recursive: true }));

test.each(['file', 'link'])('the text of a %s is read', (name) => {
  expect(readRegularFile(at(name), 100)).toBe('naïve');
});

test.each([
  ['pipe', 'it is no regular file'],
  ['zero', 'it is no regular file'],
  ['.', 'it is no regular file'],
  ['long', 'it is longer than 100 bytes'],
])('%s is refused at once', (name, why) => {
  expect(() => readRegularFile(at(name), 100)).toThrow(why);
});
