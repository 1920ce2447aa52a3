/**
 * The programs that we are compared with, fetched once and kept in test/.cache (ignored by git):
 *
 *   test/.cache/bin/reference-v1.9.1/     bridge, host-local, portmap, firewall, built from their Go module
 *   test/.cache/debian/containernetworking-plugins/usr/lib/cni/
 *   test/.cache/debian/netavark-trixie/   with the C library that it wants; never installed
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unpack } from '../test/firewall/packages.ts';

const cache = join(import.meta.dirname, '../test/.cache');
const referenceVersion = 'v1.9.1';

/**
 * Folder with the reference plugins, built with the Go of this machine. Throws when there is no Go, or no module proxy.
 */
export function referencePlugins(): string {
  const folder = join(cache, 'bin', `reference-${referenceVersion}`);
  if (existsSync(join(folder, 'firewall'))) return folder;
  mkdirSync(join(cache, 'bin'), { recursive: true });
  const draft = mkdtempSync(join(cache, 'bin/build-'));
  const module = 'github.com/containernetworking/plugins/plugins';
  const names = ['main/bridge', 'ipam/host-local', 'meta/portmap', 'meta/firewall'];
  const path = [process.env['PATH'] ?? '', '/usr/local/go/bin', '/usr/lib/go/bin'].join(':');
  execFileSync('go', ['install', ...names.map((name) => `${module}/${name}@${referenceVersion}`)], {
    stdio: 'pipe',
    env: { GOFLAGS: '-modcacherw', ...process.env, PATH: path, GOBIN: draft, GOTOOLCHAIN: 'local' },
  });
  rmSync(folder, { recursive: true, force: true });
  renameSync(draft, folder);
  return folder;
}

/** Folder with the reference plugins as Debian has them; undefined where they cannot be had. */
export function debianPlugins(): string | undefined {
  const root = unpack('containernetworking-plugins');
  const folder = root === undefined ? undefined : join(root, 'usr/lib/cni');
  return folder !== undefined && existsSync(folder) ? folder : undefined;
}

/**
 * The command that starts netavark; undefined where it cannot be had. Debian 12 has one without nftables, so it is
 * taken from Debian 13 and started by that release's loader, with its C library.
 */
export function netavark(): readonly string[] | undefined {
  const root = join(cache, 'debian/netavark-trixie');
  try {
    if (!existsSync(join(root, 'usr/lib/podman/netavark'))) fetchFromTrixie('netavark', root);
    const libraries = join(
      root,
      'usr/lib',
      readdirSync(join(root, 'usr/lib')).find((name) => name.endsWith('-linux-gnu')) ?? '',
    );
    const loader = readdirSync(libraries).find((name) => name.startsWith('ld-linux-'));
    if (loader === undefined) return undefined;
    return [join(libraries, loader), '--library-path', libraries, join(root, 'usr/lib/podman/netavark')];
  } catch {
    return undefined;
  }
}

/** Uses the mirror and the keys of this machine, and lists of its own: what apt knows of the machine stays as it is. */
function fetchFromTrixie(name: string, root: string): void {
  const draft = mkdtempSync(join(cache, 'debian/build-'));
  try {
    for (const folder of ['lists/partial', 'archives/partial', 'root'])
      mkdirSync(join(draft, folder), { recursive: true });
    const targets = execFileSync('apt-get', ['indextargets', '--format', '$(ORIGIN) $(SITE)', 'Identifier: Packages'], {
      encoding: 'utf8',
    });
    const site = targets
      .split('\n')
      .find((line) => line.startsWith('Debian '))
      ?.slice('Debian '.length);
    if (site === undefined) throw new Error('apt has no Debian mirror');
    writeFileSync(
      join(draft, 'sources.list'),
      `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${site} trixie main\n`,
    );
    const options = {
      'Dir::State::lists': join(draft, 'lists'),
      'Dir::State::status': '/dev/null',
      'Dir::Cache': draft,
      'Dir::Cache::archives': join(draft, 'archives'),
      'Dir::Etc::sourcelist': join(draft, 'sources.list'),
      'Dir::Etc::sourceparts': '/dev/null',
      'Debug::NoLocking': '1',
    };
    const flags = Object.entries(options).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
    execFileSync('apt-get', [...flags, '-qq', 'update'], { stdio: 'pipe' });
    execFileSync('apt-get', [...flags, '-y', '-qq', '--download-only', '--no-install-recommends', 'install', name], {
      stdio: 'pipe',
    });
    const archives = readdirSync(join(draft, 'archives')).filter((file) => file.endsWith('.deb'));
    for (const file of archives) execFileSync('dpkg', ['-x', join(draft, 'archives', file), join(draft, 'root')]);
    rmSync(root, { recursive: true, force: true });
    renameSync(join(draft, 'root'), root);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}
