import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { containerdNames } from '../../../src/host/container-names/containerd.ts';
import { nerdctlNames } from '../../../src/host/container-names/nerdctl.ts';
import { podmanNames } from '../../../src/host/container-names/podman.ts';
import { shortId } from '../../../src/repair/survey/words.ts';

const [one, two] = ['1'.repeat(64), '2'.repeat(64)];
let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'drawbridge-names-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function write(file: string, text: string): void {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), text);
}

describe('names of containers', () => {
  test('are found where nerdctl keeps them', () => {
    write('1935db59/names/default/web', one);
    write('1935db59/names/k8s.io/db', `${two}\n`);
    write('1935db59/names/default/empty', '');
    expect(nerdctlNames(root)).toEqual([
      { containerId: `default-${one}`, name: 'web' },
      { containerId: `k8s.io-${two}`, name: 'db' },
    ]);
  });

  test('are found where podman keeps them', () => {
    write('containers.json', JSON.stringify([{ id: one, names: ['web', 'alias'] }, { id: two }, null, 'x']));
    write('volatile-containers.json', JSON.stringify([{ id: two, names: ['job'] }]));
    expect(podmanNames(root)).toEqual([
      { containerId: one, name: 'web' },
      { containerId: two, name: 'job' },
    ]);
  });

  test('are found in what containerd runs: pods by their sandbox, and what nerdctl named', () => {
    const cri = (type: string) => ({
      'io.kubernetes.cri.container-type': type,
      'io.kubernetes.cri.sandbox-name': 'web-7d9',
      'io.kubernetes.cri.sandbox-namespace': 'shop',
    });
    write(`k8s.io/${one}/config.json`, JSON.stringify({ annotations: cri('sandbox') }));
    write(`k8s.io/${two}/config.json`, JSON.stringify({ annotations: cri('container') }));
    write(`default/${two}/config.json`, JSON.stringify({ annotations: { 'nerdctl/name': 'db' } }));
    write('default/broken/config.json', '{');
    expect(containerdNames(root)).toEqual([
      { containerId: `default-${two}`, name: 'db' },
      { containerId: one, name: 'web-7d9', namespace: 'shop' },
    ]);
  });

  test('are not found where no runtime is', () => {
    expect([nerdctlNames(root), podmanNames(root), containerdNames(root)]).toEqual([[], [], []]);
  });

  test('are short where only an id is known', () => {
    expect([one, `default-${one}`, 'web0', 'cafe'].map(shortId)).toEqual([
      '111111111111',
      'default-111111111111',
      'web0',
      'cafe',
    ]);
  });
});
