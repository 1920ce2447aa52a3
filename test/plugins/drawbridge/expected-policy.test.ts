import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { expectsPolicy } from '../../../src/plugins/drawbridge/expected-policy.ts';

const enforced = JSON.stringify({ name: 'net', plugins: [{ type: 'drawbridge' }, { type: 'egress-policy' }] });

let folder = '';
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'drawbridge-'))));
afterEach(() => rmSync(folder, { recursive: true }));

function write(file: string, text: string): void {
  mkdirSync(join(folder, file, '..'), { recursive: true });
  writeFileSync(join(folder, file), text);
}

describe('expectsPolicy()', () => {
  test('finds the list of the network', () => {
    write('10-net.conflist', enforced);
    expect(expectsPolicy('net', folder)).toBe(true);
  });

  test('finds the list of the network in the folder of a namespace', () => {
    write('default/nerdctl-net.conflist', enforced);
    expect(expectsPolicy('net', folder)).toBe(true);
  });

  test('finds a plugin in the folder of the network', () => {
    write('net/20-policy.conf', JSON.stringify({ type: 'egress-policy' }));
    expect(expectsPolicy('net', folder)).toBe(true);
  });

  test.each([
    ['the list of another network', '10-net.conflist', enforced.replace('"net"', '"other"')],
    [
      'a list without a policy',
      '10-net.conflist',
      JSON.stringify({ name: 'net', plugins: [{ type: 'drawbridge' }, null] }),
    ],
    ['a file that is no JSON', '10-net.conflist', '{'],
    ['a list of something else', '10-net.conflist', '[1]'],
    ['a file of another kind', '10-net.txt', enforced],
  ])('takes %s for nothing', (_, file, text) => {
    write(file, text);
    expect(expectsPolicy('net', folder)).toBe(false);
  });

  test('takes a missing folder for nothing', () => {
    expect(expectsPolicy('net', join(folder, 'none'))).toBe(false);
  });
});
