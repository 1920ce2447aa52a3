import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
const widest = 120;

/** Files that still have wider comments. The list only shrinks: take out a file when its last one is gone. */
const exceptions: readonly string[] = [
  'src/agent/agent.ts',
  'src/cli/clean/firewalls.ts',
  'src/cli/uninstall.ts',
  'src/host/firewall/foreign.ts',
  'src/host/netlink/libc.ts',
  'src/records/sweep.ts',
];

test('comments of the sources have at most 120 columns', () => {
  const files = globSync('{src,bench,demo,test}/**/*.ts', { cwd: root, exclude: ['test/.cache/**', 'bench/out/**'] });
  const wide = files.filter((file) => readFileSync(join(root, file), 'utf8').split('\n').some(isWideComment));
  const broken = wide.filter((file) => !exceptions.includes(file));
  expect(broken, 'break the comments of these files').toEqual([]);
  const needless = exceptions.filter((file) => !wide.includes(file));
  expect(needless, 'take these files out of the list').toEqual([]);
});

function isWideComment(line: string): boolean {
  return line.length > widest && /^\s*(?:\/\/|\/\*|\* )/u.test(line);
}
