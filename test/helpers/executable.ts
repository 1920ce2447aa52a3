import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

/** Folder that holds the executable and its `egress-policy` link: what CNI_PATH is set to. */
export const pluginFolder = join(root, 'bundle/bin');

/** The executable under test. */
export const executable = join(pluginFolder, 'drawbridge');

/** Vitest's globalSetup of the tests that need root: refuses to start without it, and builds what is out of date. */
export default function prepare(): void {
  if (process.getuid?.() !== 0) {
    throw new Error(
      'Cannot run the netns tests: they make network namespaces, which needs root; run "npm run check" without root',
    );
  }
  if (isOutOfDate()) execFileSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: 'inherit' });
}

/** Whether something that goes into the executable is newer than it. */
function isOutOfDate(): boolean {
  const built = statSync(executable, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).map((file) => `src/${file}`);
  return [
    ...sources,
    'bundle/build.ts',
    'bundle/strippable.ts',
    'bundle/targets.ts',
    'package.json',
    'package-lock.json',
  ].some((file) => (statSync(join(root, file), { throwIfNoEntry: false })?.mtimeMs ?? 0) > built);
}
