/** What is done in one place only is asked for nowhere else. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
const sources = globSync('src/**/*.ts', { cwd: root });

/** Each with the files that may have it, and what others call. */
const ones: readonly { readonly what: string; readonly pattern: RegExp; readonly allowed: readonly string[] }[] = [
  {
    what: 'whether an interface is there: host/interfaces.ts asks the kernel, and nobody reads sysfs for it',
    pattern: /\/sys\/(?:class|devices\/virtual)\/net/,
    allowed: [],
  },
  {
    what: 'when a process began: host/process.ts',
    pattern: /\/proc\/\$\{[^}]*\}\/stat\b/,
    allowed: ['src/host/process.ts'],
  },
];

describe('one toolset', () => {
  test.for(ones)('$what', ({ pattern, allowed }) => {
    expect(sources.length).toBeGreaterThan(100);
    const users = sources.filter((file) => pattern.test(readFileSync(join(root, file), 'utf8')));
    expect(users).toEqual(allowed);
  });
});
