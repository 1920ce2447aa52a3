import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Host } from '../helpers/host.ts';

const cache = join(import.meta.dirname, '../.cache/debian');

/**
 * Unpacks a Debian package, with what it needs and the machine lacks, without installing it: a firewall is never
 * to start on the machine itself. It is unpacked beside its place and then renamed, so that what was unpacked only half
 * never counts as there. Undefined where that cannot be done (no apt, no mirror, no such package), and says why.
 */
export function unpack(name: string): string | undefined {
  const root = join(cache, name);
  if (isUnpacked(name)) return root;
  const archives = join(cache, `${name}.debs`);
  const draft = join(cache, `${name}.draft-${process.pid}`);
  try {
    mkdirSync(join(archives, 'partial'), { recursive: true });
    const options = ['-o', `Dir::Cache::archives=${archives}`, '-o', 'Debug::NoLocking=1', '--no-install-recommends'];
    execFileSync('apt-get', ['-y', '-qq', '--download-only', '--reinstall', ...options, 'install', name], {
      stdio: 'pipe',
    });
    const files = readdirSync(archives).filter((file) => file.endsWith('.deb'));
    for (const file of files) execFileSync('dpkg', ['-x', join(archives, file), draft], { stdio: 'pipe' });
    // /lib is a link to /usr/lib wherever this runs.
    if (existsSync(join(draft, 'lib'))) cpSync(join(draft, 'lib'), join(draft, 'usr/lib'), { recursive: true });
    if (!existsSync(join(draft, 'usr'))) throw new Error('its archives hold no /usr');
    writeFileSync(join(draft, complete), `${files.join('\n')}\n`);
    rmSync(root, { recursive: true, force: true });
    renameSync(draft, root);
    return root;
  } catch (error) {
    // Somebody else unpacked it meanwhile.
    if (isUnpacked(name)) return root;
    console.error(`Cannot unpack Debian's ${name}: ${reasonOf(error)}`);
    return undefined;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** Whether the whole of a package is there. */
export function isUnpacked(name: string): boolean {
  return existsSync(join(cache, name, complete));
}

/** Lists the archives that were unpacked; it is written last. */
const complete = 'unpacked';

/** The end of what a program printed. Which mirror a machine uses is its own affair. */
function reasonOf(error: unknown): string {
  const { stderr, message } = error as { stderr?: Buffer; message: string };
  const printed = String(stderr ?? '').trim();
  return (printed === '' ? message : printed.split('\n').slice(-3).join(' ')).replaceAll(
    /https?:\/\/\S+/g,
    '(address)',
  );
}

/** Makes an unpacked package look installed in a private host. */
export async function provide(host: Host, root: string): Promise<void> {
  await host.sh(`
    mount -t overlay overlay -o lowerdir=${root}/usr:/usr /usr
    cp -a ${root}/etc/. /etc/`);
}
