import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { ownTarget, targetOf } from '../../bundle/targets.ts';
import { commands } from '../../src/cli/commands.ts';
import { dropIns } from '../../src/plugins/drop-in/plugins.ts';
import { describe, expect, test } from '../helpers/host.ts';

const root = join(import.meta.dirname, '../..');
const out = join(root, 'bundle/out/release');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
const name = `drawbridge-${version}-linux-${targetOf(ownTarget()).suffix}`;

interface Bill {
  bomFormat: string;
  specVersion: string;
  serialNumber: string;
  components: { name: string; version: string; purl: string; licenses: unknown[]; hashes: { content: string }[] }[];
}

let folder: string;
let files: Map<string, string>;
let bill: Bill;

/** The archive for this machine; `npm run test:packages` has the other targets and forms. */
const release = () =>
  execFileSync(process.execPath, ['bundle/release.ts', '--target', ownTarget(), '--form', 'archive'], {
    cwd: root,
    encoding: 'utf8',
  });
const digests = () => readFileSync(join(out, 'SHA256SUMS'), 'utf8');

beforeAll(() => {
  release();
  folder = mkdtempSync(join(tmpdir(), 'release-'));
  execFileSync('tar', ['-xzf', join(out, `${name}.tar.gz`), '-C', folder]);
  const listed = execFileSync('find', [join(folder, name), '-printf', '%P %y %m %l\n'], { encoding: 'utf8' });
  files = new Map(
    listed
      .trim()
      .split('\n')
      .map((line) => [line.split(' ')[0]!, line.split(' ').slice(1).join(' ').trim()]),
  );
  bill = JSON.parse(readFileSync(join(folder, name, 'sbom.cdx.json'), 'utf8')) as Bill;
}, 400_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('npm run release', () => {
  test('makes the same bytes when it is run again', { timeout: 400_000 }, () => {
    const first = digests();
    const archive = createHash('sha256')
      .update(readFileSync(join(out, `${name}.tar.gz`)))
      .digest('hex');
    expect(first).toContain(`${archive}  ${name}.tar.gz\n`);
    expect(release()).toContain('two builds gave the same bytes');
    expect(digests()).toBe(first);
  });

  test('writes checksums that sha256sum verifies', () => {
    expect(execFileSync('sha256sum', ['--check', 'SHA256SUMS'], { cwd: out, encoding: 'utf8' })).toBe(
      `${name}.tar.gz: OK\ndrawbridge-${version}.sbom.cdx.json: OK\n`,
    );
  });

  test('packs the executable, its names, conf, man pages and papers', () => {
    expect(files.get('bin/drawbridge')).toBe('f 755');
    expect(files.get('bin/egress-policy')).toBe('l 777 drawbridge');
    for (const one of Object.keys(dropIns))
      expect([one, files.get(`drop-in/${one}`)]).toEqual([one, 'l 777 ../bin/drawbridge']);
    for (const one of [
      'conf/10-drawbridge.conflist',
      'conf/drawbridge-agent.service',
      'README.md',
      'docs/policies.md',
      'CHANGELOG.md',
      'LICENSE',
    ])
      expect([one, files.get(one)]).toEqual([one, 'f 644']);
  });

  test('packs what each shell reads to complete the command line', () => {
    for (const shell of ['bash', 'fish', 'zsh'])
      expect([shell, readFileSync(join(folder, name, 'completions', shell), 'utf8').includes('explain')]).toEqual([
        shell,
        true,
      ]);
  });

  test('packs every page and picture that README leads to', () => {
    const links = [...readFileSync(join(folder, name, 'README.md'), 'utf8').matchAll(/\]\(([^)#:]+)\)/g)];
    expect(links.length).toBeGreaterThan(10);
    expect(links.map(([, file = '']) => file).filter((file) => files.get(file) !== 'f 644')).toEqual([]);
  });

  test('has a man page for the program and for each command, which man shows', () => {
    const pages = [
      'drawbridge',
      'egress-policy',
      ...commands.filter(({ hidden }) => hidden !== true).map((one) => `drawbridge-${one.name.replaceAll(' ', '-')}`),
    ];
    expect([...files.keys()].filter((file) => file.endsWith('.8')).toSorted()).toEqual(
      pages.map((page) => `man/man8/${page}.8`).toSorted(),
    );
    const shown = execFileSync('mandoc', ['-T', 'ascii', join(folder, name, 'man/man8/drawbridge-explain.8')], {
      encoding: 'utf8',
    }).replaceAll(/.\u0008/g, '');
    expect(shown).toMatch(/NAME\s+drawbridge-explain - /);
    expect(shown).toMatch(/SYNOPSIS\s+drawbridge explain CONTAINER/);
  });

  test('lists every package whose code is in the executable in its bill of materials, and Bun', () => {
    const inputs = JSON.parse(readFileSync(join(root, 'bundle/out/inputs.json'), 'utf8')) as string[];
    const bundled = inputs.flatMap((file) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1] ?? []);
    expect(new Set(bundled).size).toBeGreaterThan(10);
    const known = new Set(bill.components.map((component) => component.name));
    expect([...new Set([...bundled, 'bun'])].filter((one) => !known.has(one))).toEqual([]);
  });

  test('writes a bill of materials in CycloneDX, each component with version, license and digest', () => {
    expect(bill).toMatchObject({ bomFormat: 'CycloneDX', specVersion: '1.5', version: 1 });
    expect(bill.components.find((component) => component.name === 'bun')).toMatchObject({ type: 'platform' });
    expect(bill.serialNumber).toMatch(/^urn:uuid:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    const incomplete = bill.components.filter(
      ({ version: of, purl, licenses, hashes }) =>
        of === '' ||
        !purl.endsWith(`@${of}`) ||
        licenses?.length !== 1 ||
        !/^[0-9a-f]{128}$/.test(hashes?.[0]?.content ?? ''),
    );
    expect(incomplete).toEqual([]);
  });

  test('packs an executable that connects a container, under its own name and as a drop-in', async ({ host }) => {
    await host.container('c1');
    for (const [type, program] of [
      ['drawbridge', 'bin/drawbridge'],
      ['bridge', 'drop-in/bridge'],
    ] as const) {
      const container = await host.container(`c-${type}`);
      const conf = {
        cniVersion: '1.1.0',
        name: `net-${type}`,
        type,
        bridge: `br-${type}`,
        isGateway: true,
        ipam: { type: 'host-local', subnet: type === 'bridge' ? '10.20.0.0/24' : '10.21.0.0/24' },
      };
      const options = { container, program: join(folder, name, program), path: join(folder, name, 'bin') };
      const { result } = await host.cni('ADD', conf, options);
      expect(result).toMatchObject({ ips: [{ address: type === 'bridge' ? '10.20.0.2/24' : '10.21.0.2/24' }] });
      expect(await host.ping(container, type === 'bridge' ? '10.20.0.1' : '10.21.0.1')).toBe('answer');
      expect((await host.cni('DEL', conf, options)).code).toBe(0);
    }
  });
});
