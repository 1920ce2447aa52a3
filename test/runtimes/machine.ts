/**
 * A private host (test/helpers/host.ts) with container runtimes, unpacked from Debian's packages and never installed.
 *
 * Control groups are the machine's: there is one hierarchy of each. So the runtimes live in a group of their own in
 * each, and in a control group namespace in which that group is the root; the group goes when the host ends. Everything
 * is run through enter(), which joins both.
 */
import { existsSync, readdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { provide } from '../firewall/packages.ts';
import {
  makeHost,
  type Daemon,
  type ExecOptions,
  type ExecResult,
  type Host,
  type Outside,
} from '../helpers/private-host.ts';
import { installDropIns } from '../plugins/drop-in/links.ts';
import { image, imageName } from './image.ts';

export const pluginFolder = '/opt/cni/bin';

export interface Machine extends AsyncDisposable {
  readonly host: Host;
  readonly outside: Outside;
  /** Runs a program to its end, where the runtimes are; a failure is an error, and what comes back is stdout. */
  run(cmd: readonly string[], options?: ExecOptions): Promise<string>;
  /** The same, and whatever comes of it comes back. */
  exec(cmd: readonly string[], options?: ExecOptions): Promise<ExecResult>;
  spawn(cmd: readonly string[], env?: Record<string, string>): Promise<Daemon>;
  sh(script: string, options?: ExecOptions): Promise<string>;
}

/** Makes the host, with the packages, the plugins in /opt/cni/bin, and the internet at 8.8.8.8 that says "hello". */
export async function makeMachine(packages: readonly string[]): Promise<Machine> {
  const host = await makeHost();
  const group = `drawbridge-test-${process.pid}-${++made}`;
  sweepGroups();
  try {
    for (const root of packages) await provide(host, root);
    await host.sh(cgroupScript(group));
    await host.sh(privateTmp);
    await installDropIns(host, pluginFolder);
    const outside = await host.outside();
    await outside.address('8.8.8.8');
    await host.serve(outside, { port: 80, address: '8.8.8.8', reply: 'hello {peer}' });
    await host.takeBaseline();
    const inside = (cmd: readonly string[]): string[] => ['/run/in-group', ...cmd];
    const run: Machine['run'] = (cmd, options) =>
      host.run(inside(cmd), { timeout: 60_000, env: environment, ...options });
    return {
      host,
      outside,
      run,
      exec: (cmd, options) => host.exec(inside(cmd), { timeout: 60_000, env: environment, ...options }),
      spawn: (cmd, env = {}) => host.spawn(inside(cmd), { env: { ...environment, ...env } }),
      sh: (script, options) => run(['/bin/sh', '-ec', script], options),
      [Symbol.asyncDispose]: async () => {
        await host.dispose();
        await removeGroup(group);
      },
    };
  } catch (error) {
    await host.dispose();
    await removeGroup(group);
    throw error;
  }
}

/**
 * What clients put into /tmp is not to be found on the machine; what is there already (this repository, maybe) is seen.
 */
const privateTmp = `
  mkdir -p /run/tmp/new /run/tmp/work
  mount -t overlay overlay -o lowerdir=/tmp,upperdir=/run/tmp/new,workdir=/run/tmp/work /tmp`;

const environment = {
  PATH: '/run/tools:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
  HOME: '/root',
  CNI_PATH: pluginFolder,
};

/** Puts the image into a file of the host; "file" for clients that load it. */
export async function writeImage(machine: Machine): Promise<string> {
  const file = `/run/image-${imageName.replaceAll(/[^a-z0-9]+/g, '-')}.tar`;
  // The host's /run is a mount of its own: it is reached through its first process.
  writeFileSync(join(`/proc/${machine.host.pid}/root`, file), image());
  return file;
}

/** Waits until `probe` answers with something. */
export async function until<T>(what: string, probe: () => Promise<T | undefined | false>, seconds = 20): Promise<T> {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    const found = await probe();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > end) throw new Error(`Waited ${seconds} s in vain until ${what}`);
    await sleep(100);
  }
}

let made = 0;

function hierarchies(): { kind: string; name: string; options: string }[] {
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '));
  return mounts.flatMap(([, target = '', kind = '', options = '']) => {
    if (kind !== 'cgroup' && kind !== 'cgroup2') return [];
    const name = target === '/sys/fs/cgroup' ? '' : target.slice(target.lastIndexOf('/') + 1);
    const own = options
      .split(',')
      .filter(
        (option) =>
          !['rw', 'ro', 'nosuid', 'nodev', 'noexec', 'relatime', 'nsdelegate', 'memory_recursiveprot'].includes(option),
      );
    return [
      { kind, name, options: own.length === 0 ? '' : `-o ${name === 'systemd' ? 'none,name=systemd' : own.join(',')}` },
    ];
  });
}

/**
 * Each hierarchy twice: in /run/groups as the machine sees it, to join the group; in /sys/fs/cgroup as the runtimes see
 * it.
 */
function cgroupScript(group: string): string {
  const all = hierarchies();
  const isUnified = all.every(({ name }) => name === '');
  const outer = all.map(
    ({ kind, name, options }) =>
      `mkdir -p /run/groups/${name}; mount -t ${kind} ${options} ${kind} /run/groups/${name}; mkdir /run/groups/${name}/${group}`,
  );
  const cpusets = all.some(({ name }) => name === 'cpuset')
    ? `for f in cpus mems; do cat /run/groups/cpuset/cpuset.$f > /run/groups/cpuset/${group}/cpuset.$f; done`
    : '';
  const joins = all.map(({ name }) => `echo $$ > /run/groups/${name}/${group}/cgroup.procs`).join('\n');
  const inner = all.map(
    ({ kind, name, options }) =>
      `mkdir -p /sys/fs/cgroup/${name}; mount -t ${kind} ${options} ${kind} /sys/fs/cgroup/${name}`,
  );
  return `
    mkdir -p /run/groups
    ${outer.join('\n')}
    ${cpusets}
    touch /run/group.ns
    cat > /run/join <<'END'
#!/bin/sh
${joins}
exec "$@"
END
    cat > /run/in-group <<'END'
#!/bin/sh
${joins}
exec nsenter --cgroup=/run/group.ns "$@"
END
    chmod 755 /run/join /run/in-group
    /run/join unshare --cgroup=/run/group.ns true
    cat > /run/mount-groups <<'END'
#!/bin/sh -e
${isUnified ? '' : 'mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup'}
${inner.join('\n')}
END
    chmod 755 /run/mount-groups
    /run/in-group /run/mount-groups`;
}

/** Where control groups are: one folder for each hierarchy. */
function groupFolders(): string[] {
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .flatMap(([, target = '', kind]) => (kind === 'cgroup' || kind === 'cgroup2' ? [target] : []));
}

/** Removes the groups of runs that were killed before they could. */
function sweepGroups(): void {
  for (const folder of groupFolders()) {
    for (const name of readdirSync(folder)) {
      const pid = /^drawbridge-test-(\d+)-\d+$/.exec(name)?.[1];
      if (pid !== undefined && !existsSync(`/proc/${pid}`)) removeTree(join(folder, name));
    }
  }
}

/** The host's processes are gone, so only empty groups are left; the kernel needs a moment to see that. */
async function removeGroup(group: string): Promise<void> {
  for (const top of groupFolders().map((folder) => join(folder, group))) {
    for (let tries = 0; existsSync(top) && tries < 50; tries++) {
      removeTree(top);
      if (existsSync(top)) await sleep(100);
    }
  }
}

function removeTree(folder: string): void {
  try {
    for (const name of readdirSync(folder)) {
      const path = join(folder, name);
      if (statSync(path).isDirectory()) removeTree(path);
    }
    rmdirSync(folder);
  } catch {
    // Busy still: tried again.
  }
}
