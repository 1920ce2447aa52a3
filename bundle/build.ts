/**
 * Makes the executable: src/main.ts -> one CommonJS file (esbuild) -> one file that needs glibc alone (Bun).
 *
 *   bundle/out/main.cjs        the bundle
 *   bundle/bin/drawbridge      the executable
 *   bundle/bin/egress-policy   -> drawbridge
 */
import { build } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const out = join(root, 'bundle/out');
const bin = join(root, 'bundle/bin');

const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };

rmSync(bin, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
mkdirSync(bin, { recursive: true });

await build({
  entryPoints: [join(root, 'src/main.ts')],
  outfile: join(out, 'main.cjs'),
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node24',
  minify: true,
  keepNames: true,
  define: { DRAWBRIDGE_VERSION: JSON.stringify(version) },
  logLevel: 'warning',
});

execFileSync(
  join(root, 'node_modules/.bin/bun'),
  [
    'build',
    join(out, 'main.cjs'),
    '--compile',
    '--bytecode',
    '--format=cjs',
    '--target=bun-linux-x64',
    // Without these two, the executable reads files that it finds in its working directory.
    '--no-compile-autoload-dotenv',
    '--no-compile-autoload-bunfig',
    '--outfile',
    join(bin, 'drawbridge'),
  ],
  { stdio: ['ignore', 'ignore', 'inherit'], cwd: out },
);
chmodSync(join(bin, 'drawbridge'), 0o755);
symlinkSync('drawbridge', join(bin, 'egress-policy'));
