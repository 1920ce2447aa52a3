import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
const widest = 120;

test('comments of the sources have at most 120 columns', () => {
  const files = globSync('{src,bench,demo,test}/**/*.ts', { cwd: root, exclude: ['test/.cache/**', 'bench/out/**'] });
  const wide = files.filter((file) => readFileSync(join(root, file), 'utf8').split('\n').some(isWideComment));
  expect(wide, 'break the comments of these files').toEqual([]);
});

function isWideComment(line: string): boolean {
  return line.length > widest && /^\s*(?:\/\/|\/\*|\* )/u.test(line);
}
