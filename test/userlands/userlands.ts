/** Roots of other distributions, and what of the tests runs inside of them. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const repository = join(import.meta.dirname, '../..');
const cache = join(repository, 'test/.cache/userlands');

/** Suites whose roots test/userlands/roots.sh makes. */
export const suites = ['noble', 'trixie', 'sid'] as const;

/** A root whose nft does not understand our rules: the executable says so there, and does nothing. */
export const oldSuite = 'bullseye';

export type Suite = (typeof suites)[number] | typeof oldSuite;

/** Tests of what differs between versions: all that reads or writes what a program of the host prints or takes. */
export const wholeForm = [
  'test/dataplane/goldens.netns',
  'test/egress/kernel/goldens.netns',
  'test/host/nft.netns',
  'test/host/netlink/elements.netns',
  'test/agent/process/watch.netns',
  'test/agent/process/repair.netns',
  'test/records/commit.netns',
  'test/plugins/drawbridge/add-del.netns',
  'test/plugins/drawbridge/check.netns',
  'test/plugins/drawbridge/links.netns',
  'test/plugins/drop-in/bandwidth.netns',
  'test/cli/explain.netns',
] as const;

/** That is unpacked for the Python and the libraries of this machine. */
const withoutFirewalld = ['--testNamePattern', '^(?!.*firewalld)'];

/** Every text that we load, loaded, listed and loaded back. */
export const shortForm = ['test/dataplane/goldens.netns', 'test/host/nft.netns'] as const;

export interface Run {
  readonly passed: number;
  /** Full titles. */
  readonly failed: readonly string[];
  readonly seconds: number;
}

export function isThere(suite: Suite): boolean {
  return existsSync(join(cache, suite, 'etc/os-release'));
}

/** What a root prints of itself: one line for a command of /bin/sh. */
export function ask(suite: Suite, script: string): string {
  return execFileSync('sh', [...entering(suite), 'sh', '-c', script], { encoding: 'utf8' }).trim();
}

/** Runs test files inside of a root, with the Node of npm. The executable has to be up to date. */
export function runTests(suite: Suite, files: readonly string[]): Run {
  const report = `test/.cache/userlands/${suite}.json`;
  const began = performance.now();
  const vitest = [
    'node',
    'node_modules/vitest/vitest.mjs',
    'run',
    '--project',
    'netns',
    '--no-color',
    ...withoutFirewalld,
  ];
  // Vitest runs what it finds, so a file that was renamed would be left out without a word.
  const missing = files.filter((file) => !existsSync(join(repository, `${file}.test.ts`)));
  if (missing.length > 0) throw new Error(`There is no test file of these names: ${missing.join(', ')}`);
  rmSync(join(repository, report), { force: true });
  try {
    execFileSync('sh', [...entering(suite), ...vitest, '--reporter=json', `--outputFile=${report}`, ...files], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  } catch (error) {
    // Tests that fail are in the report; without one nothing ran.
    if (!existsSync(join(repository, report))) throw error;
  }
  const { testResults } = JSON.parse(readFileSync(join(repository, report), 'utf8')) as Report;
  const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
  const broken = testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  );
  return {
    passed: tests.filter(({ status }) => status === 'passed').length,
    failed: [
      ...tests.filter(({ status }) => status === 'failed').map(({ fullName }) => fullName),
      ...broken.map(({ name }) => `${name.replace('/repository/', '')} did not run`),
    ],
    seconds: Math.round((performance.now() - began) / 1000),
  };
}

interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

function entering(suite: Suite): string[] {
  return [join(import.meta.dirname, 'enter.sh'), join(cache, suite)];
}
