import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const repository = join(import.meta.dirname, '../..');
const out = join(repository, 'bundle/out/release');

// Minutes, and programs that only `npm run test:packages` installs.
describe.skipIf(process.env['DRAWBRIDGE_PACKAGES'] !== 'long')('npm run release, for all machines', () => {
  let said: string;
  let folder: string;

  beforeAll(() => {
    said = execFileSync(process.execPath, ['bundle/release.ts'], { cwd: repository, encoding: 'utf8' });
    folder = mkdtempSync(join(tmpdir(), 'packages-'));
  }, 1_800_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('asks each executable for VERSION', () => {
    for (const [target, place] of [
      ['linux-x64', 'here'],
      ['linux-x64-baseline', 'here'],
      ['linux-arm64', 'under qemu-user, with glibc'],
      ['linux-x64-musl', 'in a root with musl'],
      ['linux-arm64-musl', 'under qemu-user, with musl'],
    ])
      expect(said).toContain(`${target}: two builds gave the same bytes; answers VERSION ${place}\n`);
  });

  test.for(['amd64', 'arm64'])('lintian finds nothing in the .deb for %s that is not explained', (architecture) => {
    const file = readdirSync(out).find((name) => name.endsWith(`_${architecture}.deb`)) ?? '';
    expect(execFileSync('lintian', ['--fail-on=none', join(out, file)], { encoding: 'utf8' })).toBe('');
  });

  test('the image has the executable and the programs that it calls', () => {
    const file = readdirSync(out).find((name) => name.endsWith('-amd64.oci.tar')) ?? '';
    const layout = join(folder, 'layout');
    execFileSync('sh', ['-c', 'mkdir "$1" && tar -xf "$2" -C "$1"', 'sh', layout, join(out, file)]);
    const { manifests } = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as {
      manifests: { annotations: Record<string, string> }[];
    };
    const tag = manifests[0]?.annotations['org.opencontainers.image.ref.name'];
    execFileSync('umoci', ['unpack', '--image', `${layout}:${tag}`, join(folder, 'bundle')]);
    const rootfs = join(folder, 'bundle/rootfs');
    // As a runtime gives them to a container; Bun does not start without.
    const mounts = 'mkdir -p dev proc; mount --rbind /dev dev; mount -t proc proc proc; exec chroot . "$@"';
    const run = (...words: string[]) =>
      execFileSync('unshare', ['--net', '--mount', 'sh', '-c', mounts, 'sh', ...words], {
        cwd: rootfs,
        encoding: 'utf8',
      });
    expect(run('/usr/sbin/drawbridge', '--version')).toMatch(/^drawbridge \d/);
    expect(run('/usr/sbin/nft', '--version')).toMatch(/^nftables v1\./);
    expect(run('/usr/sbin/ip', '-V')).toMatch(/iproute2/);
    expect(run('/usr/sbin/tc', '-V')).toMatch(/iproute2/);
    expect(run('/usr/bin/nsenter', '--version')).toMatch(/^nsenter/);
    const { process: entry } = JSON.parse(readFileSync(join(folder, 'bundle/config.json'), 'utf8')) as {
      process: { args: string[] };
    };
    expect(entry.args).toEqual(['/usr/sbin/drawbridge', 'agent']);
  });

  test('makes the same bytes a second time, from an empty cache of the image', { timeout: 1_800_000 }, () => {
    const sums = readFileSync(join(out, 'SHA256SUMS'), 'utf8');
    for (const name of readdirSync(join(repository, 'bundle/cache')))
      if (name.startsWith('image-')) rmSync(join(repository, 'bundle/cache', name));
    execFileSync(process.execPath, ['bundle/release.ts'], { cwd: repository, stdio: 'ignore' });
    expect(readFileSync(join(out, 'SHA256SUMS'), 'utf8')).toBe(sums);
  });
});
