import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { isUnpacked } from './packages.ts';

const name = `half-${process.pid}`;
const root = join(import.meta.dirname, '../.cache/debian', name);

afterEach(() => rmSync(root, { recursive: true, force: true }));

test('a package of which only a part was unpacked is not there', () => {
  mkdirSync(join(root, 'usr/bin'), { recursive: true });
  writeFileSync(join(root, 'usr/bin/podman'), '');
  expect(isUnpacked(name)).toBe(false);
  writeFileSync(join(root, 'unpacked'), 'podman.deb\n');
  expect(isUnpacked(name)).toBe(true);
});
