import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ownTarget } from '../targets.ts';

const root = join(import.meta.dirname, '../..');

/** Roots with the C libraries that this machine lacks: bundle/roots.sh makes them. */
const roots = join(root, 'test/.cache/packages');

/**
 * Asks an executable that was built for VERSION, in the way that this machine has for its target, and returns a
 * sentence about it. Throws when it answers anything else; a target that this machine cannot run is said to be one.
 */
export function askVersion(target: string): string {
  const file = join(root, 'bundle/bin', target, 'drawbridge');
  const library = target.endsWith('-musl') ? 'musl' : 'glibc';
  if (target.replace(/-(?:baseline|musl)$/, '') === ownTarget().replace(/-(?:baseline|musl)$/, ''))
    return library === 'glibc' ? expectAnswer([file], 'answers VERSION here') : askInRoot(file);
  const libraries = join(roots, 'arm64');
  if (process.arch !== 'x64' || !isEmulated() || !existsSync(libraries))
    return 'not run: this needs qemu-aarch64-static and a root of arm64 (sh bundle/roots.sh)';
  return expectAnswer(
    ['qemu-aarch64-static', '-L', libraries, file],
    `answers VERSION under qemu-user, with ${library}`,
  );
}

function askInRoot(file: string): string {
  if (process.getuid?.() !== 0 || !existsSync(join(roots, 'musl')))
    return 'not run: this needs root, and a root with musl (sh bundle/roots.sh)';
  const folder = mkdtempSync(join(roots, 'musl/ask-'));
  try {
    copyFileSync(file, join(folder, 'drawbridge'));
    const inside = join('/', folder.slice(join(roots, 'musl').length), 'drawbridge');
    return expectAnswer(['chroot', join(roots, 'musl'), inside], 'answers VERSION in a root with musl');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function isEmulated(): boolean {
  try {
    execFileSync('qemu-aarch64-static', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function expectAnswer([program = '', ...words]: readonly string[], sentence: string): string {
  const answer = execFileSync(program, words, {
    encoding: 'utf8',
    input: '{"cniVersion":"1.1.0"}',
    env: { CNI_COMMAND: 'VERSION', PATH: process.env['PATH'] },
  });
  if (!answer.includes('"supportedVersions"')) throw new Error(`the executable answers VERSION with "${answer}"`);
  return sentence;
}
