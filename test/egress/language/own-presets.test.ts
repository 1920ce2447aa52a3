import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadOwnPresets } from '../../../src/egress/load-presets.ts';
import { parsePolicy } from '../../../src/egress/parse.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drawbridge-presets-'));
  await writeFile(join(folder, 'office.json'), '{ "allow": ["wiki.example.org:443", "198.51.100.0/24:22/tcp"] }');
  await writeFile(join(folder, 'dev.json'), '{ "allow": ["wiki.example.org:443"] }');
  await writeFile(join(folder, 'empty.json'), '{ "allow": [] }');
  await writeFile(join(folder, 'typo.json'), '{ "alow": ["wiki.example.org"] }');
  await writeFile(join(folder, 'comma.json'), '{ "allow": ["wiki.example.org",] }');
  await writeFile(join(folder, 'entry.json'), '{ "allow": ["*"] }');
  await writeFile(join(folder, 'notes.txt'), '');
});

afterAll(async () => rm(folder, { recursive: true }));

test('a policy opens what an own preset lists', () => {
  const { mode, allow, names } = parsePolicy({ preset: 'office' }, '', loadOwnPresets(folder));
  const ports = { from: 443, to: 443 };
  expect({ mode, allow, names }).toEqual({
    mode: 'allowlist',
    allow: [
      { family: 4, prefix: '198.51.100.0/24', protocol: 'tcp', ports: { from: 22, to: 22 }, source: 'preset "office"' },
    ],
    names: [{ name: 'wiki.example.org', protocol: 'any', ports, source: 'preset "office"' }],
  });
});

test('an own preset does not replace a shipped one of its name', () => {
  const shipped = parsePolicy({ preset: 'dev' }, '');
  expect(parsePolicy({ preset: 'dev' }, '', loadOwnPresets(folder))).toEqual(shipped);
});

test('an invalid own preset concerns nobody who does not name it', () => {
  expect(parsePolicy({ preset: ['office', 'go'] }, '', loadOwnPresets(folder)).preset).toEqual(['office', 'go']);
});

test.each([
  ['empty', 'nothing is listed'],
  ['typo', 'the nearest one is "allow"'],
  ['comma', 'line 1, column 31'],
  ['entry', 'it would open everything'],
])('a policy that names the own preset "%s" is refused with the reason', (name, reason) => {
  const parse = (): unknown => parsePolicy({ preset: name }, '', loadOwnPresets(folder));
  expect(parse).toThrow(expect.objectContaining({ code: 7, message: expect.stringContaining(reason) }));
  expect(parse).toThrow(`preset "${name}" (${folder}/${name}.json)`);
});

test('an unknown preset is refused with the nearest name, own ones included', () => {
  expect(() => parsePolicy({ preset: 'ofice' }, '', loadOwnPresets(folder))).toThrow('the nearest one is "office"');
});

test('there are no own presets where there is no folder', () => {
  expect(loadOwnPresets(join(folder, 'missing')).size).toBe(0);
});
