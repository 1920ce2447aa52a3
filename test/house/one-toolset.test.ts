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
  {
    what: 'how a file is written whole: host/files.ts; a lease gets and loses its name in its own way, uninstall puts back names',
    pattern: /\brenameSync\(/,
    allowed: ['src/cli/uninstall.ts', 'src/host/files.ts', 'src/ipam/store.ts'],
  },
  {
    what: 'what is in a folder: host/files.ts, beside the two who name their own failures and the one who looks below',
    pattern: /\breaddirSync\(/,
    allowed: ['src/agent/host-state.ts', 'src/host/files.ts', 'src/ipam/store.ts', 'src/repair/survey/policy-place.ts'],
  },
  {
    what: 'what a program prints when it fails: host/tool-error.ts',
    pattern:
      /element does not exist|RTNETLINK answers|Exclusivity flag|Read-only file system|Cannot find (?:bridge )?device\b(?! ")/,
    allowed: ['src/host/tool-error.ts'],
  },
  {
    what: 'how addresses are parsed and written: ip/address.ts wraps the library',
    pattern: /(?:from |import\()'ip-address'/,
    allowed: ['src/ip/address.ts'],
  },
  {
    what: 'the family of an address: ip/family.ts; an entry of a policy is judged before it is known to be an address',
    pattern: /\.includes\(':'\)/,
    allowed: ['src/egress/entry.ts', 'src/ip/family.ts'],
  },
  {
    what: 'where a prefix is cut: ip/prefix.ts; an entry of a policy has ports too. A path is cut with .at() or .slice()',
    pattern: /\.split\('\/'(?:, ?\d+\)|\)(?!\.(?:at|slice)\())|\bindexOf\('\/'\)/,
    allowed: ['src/egress/entry.ts', 'src/ip/prefix.ts'],
  },
];

describe('one toolset', () => {
  test.for(ones)('$what', ({ pattern, allowed }) => {
    expect(sources.length).toBeGreaterThan(100);
    const users = sources.filter((file) => pattern.test(readFileSync(join(root, file), 'utf8')));
    expect(users.toSorted()).toEqual(allowed);
  });
});
