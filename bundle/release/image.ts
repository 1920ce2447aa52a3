import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tar, type TarEntry } from '../tar.ts';
import type { Product } from './product.ts';

/** The release of Debian that programs of the image are of. */
const suite = 'trixie';

/**
 * Writes an image of the executable with the programs that it calls, as an OCI layout in a tar archive, and returns the
 * file's name: one layer of Debian's packages, unpacked by mmdebstrap, one of ours; umoci makes the image of them. No
 * shell is in it. The same packages of Debian give the same bytes.
 */
export function image(name: string, { version, architecture, executable, bill, time }: Product, into: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'image-'));
  const when = new Date(time * 1000).toISOString();
  const umoci = (...words: string[]) =>
    execFileSync('umoci', words, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  try {
    const own = `${name}.layer.tar`;
    writeFileSync(join(folder, own), ownLayer(executable, bill));
    umoci('init', '--layout', 'layout');
    umoci('new', '--image', `layout:${version}`);
    const history = (by: string) => [`--history.created=${when}`, `--history.created_by=${by}`];
    umoci(
      'raw',
      'add-layer',
      '--image',
      `layout:${version}`,
      ...history('mmdebstrap'),
      debianLayer(architecture, time),
    );
    umoci('raw', 'add-layer', '--image', `layout:${version}`, ...history('drawbridge'), own);
    umoci(
      'config',
      '--image',
      `layout:${version}`,
      `--created=${when}`,
      `--architecture=${architecture}`,
      '--os=linux',
      '--config.entrypoint=/usr/sbin/drawbridge',
      '--config.cmd=agent',
      '--config.env=PATH=/usr/sbin:/usr/bin',
      '--config.workingdir=/',
      ...history('drawbridge'),
    );
    umoci('gc', '--layout', 'layout');
    writeFileSync(join(into, `${name}.oci.tar`), tar(layoutEntries(join(folder, 'layout'))));
    return `${name}.oci.tar`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function ownLayer(executable: Buffer, bill: string): Buffer {
  return tar([
    { name: 'usr/sbin/drawbridge', data: executable, mode: 0o755 },
    { name: 'usr/sbin/egress-policy', link: 'drawbridge' },
    { name: 'usr/share/doc/drawbridge/', folder: true },
    { name: 'usr/share/doc/drawbridge/sbom.cdx.json', data: bill },
  ]);
}

/** Kept for the time of the run and after: those of one commit differ in nothing. */
function debianLayer(architecture: string, time: number): string {
  const file = join(import.meta.dirname, '../cache', `image-${suite}-${architecture}-${time}.tar`);
  if (existsSync(file)) return file;
  execFileSync(
    'mmdebstrap',
    [
      '--quiet',
      '--variant=extract',
      `--architectures=${architecture}`,
      '--format=tar',
      '--include=nftables,iproute2,util-linux,libc6,base-files,netbase',
      '--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr',
      '--dpkgopt=path-exclude=/usr/share/man/*',
      '--dpkgopt=path-exclude=/usr/share/locale/*',
      '--aptopt=Acquire::Languages "none"',
      suite,
      `${file}.part`,
    ],
    { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, SOURCE_DATE_EPOCH: `${time}` } },
  );
  renameSync(`${file}.part`, file);
  return file;
}

function layoutEntries(layout: string): TarEntry[] {
  const paths = readdirSync(layout, { recursive: true, withFileTypes: true })
    .map((entry) => ({ path: join(entry.parentPath, entry.name), isFolder: entry.isDirectory() }))
    .toSorted((one, other) => (one.path < other.path ? -1 : 1));
  return paths.map(({ path, isFolder }): TarEntry => {
    const name = path.slice(layout.length + 1);
    return isFolder ? { name: `${name}/`, folder: true } : { name, data: readFileSync(path) };
  });
}
