/** Another version of the executable: what a host has during an upgrade. */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { executable } from '../helpers/executable.ts';

const root = join(import.meta.dirname, '../..');
const cache = join(root, 'test/.cache');

/**
 * Folder with an executable of version 9.9.9 and its links, made of the same source with one chain more in the layout:
 * so each of the two finds the other's tables to be of another version, and writes them anew.
 */
export function otherVersion(): string {
  const name = `other-version-${statSync(executable).mtimeMs}`;
  const bin = join(cache, name, 'bundle/bin');
  if (existsSync(join(bin, 'drawbridge'))) return bin;
  mkdirSync(cache, { recursive: true });
  const draft = mkdtempSync(join(cache, 'draft-'));
  try {
    make(draft);
    for (const old of readdirSync(cache).filter((entry) => entry.startsWith('other-version')))
      rmSync(join(cache, old), { recursive: true, force: true });
    renameSync(draft, join(cache, name));
  } catch (error) {
    // Somebody else made it meanwhile.
    if (!existsSync(join(bin, 'drawbridge'))) throw error;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  return bin;
}

function make(folder: string): void {
  cpSync(join(root, 'src'), join(folder, 'src'), { recursive: true });
  mkdirSync(join(folder, 'bundle'));
  for (const file of readdirSync(join(root, 'bundle')).filter((name) => /\.c?[jt]s$/u.test(name)))
    cpSync(join(root, 'bundle', file), join(folder, 'bundle', file));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  change(folder, 'package.json', /"version": "[^"]*"/u, '"version": "9.9.9"');
  change(
    folder,
    'src/dataplane/catalogue/publishing.ts',
    /(publishingChains: readonly ChainDeclaration\[\] = \[)/u,
    "$1 { table, name: 'of_the_other_version', rules: [] },",
  );
  execFileSync(process.execPath, ['bundle/build.ts'], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
}

function change(folder: string, file: string, pattern: RegExp, replacement: string): void {
  const before = readFileSync(join(root, file), 'utf8');
  const after = before.replace(pattern, replacement);
  if (after === before) throw new Error(`Cannot make another version: ${file} has nothing like ${String(pattern)}`);
  writeFileSync(join(folder, file), after);
}
