/**
 * Makes what is published of a version: `npm run release`.
 *
 *   bundle/out/release/
 *     drawbridge-<version>-linux-<arch>.tar.gz
 *       bin/drawbridge, bin/egress-policy -> drawbridge
 *       drop-in/bridge, host-local, … -> ../bin/drawbridge     for hosts that hardcode the reference's names
 *       conf/, docs/, man/man8/, README.md and the pages and the picture that it leads to, LICENSE, sbom.cdx.json
 *     drawbridge-<version>.sbom.cdx.json
 *     SHA256SUMS
 *
 * It builds twice and compares: the same commit and lockfile give the same bytes wherever the repository is.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { commands } from '../src/cli/commands.ts';
import { dropIns } from '../src/plugins/drop-in/plugins.ts';
import { billOfMaterials, type Lockfile } from './sbom.ts';
import { tar, type TarEntry } from './tar.ts';

const root = join(import.meta.dirname, '..');
const out = join(root, 'bundle/out/release');

/** The executable holds the path of the folder that it was made in. */
const compileIn = '/tmp/drawbridge-release';

const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
const lockfile = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lockfile;

try {
  const executable = build();
  if (!build().equals(executable)) throw new Error('two builds of the same sources differ');
  const sbom = billOfMaterials(lockfile, version);
  const name = `drawbridge-${version}-linux-${process.arch === 'x64' ? 'amd64' : process.arch}`;
  // Level 9 and no time: gzip's header would hold that of the file.
  const archive = gzipSync(tar(entriesOf(name, executable, sbom)), { level: 9 });
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const files: [string, Buffer][] = [
    [`${name}.tar.gz`, archive],
    [`drawbridge-${version}.sbom.cdx.json`, Buffer.from(sbom)],
  ];
  for (const [file, data] of files) writeFileSync(join(out, file), data);
  const sums = files.map(([file, data]) => `${sha256(data)}  ${file}\n`).join('');
  writeFileSync(join(out, 'SHA256SUMS'), sums);
  console.log(`${sums}in bundle/out/release; two builds gave the same bytes`);
} catch (error) {
  console.error(`Cannot make the release: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

/** Nobody else may have put anything there: the folder is made here, or not at all. */
function build(): Buffer {
  try {
    mkdirSync(compileIn, { mode: 0o700 });
  } catch {
    throw new Error(`"${compileIn}" exists: another release is being made, or one was cut short and left it`);
  }
  try {
    execFileSync(process.execPath, [join(root, 'bundle/build.ts')], {
      stdio: 'inherit',
      env: { ...process.env, DRAWBRIDGE_COMPILE_IN: compileIn },
    });
    return readFileSync(join(compileIn, 'drawbridge'));
  } finally {
    rmSync(compileIn, { recursive: true, force: true });
  }
}

function entriesOf(name: string, executable: Buffer, sbom: string): TarEntry[] {
  const texts = ['README.md', 'SECURITY.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'LICENSE'];
  const picture = 'demo/graph.svg';
  const entries: TarEntry[] = [
    { name: 'bin/', folder: true },
    { name: 'bin/drawbridge', data: executable, mode: 0o755 },
    { name: 'bin/egress-policy', link: 'drawbridge' },
    { name: 'drop-in/', folder: true },
    ...Object.keys(dropIns).map((plugin) => ({ name: `drop-in/${plugin}`, link: '../bin/drawbridge' })),
    ...folder('conf'),
    ...folder('docs'),
    ...manPages(),
    { name: 'demo/', folder: true },
    ...[picture, ...texts].map((file) => ({ name: file, data: readFileSync(join(root, file)) })),
    { name: 'sbom.cdx.json', data: sbom },
  ];
  return [{ name: `${name}/`, folder: true }, ...entries.map((entry) => ({ ...entry, name: `${name}/${entry.name}` }))];
}

/** A folder with everything in it, in an order that does not depend on the file system; nothing when there is none. */
function folder(path: string): TarEntry[] {
  if (!existsSync(join(root, path))) return [];
  const inside = readdirSync(join(root, path)).toSorted();
  return [
    { name: `${path}/`, folder: true },
    ...inside.flatMap((name): TarEntry[] => {
      const file = `${path}/${name}`;
      return statSync(join(root, file)).isDirectory()
        ? folder(file)
        : [{ name: file, data: readFileSync(join(root, file)) }];
    }),
  ];
}

/** The executable's own, of the program and of each command. */
function manPages(): TarEntry[] {
  const page = (words: readonly string[]): Buffer =>
    execFileSync(join(root, 'bundle/bin/drawbridge'), ['man', ...words], { env: {} });
  const ofCommands = commands
    .filter(({ hidden }) => hidden !== true)
    .map(({ name }): TarEntry => {
      const words = name.split(' ');
      return { name: `man/man8/drawbridge-${words.join('-')}.8`, data: page(words) };
    })
    .toSorted((one, other) => (one.name < other.name ? -1 : 1));
  return [
    { name: 'man/', folder: true },
    { name: 'man/man8/', folder: true },
    { name: 'man/man8/drawbridge.8', data: page([]) },
    ...ofCommands,
    { name: 'man/man8/egress-policy.8', data: '.so man8/drawbridge.8\n' },
  ];
}

function sha256(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}
