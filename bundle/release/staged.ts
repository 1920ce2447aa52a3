import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { conflist } from '../../src/cli/install/files.ts';
import { unitText } from '../../src/cli/install/unit.ts';
import { completions, manPages, papers } from './contents.ts';

/** A file or a link of a package, by the path that it has on the host. */
export type Staged =
  | { readonly path: string; readonly data: Buffer | string; readonly mode?: number; readonly edited?: boolean }
  | { readonly path: string; readonly target: string };

/** Where distributions differ. */
export interface Places {
  /** Where this distribution keeps CNI plugins. */
  readonly plugins: string;
  readonly zsh: string;
  readonly license: string;
}

/**
 * Everything that a package puts on a host, but for what its format adds. Runtimes look for plugins in /opt/cni/bin
 * where they are built from their sources, and in the distribution's folder where it builds them.
 */
export function stagedFiles({ plugins, zsh, license }: Places, executable: Buffer, bill: string): Staged[] {
  const doc = '/usr/share/doc/drawbridge';
  const { bash, fish, zsh: ofZsh } = completions();
  const pages = [...manPages()].filter(([, data]) => typeof data !== 'string');
  return [
    { path: `${plugins}/drawbridge`, data: executable, mode: 0o755 },
    { path: `${plugins}/egress-policy`, target: 'drawbridge' },
    { path: '/usr/sbin/drawbridge', target: `..${plugins.slice('/usr'.length)}/drawbridge` },
    { path: '/opt/cni/bin/drawbridge', target: `${plugins}/drawbridge` },
    { path: '/opt/cni/bin/egress-policy', target: `${plugins}/egress-policy` },
    { path: '/etc/cni/net.d/10-drawbridge.conflist', data: conflist, edited: true },
    { path: '/usr/lib/systemd/system/drawbridge-agent.service', data: unitText('/usr/sbin') },
    ...pages.map(([file, data]) => ({ path: `/usr/share/man/man8/${file}.gz`, data: gzipSync(data, { level: 9 }) })),
    { path: '/usr/share/man/man8/egress-policy.8.gz', target: 'drawbridge.8.gz' },
    { path: '/usr/share/bash-completion/completions/drawbridge', data: bash },
    { path: '/usr/share/fish/vendor_completions.d/drawbridge.fish', data: fish },
    { path: `${zsh}/_drawbridge`, data: ofZsh },
    ...[...papers()].map(([file, data]) => ({ path: file === 'LICENSE' ? license : `${doc}/${file}`, data })),
    { path: `${doc}/sbom.cdx.json`, data: bill },
  ];
}

/** Writes them below a folder. */
export function stage(files: readonly Staged[], below: string): void {
  for (const file of files) {
    const path = join(below, file.path);
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    if ('target' in file) symlinkSync(file.target, path);
    else {
      writeFileSync(path, file.data);
      chmodSync(path, file.mode ?? 0o644);
    }
  }
}
