import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const cache = join(root, 'bundle/cache');

export interface Target {
  /** Bun's npm package for it. */
  readonly runtime: string;
  /** What Debian calls the processor. */
  readonly architecture: 'amd64' | 'arm64';
  /** What stands in names of files of a release, after "linux-". */
  readonly suffix: string;
}

/** What an executable can be made for: `npm run build -- --target NAME`. */
export const targets: Readonly<Record<string, Target>> = {
  'linux-x64': { runtime: '@oven/bun-linux-x64', architecture: 'amd64', suffix: 'amd64' },
  /** For processors without AVX2; Bun 1.4.5 has the same file under both names. */
  'linux-x64-baseline': { runtime: '@oven/bun-linux-x64-baseline', architecture: 'amd64', suffix: 'amd64-baseline' },
  'linux-arm64': { runtime: '@oven/bun-linux-aarch64', architecture: 'arm64', suffix: 'arm64' },
  'linux-x64-musl': { runtime: '@oven/bun-linux-x64-musl', architecture: 'amd64', suffix: 'amd64-musl' },
  'linux-arm64-musl': { runtime: '@oven/bun-linux-aarch64-musl', architecture: 'arm64', suffix: 'arm64-musl' },
};

/** Digests of packages that no dependency of ours names, so that the lockfile does not have them. */
const digests: Readonly<Record<string, string>> = {
  '@oven/bun-linux-x64-baseline@1.4.5':
    'sha512-s8yMwYcFnnrA178gji0gZbkE2WVDej/Ti1x770oPfihxyRxSMNhGhiAQNXV53aDeraZxksdvKV/RAdQBCd0qPA==',
};

/** Throws for an unknown name. */
export function targetOf(name: string): Target {
  const target = targets[name];
  if (target === undefined)
    throw new Error(`there is no target "${name}"; the targets are ${Object.keys(targets).join(', ')}`);
  return target;
}

/** That of the Bun that npm chose for this machine; its install script looks at the same facts. */
export function ownTarget(): string {
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  const libc = header.glibcVersionRuntime === undefined ? '-musl' : '';
  if (process.arch !== 'x64' || libc !== '') return `linux-${process.arch}${libc}`;
  return readFileSync('/proc/cpuinfo', 'utf8').includes('avx2') ? 'linux-x64' : 'linux-x64-baseline';
}

/**
 * The file of Bun that is embedded for a target: its npm package, of the version that builds, fetched once (40 MB) and
 * kept below bundle/cache. Throws when it cannot be had or is not the one that is expected.
 */
export function runtimeOf(name: string): string {
  const { runtime } = targetOf(name);
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version?: string; integrity?: string }>;
  };
  const wanted = `${runtime}@${packages['node_modules/bun']?.version}`;
  const integrity = packages[`node_modules/${runtime}`]?.integrity ?? digests[wanted];
  if (integrity === undefined) throw new Error(`nothing says what the digest of "${wanted}" is; see bundle/targets.ts`);
  const folder = join(cache, wanted.replace('/', '+'));
  if (!existsSync(folder)) fetch(wanted, integrity, folder);
  return join(folder, 'package/bin/bun');
}

function fetch(wanted: string, integrity: string, folder: string): void {
  mkdirSync(cache, { recursive: true });
  const draft = mkdtempSync(join(cache, 'fetch-'));
  try {
    console.error(`Fetching ${wanted}`);
    const output = execFileSync('npm', ['pack', '--silent', wanted], {
      cwd: draft,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const file = output.trim();
    const found = createHash('sha512')
      .update(readFileSync(join(draft, file)))
      .digest('base64');
    if (`sha512-${found}` !== integrity)
      throw new Error(`"${wanted}" has the digest sha512-${found}; expected ${integrity}`);
    execFileSync('tar', ['-xzf', file], { cwd: draft });
    rmSync(join(draft, file));
    renameSync(draft, folder);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}
