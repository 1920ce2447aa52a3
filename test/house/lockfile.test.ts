import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

interface Entry {
  version?: string;
  integrity?: string;
  resolved?: string;
  os?: string[];
  optionalDependencies?: Record<string, string>;
}

const root = join(import.meta.dirname, '../..');
const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
  packages: Record<string, Entry>;
};
const { dependencies, devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<
  string,
  Record<string, string>
>;

test('package.json names exact versions', () => {
  const versions = Object.values({ ...dependencies, ...devDependencies });
  expect(versions.filter((version) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
});

test('package-lock.json names no host', () => {
  expect(Object.entries(packages).filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
});

test('package-lock.json has a checksum for everything that this platform installs', () => {
  const installed = Object.entries(packages).filter(
    ([name, { os = ['linux'] }]) => name !== '' && os.includes('linux'),
  );
  // The mirror that made the lockfile does not hold these; they are for other kinds of Linux.
  const elsewhere = /-(arm|arm64|ppc64|riscv64|s390x)-|-musl/;
  expect(installed.filter(([name, { integrity }]) => integrity === undefined && !elsewhere.test(name))).toEqual([]);
});

// Else "npm ci" refuses it: "npm run lock" completes it.
test('package-lock.json has an entry for every platform that a tool has a binary for', () => {
  const named = Object.values(packages).flatMap(({ optionalDependencies = {} }) =>
    Object.entries(optionalDependencies),
  );
  const exact = named.filter(([, version]) => /^\d+\.\d+\.\d+$/.test(version)).map(([name]) => `node_modules/${name}`);
  expect(exact.filter((name) => packages[name] === undefined)).toEqual([]);
});
