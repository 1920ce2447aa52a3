import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { executable, pluginFolder } from '../helpers/executable.ts';

const root = join(import.meta.dirname, '../..');
const egressPolicy = join(pluginFolder, 'egress-policy');
const askVersion = JSON.stringify({ cniVersion: '1.1.0' });

let folder: string;
let proof: string;

/** A working directory that tells Bun to set CNI_COMMAND and to run a script of its own first. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hostile-'));
  proof = join(folder, 'preload-was-here');
  const preload = `require('node:fs').writeFileSync(${JSON.stringify(proof)}, '');\n`;
  const bunfig = `preload = ["./preload.js"]\n[run]\npreload = ["./preload.js"]\n`;
  for (const name of ['.env', '.env.local', '.env.production', '.env.development']) put(name, 'CNI_COMMAND=VERSION\n');
  put('preload.js', preload);
  put('bunfig.toml', bunfig);
  put('.bunfig.toml', bunfig);
  put('tsconfig.json', 'not JSON');
  put('package.json', 'not JSON');
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the executable', () => {
  test('answers VERSION with nothing else in its environment', () => {
    const { status, stdout } = call(executable, { cwd: '/', env: { CNI_COMMAND: 'VERSION' } });
    expect(JSON.parse(stdout)).toEqual({
      cniVersion: '1.1.0',
      supportedVersions: ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'],
    });
    expect(status).toBe(0);
  });

  test('answers VERSION when its PATH is empty', () => {
    const { status, stdout } = call(executable, { cwd: '/', env: { CNI_COMMAND: 'VERSION', PATH: '' } });
    expect({ status, answers: stdout.includes('supportedVersions') }).toEqual({ status: 0, answers: true });
  });

  test('takes no variable from a .env file of its working directory', () => {
    const { status, stdout, stderr } = call(egressPolicy, { cwd: folder, env: {} });
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
    expect(stderr).toContain('CNI egress-policy plugin v');
  });

  test('runs no preload of a bunfig.toml of its working directory', () => {
    rmSync(proof, { force: true });
    const { status } = call(executable, { cwd: folder, env: { CNI_COMMAND: 'VERSION', HOME: folder } });
    expect({ status, ran: existsSync(proof) }).toEqual({ status: 0, ran: false });
  });

  test('is told the version of package.json', () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    expect(call(egressPolicy, { cwd: '/', env: {} }).stderr).toContain(`v${version}`);
  });

  test('needs the libraries of glibc alone', () => {
    const needed = execFileSync('ldd', [executable], { encoding: 'utf8' }).trim().split('\n');
    const names = needed.map((line) => line.trim().split(/[ (]/, 1)[0]?.replace(/^.*\//, ''));
    const ofGlibc = /^(linux-vdso|ld-linux[-\w]*|libc|libm|libdl|libpthread|librt)\.so\.\d$/;
    expect(names.filter((name) => !ofGlibc.test(name ?? ''))).toEqual([]);
  });

  test('answers VERSION after strip took its symbols', () => {
    const stripped = join(mkdtempSync(join(tmpdir(), 'stripped-')), 'drawbridge');
    onTestFinished(() => rmSync(dirname(stripped), { recursive: true, force: true }));
    copyFileSync(executable, stripped);
    execFileSync('strip', [stripped]);
    const { status, stdout } = call(stripped, { cwd: '/', env: { CNI_COMMAND: 'VERSION' } });
    expect({ status, answers: stdout.includes('supportedVersions') }).toEqual({ status: 0, answers: true });
    expect(statSync(stripped).size).toBeLessThan(statSync(executable).size);
  });

  test('is linked as egress-policy by a relative path, so that the folder can be copied', () => {
    expect(lstatSync(egressPolicy).isSymbolicLink()).toBe(true);
    expect(readlinkSync(egressPolicy)).toBe('drawbridge');
  });
});

// Without this, two of the tests above would pass on files that harm nobody.
test('the hostile files act on an executable that is compiled without our flags', () => {
  const quiet = mkdtempSync(join(tmpdir(), 'quiet-'));
  onTestFinished(() => rmSync(quiet, { recursive: true, force: true }));
  const victim = join(quiet, 'victim');
  const script = join(quiet, 'victim.cjs');
  writeFileSync(script, `console.log(process.env.CNI_COMMAND ?? 'unset')\n`);
  execFileSync(join(root, 'node_modules/.bin/bun'), ['build', script, '--compile', `--outfile=${victim}`], {
    cwd: quiet,
    stdio: 'ignore',
  });
  rmSync(proof, { force: true });
  const { stdout } = call(victim, { cwd: folder, env: {} });
  expect({ stdout, ran: existsSync(proof) }).toEqual({ stdout: 'VERSION\n', ran: true });
});

test('npm run build refuses a target that it does not know, and names those that it knows', () => {
  const { status, stderr } = spawnSync(
    join(root, 'node_modules/.bin/node'),
    [join(root, 'bundle/build.ts'), '--target', 'linux-riscv64'],
    { encoding: 'utf8' },
  );
  expect({ status, stderr }).toEqual({
    status: 1,
    stderr:
      'Cannot build the executable: there is no target "linux-riscv64"; the targets are linux-x64, linux-x64-baseline, linux-arm64, linux-x64-musl, linux-arm64-musl\n',
  });
});

function put(name: string, text: string): void {
  writeFileSync(join(folder, name), text);
}

function call(file: string, { cwd, env }: { cwd: string; env: Record<string, string> }) {
  return spawnSync(file, [], { cwd, env, input: askVersion, encoding: 'utf8', timeout: 10_000 });
}
