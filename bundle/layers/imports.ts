import { globSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

/** Which files each file of a folder imports, types and dynamic imports included; paths are relative to the folder. */
export type Imports = ReadonlyMap<string, ReadonlySet<string>>;

/** Reads the imports of every TypeScript file below a folder. */
export function readImports(folder: string): Imports {
  const files = globSync('**/*.ts', { cwd: folder }).toSorted();
  return new Map(
    files.map((file) => {
      const imported = importsOf(readFileSync(join(folder, file), 'utf8'));
      return [file, new Set(imported.map((path) => posix.join(posix.dirname(file), path)))];
    }),
  );
}

/** What may stand in a source, in the order in which it is tried: what is skipped, then the forms of an import. */
const tokens =
  /\/\/.*|\/\*[^]*?\*\/|`(?:\\[^]|[^`\\])*`|(?:\bfrom|\bimport)\s*\(?\s*(['"])(?<path>\.[^'"\n]*)\1|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/g;

/** Relative paths that a source imports or exports from. Comments and other texts do not count. */
export function importsOf(source: string): string[] {
  return [...source.matchAll(tokens)].flatMap(({ groups }) => (groups?.['path'] === undefined ? [] : [groups['path']]));
}
