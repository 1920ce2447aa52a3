import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { stage, stagedFiles, type Staged } from './staged.ts';
import type { Product } from './product.ts';

const texts = join(import.meta.dirname, '../package');

/**
 * Writes drawbridge_VERSION-1_ARCHITECTURE.deb into a folder, by dpkg-deb, compressed with zstd, and returns its name.
 * Times of files are those of the commit.
 */
export function deb({ version, architecture, executable, bill, time }: Product, into: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'deb-'));
  // It becomes the entry of the root.
  chmodSync(folder, 0o755);
  const file = `drawbridge_${version}-1_${architecture}.deb`;
  try {
    const files: Staged[] = [
      ...stagedFiles(
        {
          plugins: '/usr/lib/cni',
          zsh: '/usr/share/zsh/vendor-completions',
          license: '/usr/share/doc/drawbridge/LICENSE',
        },
        executable,
        bill,
      ).filter(({ path }) => !path.endsWith('/LICENSE')),
      { path: `/usr/share/doc/drawbridge/copyright`, data: readFileSync(join(texts, 'deb/copyright')) },
      {
        path: `/usr/share/doc/drawbridge/changelog.Debian.gz`,
        data: gzipSync(changelog(version, time), { level: 9 }),
      },
      {
        path: `/usr/share/lintian/overrides/drawbridge`,
        data: readFileSync(join(texts, 'deb/lintian-overrides')),
      },
    ];
    stage(files, folder);
    const control = join(folder, 'DEBIAN');
    mkdirSync(control, { mode: 0o755 });
    const size = files.reduce((sum, one) => sum + ('data' in one ? one.data.length : 0), 0);
    const facts = {
      VERSION: `${version}-1`,
      ARCHITECTURE: architecture,
      SIZE: `${Math.ceil(size / 1024)}`,
    };
    writeFileSync(join(control, 'control'), filled('deb/control', facts));
    writeFileSync(
      join(control, 'conffiles'),
      files.flatMap((one) => (isEdited(one) ? [`${one.path}\n`] : [])).join(''),
    );
    writeFileSync(join(control, 'md5sums'), files.flatMap(sumOf).join(''));
    for (const script of ['preinst', 'postinst', 'prerm', 'postrm'])
      writeFileSync(join(control, script), readFileSync(join(texts, 'deb', script)), { mode: 0o755 });
    execFileSync(
      'dpkg-deb',
      ['--root-owner-group', '--no-uniform-compression', '-Zzstd', '--build', folder, join(into, file)],
      {
        stdio: ['ignore', 'ignore', 'inherit'],
        env: { ...process.env, SOURCE_DATE_EPOCH: `${time}` },
      },
    );
    return file;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function isEdited(file: Staged): boolean {
  return 'data' in file && file.edited === true;
}

function sumOf(file: Staged): string[] {
  if (!('data' in file) || file.edited === true) return [];
  return [`${createHash('md5').update(file.data).digest('hex')}  ${file.path.slice(1)}\n`];
}

function filled(file: string, facts: Readonly<Record<string, string>>): string {
  const text = readFileSync(join(texts, file), 'utf8');
  return Object.entries(facts).reduce((done, [key, value]) => done.replaceAll(`@${key}@`, value), text);
}

/** Debian's own; what changed is in the project's. */
function changelog(version: string, time: number): string {
  const date = new Date(time * 1000).toUTCString().replace('GMT', '+0000');
  return `drawbridge (${version}-1) unstable; urgency=medium\n\n  * Release; see CHANGELOG.md beside this file.\n\n -- drawbridge <drawbridge@localhost.localdomain>  ${date}\n`;
}
