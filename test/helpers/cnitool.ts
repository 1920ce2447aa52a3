/**
 * The public `cnitool`, a CNI runtime that no one here wrote, built once from its published module:
 *
 *   test/.cache/bin/cnitool-v1.3.0     ignored by git; `node test/helpers/cnitool.ts` makes it and prints its path
 *
 * v1.3.0 wants Go 1.21. Debian 12 has Go 1.19, which builds v1.1.2: that one speaks versions up to 1.0.0 and
 * knows no `gc` and no `status`, so a test that needs those asks for `newest`.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

export interface Cnitool {
  readonly path: string;
  /** Whether it is of version 1.3.0: cniVersion 1.1.0, gc and status. */
  readonly newest: boolean;
}

const module = 'github.com/containernetworking/cni/cnitool';
const newestVersion = 'v1.3.0';
const lastVersionForOldGo = 'v1.1.2';
const cache = join(import.meta.dirname, '../.cache');

/** The tool, built when it is not there yet (about 20 s). Throws when there is no Go or no Go module proxy. */
export function cnitool(): Cnitool {
  const version = existsSync(place(newestVersion)) || goMinor() >= 21 ? newestVersion : lastVersionForOldGo;
  if (!existsSync(place(version))) install(version);
  return { path: place(version), newest: version === newestVersion };
}

function place(version: string): string {
  return join(cache, 'bin', `cnitool-${version}`);
}

/** Test files start at once and may each build it; the rename makes the last one win whole. */
function install(version: string): void {
  mkdirSync(join(cache, 'bin'), { recursive: true });
  const draft = mkdtempSync(join(cache, 'bin/build-'));
  try {
    go(['install', `${module}@${version}`], { GOBIN: draft });
    renameSync(join(draft, 'cnitool'), place(version));
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** 26 for go1.26.8. */
function goMinor(): number {
  const printed = go(['version'], {});
  return Number(/go1\.(\d+)/.exec(printed)?.[1] ?? 0);
}

function go(args: string[], env: Record<string, string>): string {
  const folders = [process.env['PATH'] ?? '', '/usr/local/go/bin', '/usr/lib/go/bin', '/usr/bin'];
  // Go's own cache when there is a home to keep it in; ours is writable so that removing the clone stays simple.
  const home = process.env['HOME'] === undefined ? { GOPATH: join(cache, 'go'), GOCACHE: join(cache, 'go-build') } : {};
  try {
    return execFileSync('go', args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { GOFLAGS: '-modcacherw', ...process.env, ...home, ...env, PATH: folders.join(':'), GOTOOLCHAIN: 'local' },
    });
  } catch (error) {
    const { code, stderr } = error as { code?: string; stderr?: string };
    const why = code === 'ENOENT' ? 'Go is not installed (Debian: golang-go)' : (stderr ?? '').trim();
    throw new Error(`Cannot build cnitool: ${why}`, { cause: error });
  }
}

if (import.meta.main) {
  try {
    console.log(cnitool().path);
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
}
