import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stage, stagedFiles } from './staged.ts';
import type { Product } from './product.ts';

const processors = { amd64: 'x86_64', arm64: 'aarch64' } as const;

/** Writes drawbridge-VERSION-1.PROCESSOR.rpm into a folder, by rpmbuild, compressed with zstd, and returns its name. */
export function rpm({ version, architecture, executable, bill, time }: Product, into: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'rpm-'));
  const processor = processors[architecture];
  try {
    const files = stagedFiles(
      {
        plugins: '/usr/libexec/cni',
        zsh: '/usr/share/zsh/site-functions',
        license: '/usr/share/licenses/drawbridge/LICENSE',
      },
      executable,
      bill,
    );
    stage(files, join(folder, 'stage'));
    const lines = files.map(
      (file) => ('data' in file && file.edited === true ? '%config(noreplace) ' : '') + file.path,
    );
    const folders = foldersOf(files.map(({ path }) => path)).map((path) => `%dir ${path}`);
    writeFileSync(join(folder, 'files'), `${[...folders, ...lines].join('\n')}\n`);
    const spec = readFileSync(join(import.meta.dirname, '../package/drawbridge.spec'), 'utf8');
    writeFileSync(join(folder, 'drawbridge.spec'), spec.replaceAll('@VERSION@', version));
    const defines = { _topdir: folder, staged: join(folder, 'stage'), listed: join(folder, 'files') };
    execFileSync(
      'rpmbuild',
      [
        '-bb',
        '--quiet',
        '--target',
        `${processor}-linux`,
        ...Object.entries(defines).flatMap(([key, value]) => ['--define', `${key} ${value}`]),
        join(folder, 'drawbridge.spec'),
      ],
      { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, SOURCE_DATE_EPOCH: `${time}` } },
    );
    const file = `drawbridge-${version}-1.${processor}.rpm`;
    copyFileSync(join(folder, 'RPMS', processor, file), join(into, file));
    return file;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Folders that are ours, or that every package of a plugin has as its own, since no other does. */
const owned = ['/opt/cni', '/usr/libexec/cni', '/usr/share/doc/drawbridge', '/usr/share/licenses/drawbridge'];

function foldersOf(paths: readonly string[]): string[] {
  const folders = paths.flatMap((path) => {
    const words = path.split('/').slice(0, -1);
    return words.map((_, index) => words.slice(0, index + 1).join('/'));
  });
  const isOwned = (folder: string): boolean => owned.some((one) => folder === one || folder.startsWith(`${one}/`));
  return [...new Set(folders)].filter(isOwned).toSorted();
}
