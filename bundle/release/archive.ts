import { gzipSync } from 'node:zlib';
import { dropIns, peers } from '../../src/plugins/drop-in/plugins.ts';
import { completions, manPages, papers } from './contents.ts';
import { tar, type TarEntry } from '../tar.ts';

/** The archive that is unpacked anywhere: NAME/bin, drop-in, conf, docs, man, completions and papers, gzipped. */
export function archive(name: string, executable: Buffer, bill: string): Buffer {
  const entries: TarEntry[] = [
    { name: 'bin/', folder: true },
    { name: 'bin/drawbridge', data: executable, mode: 0o755 },
    { name: 'bin/egress-policy', link: 'drawbridge' },
    { name: 'drop-in/', folder: true },
    ...Object.keys({ ...dropIns, ...peers }).map((plugin) => ({
      name: `drop-in/${plugin}`,
      link: '../bin/drawbridge',
    })),
    ...inFolders(papers()),
    ...inFolders(new Map([...manPages()].map(([file, data]) => [`man/man8/${file}`, data]))),
    ...inFolders(new Map(Object.entries(completions()).map(([shell, data]) => [`completions/${shell}`, data]))),
    { name: 'sbom.cdx.json', data: bill },
  ];
  const all: TarEntry[] = [
    { name: `${name}/`, folder: true },
    ...entries.map((entry) => ({ ...entry, name: `${name}/${entry.name}` })),
  ];
  // Level 9 and no time: gzip's header would hold that of the file.
  return gzipSync(tar(all), { level: 9 });
}

/** Files, each folder before what is in it. */
function inFolders(files: ReadonlyMap<string, Buffer | string>): TarEntry[] {
  const seen = new Set<string>();
  return [...files].flatMap(([name, data]): TarEntry[] => {
    const words = name.split('/').slice(0, -1);
    const folders = words
      .map((_, index) => `${words.slice(0, index + 1).join('/')}/`)
      .filter((folder) => !seen.has(folder));
    for (const folder of folders) seen.add(folder);
    return [...folders.map((folder): TarEntry => ({ name: folder, folder: true })), { name, data }];
  });
}
