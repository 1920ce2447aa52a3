/**
 * Makes the executable: src/main.ts -> one CommonJS file (esbuild) -> one file that needs the C library alone (Bun).
 *
 *   bundle/out/main.cjs        the bundle
 *   bundle/out/inputs.json     the files that are in it
 *   bundle/bin/drawbridge      the executable
 *   bundle/bin/egress-policy   -> drawbridge
 *
 * Each is made beside its place and renamed into it: a test that runs the old one meanwhile is not disturbed,
 * and a build that fails leaves what was there.
 *
 * `-- --target NAME` makes it for another machine (targets.ts), in bundle/bin/NAME. `-- --as VERSION` makes one that says so
 * and whose tables have another mark, in bundle/bin/VERSION: what an upgrade between versions is tried with.
 */
import { build, type Plugin } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { layoutMark } from '../src/dataplane/layout.ts';
import { makeStrippable } from './strippable.ts';
import { ownTarget, runtimeOf, targetOf } from './targets.ts';

const root = join(import.meta.dirname, '..');
const out = join(root, 'bundle/out');

try {
  await make();
} catch (error) {
  // esbuild and Bun have printed what is wrong, with its line; a stack of this script would only hide it.
  console.error(`Cannot build the executable: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

async function make(): Promise<void> {
  const begin = performance.now();
  const { target, as } = parseArgs({ options: { target: { type: 'string' }, as: { type: 'string' } } }).values;
  if (target !== undefined) targetOf(target);
  const place = join('bundle/bin', as ?? target ?? '');
  const bin = join(root, place);
  mkdirSync(out, { recursive: true });
  mkdirSync(bin, { recursive: true });
  const draft = mkdtempSync(join(out, 'build-'));
  try {
    await bundle(join(draft, 'main.cjs'), as);
    compile(draft, target ?? ownTarget());
    renameSync(join(draft, 'inputs.json'), join(out, 'inputs.json'));
    symlinkSync('drawbridge', join(draft, 'egress-policy'));
    renameSync(join(draft, 'main.cjs'), join(out, 'main.cjs'));
    renameSync(join(draft, 'drawbridge'), join(bin, 'drawbridge'));
    renameSync(join(draft, 'egress-policy'), join(bin, 'egress-policy'));
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  const megabytes = (statSync(join(bin, 'drawbridge')).size / 1e6).toFixed(0);
  console.error(`${place}/drawbridge: ${megabytes} MB, ${((performance.now() - begin) / 1000).toFixed(1)} s`);
}

async function bundle(outfile: string, as: string | undefined): Promise<void> {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const { metafile } = await build({
    entryPoints: [join(root, 'src/main.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node24',
    // What of a package nobody uses is left out where it has modules: OpenTelemetry's are 50 KB then, and 280 else.
    mainFields: ['module', 'main'],
    minify: true,
    metafile: true,
    define: {
      DRAWBRIDGE_VERSION: JSON.stringify(as ?? version),
      DRAWBRIDGE_PAGE: JSON.stringify(await bundlePage()),
      DRAWBRIDGE_LAYOUT: JSON.stringify(as === undefined ? layoutMark : otherMark(as)),
    },
    // proper-lockfile is given the file system that it uses (host/lock.ts), so it need not load this one.
    alias: { 'graceful-fs': 'node:fs' },
    plugins: [withoutSignalExit()],
    logLevel: 'warning',
  });
  writeFileSync(join(outfile, '../inputs.json'), JSON.stringify(Object.keys(metafile.inputs).toSorted()));
}

/** The browser's part of `drawbridge ui`, as one script and one style sheet. */
async function bundlePage(): Promise<{ readonly script: string; readonly style: string }> {
  const { outputFiles } = await build({
    entryPoints: [join(root, 'src/page/main.tsx')],
    outdir: out,
    bundle: true,
    write: false,
    platform: 'browser',
    format: 'esm',
    target: 'es2023',
    minify: true,
    // A closing tag in a text would end the element that the script stands in.
    supported: { 'inline-script': false },
    logLevel: 'warning',
  });
  const textOf = (ending: string): string => outputFiles.find(({ path }) => path.endsWith(ending))?.text ?? '';
  return { script: textOf('.js'), style: textOf('.css') };
}

/** Of the same form as the true one. */
function otherMark(as: string): string {
  const hash = createHash('sha256').update(as).digest('hex');
  return `${layoutMark.slice(0, -8)}${hash.slice(0, 8)}`;
}

/**
 * proper-lockfile need not see to it that a process that is killed lets go: a dead holder's lock is taken from it at
 * once. execa has a version of signal-exit of its own, and needs it: it ends children with their parent.
 */
function withoutSignalExit(): Plugin {
  return {
    name: 'without-signal-exit',
    setup(setup) {
      setup.onResolve({ filter: /^signal-exit$/ }, ({ importer }) =>
        importer.includes('/proper-lockfile/') ? { path: join(root, 'bundle/signal-exit.cjs') } : undefined,
      );
    },
  };
}

/**
 * The executable holds the path of the folder that it was made in, which a release therefore chooses: the same
 * wherever the repository is (release.ts).
 */
function compile(draft: string, target: string): void {
  const folder = process.env['DRAWBRIDGE_COMPILE_IN'] ?? draft;
  if (folder !== draft) copyFileSync(join(draft, 'main.cjs'), join(folder, 'main.cjs'));
  execFileSync(
    join(root, 'node_modules/.bin/bun'),
    [
      'build',
      join(folder, 'main.cjs'),
      '--compile',
      // Halves the time before the first line of ours runs.
      '--bytecode',
      '--format=cjs',
      // Runs end before compiled code pays for its compilation, which takes a quarter of their CPU time; the agent gets
      // it later.
      '--compile-jit-policy=100',
      // Without these, the executable reads and obeys files of its working directory.
      '--no-compile-autoload-dotenv',
      '--no-compile-autoload-bunfig',
      // Bun embeds itself otherwise.
      ...(target === ownTarget() ? [] : [`--compile-executable-path=${runtimeOf(target)}`]),
      `--outfile=${join(folder, 'drawbridge')}`,
    ],
    { stdio: ['ignore', 'ignore', 'inherit'], cwd: folder },
  );
  const elf = readFileSync(join(folder, 'drawbridge'));
  makeStrippable(elf);
  writeFileSync(join(draft, 'drawbridge'), elf);
  chmodSync(join(draft, 'drawbridge'), 0o755);
}
