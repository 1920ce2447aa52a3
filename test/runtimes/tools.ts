/**
 * Clients that Debian 12 does not have, built once from their published modules, and the packages that it has, unpacked.
 *
 *   test/.cache/bin/nerdctl-v2.2.1, crictl-v1.34.0     ignored by git; `node test/runtimes/tools.ts` makes them
 *   test/.cache/debian/containerd, podman              unpacked, never installed: no service is to start here
 *
 * Both clients want Go 1.24. Where that is missing, what uses them is skipped and says why.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unpack } from '../firewall/packages.ts';

interface Client {
  readonly module: string;
  readonly version: string;
  /** Hash of the module as in a go.sum: what is built is what was tested here. */
  readonly sum: string;
  readonly program: string;
  /** Package of the program inside the module. */
  readonly main: string;
  readonly flags?: readonly string[];
  /** Makes the module buildable; gets a copy of it. */
  readonly prepare?: (folder: string) => void;
}

const clients: Readonly<Record<'crictl' | 'nerdctl', Client>> = {
  crictl: {
    module: 'sigs.k8s.io/cri-tools',
    version: 'v1.34.0',
    sum: 'h1:KqL9EJ+WgHtz1HR1exezm91n+o8O2uMLs/eHzHJHAWw=',
    program: 'crictl',
    main: './cmd/crictl',
    flags: ['-ldflags', '-X sigs.k8s.io/cri-tools/pkg/version.Version=v1.34.0'],
  },
  nerdctl: {
    module: 'github.com/containerd/nerdctl/v2',
    version: 'v2.2.1',
    sum: 'h1:eXBu4HddMEXtLmZsJncfvOiJ6a8DemOzWhOxypNIEG0=',
    program: 'nerdctl',
    main: './cmd/nerdctl',
    flags: ['-ldflags', '-X github.com/containerd/nerdctl/v2/pkg/version.Version=v2.2.1'],
    // The module replaces one of its own by a folder that its archive does not hold; only a helper of its tests wants it.
    prepare: (folder) => {
      rmSync(join(folder, 'cmd/nerdctl/helpers/testing_linux.go'));
      mkdirSync(join(folder, 'mod/tigron'), { recursive: true });
      writeFileSync(
        join(folder, 'mod/tigron/go.mod'),
        'module github.com/containerd/nerdctl/mod/tigron\n\ngo 1.24.3\n',
      );
    },
  },
};

const cache = join(import.meta.dirname, '../.cache');

export const version = (name: keyof typeof clients): string => clients[name].version;

/** Path of a client; undefined when it is not built. */
export function client(name: keyof typeof clients): string | undefined {
  return existsSync(place(name)) ? place(name) : undefined;
}

/** Folder with an unpacked package; undefined when it cannot be had. */
export function debian(name: 'containerd' | 'podman'): string | undefined {
  return unpack(name);
}

/** What a program of an unpacked package says of its version: "1.6.20~ds1". */
export function versionOf(root: string | undefined, program: string, args = ['--version']): string {
  if (root === undefined) return '(not available)';
  const printed = execFileSync(join(root, 'usr', program), args, {
    encoding: 'utf8',
    env: { ...process.env, LD_LIBRARY_PATH: join(root, 'usr/lib/x86_64-linux-gnu') },
  });
  return /\d+\.\d+\.\d+[^\s,]*/.exec(printed)?.[0] ?? printed.trim();
}

function place(name: keyof typeof clients): string {
  return join(cache, 'bin', `${name}-${clients[name].version}`);
}

/** Builds a client when it is not there; a few minutes. Throws when there is no Go, or no module proxy. */
function install(name: keyof typeof clients): void {
  if (existsSync(place(name))) return;
  const { module, version: wanted, sum, main, flags = [], prepare } = clients[name];
  mkdirSync(join(cache, 'bin'), { recursive: true });
  const draft = mkdtempSync(join(cache, 'bin/build-'));
  try {
    // Not every proxy serves the checksum database for each module; our own pin stands in for it.
    const answer = go(['mod', 'download', '-json', `${module}@${wanted}`], { GONOSUMDB: module }, draft);
    const downloaded = JSON.parse(answer) as { Dir: string; Sum: string };
    if (downloaded.Sum !== sum)
      throw new Error(`${module} ${wanted} has the checksum ${downloaded.Sum}, and not ${sum}`);
    const source = join(draft, 'source');
    cpSync(downloaded.Dir, source, { recursive: true });
    prepare?.(source);
    go(['build', '-mod=readonly', ...flags, '-o', join(draft, name), main], { CGO_ENABLED: '0' }, source);
    renameSync(join(draft, name), place(name));
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

function go(args: string[], env: Record<string, string>, cwd: string): string {
  const folders = [process.env['PATH'] ?? '', '/usr/local/go/bin', '/usr/lib/go/bin', '/usr/bin'];
  const home = process.env['HOME'] === undefined ? { GOPATH: join(cache, 'go'), GOCACHE: join(cache, 'go-build') } : {};
  try {
    return execFileSync('go', args, {
      cwd,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { GOFLAGS: '-modcacherw', ...process.env, ...home, ...env, PATH: folders.join(':'), GOTOOLCHAIN: 'local' },
    });
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: string; stdout?: string; stderr?: string };
    const why = code === 'ENOENT' ? 'Go is not installed (Debian: golang-go)' : [stdout, stderr].join(' ').trim();
    throw new Error(why, { cause: error });
  }
}

if (import.meta.main) {
  for (const name of Object.keys(clients) as (keyof typeof clients)[]) {
    try {
      install(name);
    } catch (error) {
      console.error(`Cannot build ${name} ${clients[name].version}: ${(error as Error).message}`);
      process.exitCode = 1;
    }
  }
  for (const name of ['containerd', 'podman'] as const) {
    if (debian(name) !== undefined) continue;
    console.error(`Cannot unpack Debian's ${name}`);
    process.exitCode = 1;
  }
}
