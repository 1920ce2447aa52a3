import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { deb } from '../../bundle/release/deb.ts';
import { rpm } from '../../bundle/release/rpm.ts';
import { cnitool } from '../helpers/cnitool.ts';
import { executable } from '../helpers/executable.ts';

const repository = join(import.meta.dirname, '../..');
const cache = join(repository, 'test/.cache/packages');
const made = join(cache, 'made');
const root = join(cache, 'trixie');
const muslRoot = join(cache, 'musl');

/** What the test with musl has at /packages. */
export const forMusl = join(cache, 'made-for-musl');

/** Version of the packages that stand for the next release: the same sources, and tables with another mark. */
export const next = '9.0.0';

/** What keeps the tests of packages from running on this machine; undefined when nothing does. */
export function lacks(): string | undefined {
  if (!existsSync(root)) return 'there is no root: "sh bundle/roots.sh" makes it';
  for (const program of ['dpkg-deb', 'rpmbuild', 'strip']) {
    try {
      execFileSync(program, ['--version'], { stdio: 'ignore' });
    } catch {
      return `the program "${program}" is not here: "sh bundle/setup.sh release" installs it`;
    }
  }
  return undefined;
}

/** Makes packages of this version, of the next one, and one whose executable was changed into something else. */
export function makePackages(): void {
  rmSync(made, { recursive: true, force: true });
  mkdirSync(made, { recursive: true });
  execFileSync(process.execPath, [join(repository, 'bundle/build.ts'), '--as', next], { stdio: 'ignore' });
  const facts = { architecture: 'amd64', bill: '{}\n', time: 1_700_000_000 } as const;
  const current = { ...facts, version: '0.1.0', executable: readFileSync(executable) };
  const newer = {
    ...facts,
    version: next,
    executable: readFileSync(join(repository, 'bundle/bin', next, 'drawbridge')),
  };
  for (const product of [current, newer]) for (const make of [deb, rpm]) make(product, made);
  deb({ ...facts, version: '9.9.9', executable: Buffer.from('#!/bin/sh\necho a runtime without its program\n') }, made);
  helpers(made);
}

/** Makes the executable for musl, and puts the libraries beside it that bundle/roots.sh found for it. */
export function makeForMusl(): void {
  rmSync(forMusl, { recursive: true, force: true });
  mkdirSync(forMusl, { recursive: true });
  execFileSync(process.execPath, [join(repository, 'bundle/build.ts'), '--target', 'linux-x64-musl'], {
    stdio: 'ignore',
  });
  copyFileSync(join(repository, 'bundle/bin/linux-x64-musl/drawbridge'), join(forMusl, 'drawbridge'));
  const libraries = join(muslRoot, 'usr/lib');
  for (const name of readdirSync(libraries).filter((file) => /^(?:ld-musl|libgcc_s|libstdc)/.test(file)))
    copyFileSync(join(libraries, name), join(forMusl, name));
  helpers(forMusl);
}

/** What keeps the test with musl from running besides; undefined when nothing does. */
export function lacksMusl(): string | undefined {
  return existsSync(join(muslRoot, 'usr/lib/libstdc++.so.6'))
    ? lacks()
    : 'there is no root with musl: "sh bundle/roots.sh" makes it';
}

/**
 * Runs a script on a host of its own, on which an internet is set up (world.sh), and returns what it printed. `brought`
 * is /packages there.
 */
export function onHost(script: string, brought = made): string {
  const options = { input: `. /packages/world.sh\n${script}\n`, encoding: 'utf8' } as const;
  return execFileSync('sh', [join(import.meta.dirname, 'enter.sh'), root, brought], options).trim();
}

function helpers(folder: string): void {
  copyFileSync(cnitool().path, join(folder, 'cnitool'));
  copyFileSync(join(import.meta.dirname, 'world.sh'), join(folder, 'world.sh'));
}
