import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Host } from '../helpers/host.ts';

const cache = join(import.meta.dirname, '../.cache/debian');

/**
 * Unpacks a Debian package, with what it needs and the machine lacks, without installing it: a firewall is never
 * to start on the machine itself. Undefined where that cannot be done (no apt, no mirror, no such package).
 */
export function unpack(name: string): string | undefined {
  const root = join(cache, name);
  if (existsSync(join(root, 'usr'))) return root;
  const archives = join(cache, `${name}.debs`);
  try {
    mkdirSync(join(archives, 'partial'), { recursive: true });
    const options = ['-o', `Dir::Cache::archives=${archives}`, '-o', 'Debug::NoLocking=1', '--no-install-recommends'];
    execFileSync('apt-get', ['-y', '-qq', '--download-only', '--reinstall', ...options, 'install', name], {
      stdio: 'pipe',
    });
    for (const file of readdirSync(archives)) {
      if (file.endsWith('.deb')) execFileSync('dpkg', ['-x', join(archives, file), root]);
    }
    // /lib is a link to /usr/lib wherever this runs.
    if (existsSync(join(root, 'lib'))) cpSync(join(root, 'lib'), join(root, 'usr/lib'), { recursive: true });
    return existsSync(join(root, 'usr')) ? root : undefined;
  } catch {
    rmSync(root, { recursive: true, force: true });
    return undefined;
  }
}

/** Makes an unpacked package look installed in a private host. */
export async function provide(host: Host, root: string): Promise<void> {
  await host.sh(`
    mount -t overlay overlay -o lowerdir=${root}/usr:/usr /usr
    cp -a ${root}/etc/. /etc/`);
}
