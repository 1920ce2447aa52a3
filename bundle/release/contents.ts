import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { commands } from '../../src/cli/commands.ts';

const root = join(import.meta.dirname, '../..');

/** The executable of this machine, which knows its own pages. */
const program = join(root, 'bundle/bin/drawbridge');

/** Pages for people: README and everything that it leads to, by the path that a link has. */
export function papers(): Map<string, Buffer> {
  const texts = ['ARCHITECTURE.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'LICENSE', 'README.md', 'SECURITY.md'];
  const files = [...inside('conf'), 'demo/graph.svg', ...inside('docs'), ...texts];
  return new Map(files.map((file) => [file, readFileSync(join(root, file))]));
}

/** Manual pages of the program and of each command, by the file's name. */
export function manPages(): Map<string, Buffer | string> {
  const ofCommands = commands
    .filter(({ hidden }) => hidden !== true)
    .map(({ name }) => name.split(' '))
    .map((words): [string, Buffer] => [`drawbridge-${words.join('-')}.8`, print(['man', ...words])]);
  return new Map<string, Buffer | string>([
    ['drawbridge.8', print(['man'])],
    ...ofCommands.toSorted(([one], [other]) => (one < other ? -1 : 1)),
    ['egress-policy.8', '.so man8/drawbridge.8\n'],
  ]);
}

/** What each shell reads to complete the command line. */
export function completions(): Record<'bash' | 'fish' | 'zsh', Buffer> {
  return {
    bash: print(['completion', 'bash']),
    fish: print(['completion', 'fish']),
    zsh: print(['completion', 'zsh']),
  };
}

/** Files of a folder of the repository, in an order that does not depend on the file system. */
function inside(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .toSorted();
}

function print(words: readonly string[]): Buffer {
  return execFileSync(program, words, { env: {} });
}
