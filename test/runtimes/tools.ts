/**
 * Clients that Debian 12 does not have, and tests that other projects wrote for their own, built once from published
 * modules; and the packages that Debian has, unpacked.
 *
 *   test/.cache/bin/nerdctl-v2.2.1, crictl-v1.34.0     ignored by git; `node test/runtimes/tools.ts` makes them
 *   test/.cache/bin/containerd-v2.2.9/                 containerd and its shim
 *   test/.cache/bin/nerdctl-tests-v2.0.3/, reference-tests-v1.9.1/, reference-plugins-v1.9.1/
 *   test/.cache/debian/containerd, podman              unpacked, never installed: no service is to start here
 *
 * They want Go 1.25 (nerdctl and crictl: 1.24). Where that is missing, what uses them is skipped and says why.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isUnpacked, unpack } from '../firewall/packages.ts';

interface Build {
  readonly module: string;
  readonly version: string;
  /** Hash of the module as in a go.sum: what is built is what was tested here. */
  readonly sum: string;
  /** Arguments of `go` for each program, without the name of the output. */
  readonly programs: Readonly<Record<string, readonly string[]>>;
  /** Folders of the module that the programs read when they run. */
  readonly data?: readonly string[];
  /** Makes the module buildable; gets a copy of it. */
  readonly prepare?: (folder: string) => void;
}

const builds = {
  crictl: {
    module: 'sigs.k8s.io/cri-tools',
    version: 'v1.34.0',
    sum: 'h1:KqL9EJ+WgHtz1HR1exezm91n+o8O2uMLs/eHzHJHAWw=',
    programs: {
      crictl: ['build', '-ldflags', '-X sigs.k8s.io/cri-tools/pkg/version.Version=v1.34.0', './cmd/crictl'],
    },
  },
  nerdctl: {
    module: 'github.com/containerd/nerdctl/v2',
    version: 'v2.2.1',
    sum: 'h1:eXBu4HddMEXtLmZsJncfvOiJ6a8DemOzWhOxypNIEG0=',
    programs: {
      nerdctl: ['build', '-ldflags', '-X github.com/containerd/nerdctl/v2/pkg/version.Version=v2.2.1', './cmd/nerdctl'],
    },
    // The module replaces one of its own by a folder that its archive does not hold; only a helper of its tests wants
    // it.
    prepare: (folder) => {
      rmSync(join(folder, 'cmd/nerdctl/helpers/testing_linux.go'));
      mkdirSync(join(folder, 'mod/tigron'), { recursive: true });
      writeFileSync(
        join(folder, 'mod/tigron/go.mod'),
        'module github.com/containerd/nerdctl/mod/tigron\n\ngo 1.24.3\n',
      );
    },
  },
  containerd: {
    module: 'github.com/containerd/containerd/v2',
    version: 'v2.2.9',
    sum: 'h1:ddw9THGOXhcKnHORjkKoXtazPjwtcPwmqk8AVyRpfZw=',
    programs: {
      containerd: [
        'build',
        '-tags',
        'no_btrfs no_devmapper no_zfs no_aufs',
        '-ldflags',
        '-X github.com/containerd/containerd/v2/version.Version=v2.2.9',
        './cmd/containerd',
      ],
      'containerd-shim-runc-v2': ['build', './cmd/containerd-shim-runc-v2'],
    },
  },
  // The last version whose tests are buildable from the module alone; what they drive is the nerdctl above.
  'nerdctl-tests': {
    module: 'github.com/containerd/nerdctl/v2',
    version: 'v2.0.3',
    sum: 'h1:hdbDSsFHFNehQEbUortBTXpYUOY13bQmLAvtNHBthc8=',
    programs: {
      'container.test': ['test', '-c', '-vet=off', './cmd/nerdctl/container'],
      'network.test': ['test', '-c', '-vet=off', './cmd/nerdctl/network'],
      'compose.test': ['test', '-c', '-vet=off', './cmd/nerdctl/compose'],
    },
  },
  'reference-tests': {
    module: 'github.com/containernetworking/plugins',
    version: 'v1.9.1',
    sum: 'h1:8oU6WsIsU3bpnNZuvHp74a6cE1MJwbj2P7s4/yTUNlA=',
    programs: {
      'integration.test': ['test', '-c', '-vet=off', './integration'],
      'portmap.test': ['test', '-c', '-vet=off', './plugins/meta/portmap'],
      'firewall.test': ['test', '-c', '-vet=off', './plugins/meta/firewall'],
      'echo-server': ['build', './pkg/testutils/echo/server'],
      'echo-client': ['build', './pkg/testutils/echo/client'],
    },
    data: ['integration/testdata'],
    // One assertion looks at how it is done and not at what comes of it: that iptables has a chain of a certain name.
    prepare: (folder) => {
      const file = join(folder, 'plugins/meta/portmap/portmap_integ_test.go');
      const text = readFileSync(file, 'utf8');
      const rest = text.replace(/\t+\/\/ Check the chain exists\n.*\n.*\n/, '');
      if (rest === text) throw new Error(`"${file}" is not what it was`);
      writeFileSync(file, rest);
    },
  },
  // Debian's package has an older bridge, which knows no trunk, and no dummy: for test/kernels.
  'reference-plugins': {
    module: 'github.com/containernetworking/plugins',
    version: 'v1.9.1',
    sum: 'h1:8oU6WsIsU3bpnNZuvHp74a6cE1MJwbj2P7s4/yTUNlA=',
    programs: {
      bridge: ['build', './plugins/main/bridge'],
      dummy: ['build', './plugins/main/dummy'],
      ipvlan: ['build', './plugins/main/ipvlan'],
      'host-local': ['build', './plugins/ipam/host-local'],
    },
  },
} satisfies Record<string, Build>;

export type Client = keyof typeof builds;

const cache = join(import.meta.dirname, '../.cache');

export const version = (name: Client): string => builds[name].version;

/** Path of a client, or of the folder with its programs when it has several; undefined when it is not built. */
export function client(name: Client): string | undefined {
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

function place(name: Client): string {
  return join(cache, 'bin', `${name}-${builds[name].version}`);
}

/** What is not here and can be had: clients to build, packages to unpack. */
export function missing(): string[] {
  return [
    ...clients.filter((name) => client(name) === undefined).map((name) => `${name} ${version(name)}`),
    ...packages.filter((name) => !isUnpacked(name)).map((name) => `Debian's ${name}`),
  ];
}

const clients = Object.keys(builds) as Client[];
const packages = ['containerd', 'podman'] as const;

/** Builds a client when it is not there; a minute or two. Throws when there is no Go, or no module proxy. */
function install(name: Client): void {
  const { module, version: wanted, sum, programs, data = [], prepare }: Build = builds[name];
  mkdirSync(join(cache, 'bin'), { recursive: true });
  const draft = mkdtempSync(join(cache, 'bin/build-'));
  try {
    // Not every proxy serves the checksum database for each module; our own pin stands in for it.
    const answer = go(['mod', 'download', '-json', `${module}@${wanted}`], { GONOSUMDB: module }, draft);
    const downloaded = JSON.parse(answer) as { Dir: string; Sum: string };
    if (downloaded.Sum !== sum)
      throw new Error(`${module} ${wanted} has the checksum ${downloaded.Sum}, and not ${sum}`);
    const source = join(draft, 'source');
    const made = join(draft, 'made');
    cpSync(downloaded.Dir, source, { recursive: true });
    prepare?.(source);
    for (const [program, [command = '', ...args]] of Object.entries(programs))
      go([command, '-mod=readonly', '-trimpath', '-o', join(made, program), ...args], { CGO_ENABLED: '0' }, source);
    for (const folder of data) cpSync(join(source, folder), join(made, folder), { recursive: true });
    const [only, ...others] = Object.keys(programs);
    renameSync(only !== undefined && others.length === 0 ? join(made, only) : made, place(name));
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
    const said = [stdout, stderr].join(' ').trim().split('\n').slice(0, 10).join('\n');
    const why = code === 'ENOENT' ? 'Go is not installed (Debian: golang-go)' : said;
    throw new Error(why, { cause: error });
  }
}

/** `--missing` names what is not here, and exits with status 1 then; without it all of that is fetched. */
if (import.meta.main && process.argv.includes('--missing')) {
  const names = missing();
  console.log(names.join(', '));
  process.exitCode = names.length > 0 ? 1 : 0;
} else if (import.meta.main) {
  for (const name of clients.filter((one) => client(one) === undefined)) {
    try {
      install(name);
    } catch (error) {
      console.error(`Cannot build ${name} ${version(name)}: ${(error as Error).message}`);
      process.exitCode = 1;
    }
  }
  for (const name of packages) {
    if (debian(name) === undefined) process.exitCode = 1;
  }
}
