/** The table of docs/microvm.md: what tools for microVMs offer is shown by a test here, or is a stated limit. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
const [, section = ''] = readFileSync(join(root, 'docs/microvm.md'), 'utf8').split(
  '\n## What tools of microVMs offer, and what is here\n',
);
const rows = section
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| there '))
  .map((line) => line.slice(2, -2).split(' | '));

test.each([
  ['backend', ['Firecracker on Linux', 'Firecracker in Lima', 'Apple Container', 'microvm.nix', 'Docker']],
  ['way of publishing ports', ['`-p` before boot', '`forward` after boot']],
  ['preset', ['preset `unrestricted`', 'preset `dev`', 'preset `registries`', 'preset `none`']],
  [
    'tier',
    [
      'tier `essential`',
      'tier `minimal`',
      'tier `standard`',
      'tier `network`',
      'tier `unrestricted`',
      '`seccomp.json`',
    ],
  ],
  ['rule of the network', ['`--network-allow', 'DNS is always open', 'rules go when the VM stops', 'iptables in the']],
  ['channel without a network', ['vsock, port 52', 'no SSH']],
])('each %s has a row', (_, firsts) => {
  expect(firsts.filter((first) => !rows.some(([there = '']) => there.startsWith(first)))).toEqual([]);
});

test.for(rows)('"%s" is shown by a test that exists, or is a stated limit', ([, , last = '']) => {
  const files = [...last.matchAll(/`(test\/[^`]+)`/gu)].map(([, file = '']) => file);
  expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  expect(files.length > 0 || /(?:^|; )limit: \S/u.test(last)).toBe(true);
});
