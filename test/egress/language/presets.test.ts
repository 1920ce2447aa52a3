import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { parsePolicy } from '../../../src/egress/parse.ts';
import { describePreset, presetNames } from '../../../src/egress/presets.ts';
import { containerRegistries } from '../../../src/egress/presets/images.ts';
import { miren, osPackages } from '../../../src/egress/presets/packages.ts';
import type { Zone } from '../../../src/egress/presets/preset.ts';
import { dev, none, registries, unrestricted } from '../../../src/egress/presets/sandbox.ts';

/**
 * SHA-256 of the names as one writes them, sorted, one a line: the lists of the documents that the presets are from.
 */
test.each([
  ['dev', dev.zones, 10, 'b18dea37cdfb4edf3eda6cd13a688ac986c872232a031427f6ee23681cf5ec77'],
  ['registries', registries.zones, 6, '6f2fd37326e102de9a1f6e8a0cdea950d0d08539c29507b48a8c359747d4f014'],
  [
    'miren, by its first zone,',
    miren.zones.slice(0, 1),
    7,
    '5f826fdbe2d5681ce46d86fd8a0f631a9ea7785356f05717d3233b80bfc9d593',
  ],
])('preset %s has the names of its document', (_name, zones, count, digest) => {
  const names = zones.flatMap((zone) => zone.names).map((name) => name.split('.').toReversed().join('.'));
  expect(names).toHaveLength(count);
  expect(createHash('sha256').update(names.toSorted().join('\n')).digest('hex')).toBe(digest);
});

const zones: Zone[] = [dev, registries, containerRegistries, osPackages, miren].flatMap((preset) => preset.zones);

test.each(zones.map((zone) => zone.names))('the names from %s on are sorted and each is there once', (...names) => {
  expect(names).toEqual([...new Set(names)].toSorted());
});

test('every name starts with its top-level domain', () => {
  const tops = new Set(zones.flatMap((zone) => zone.names).map((name) => name.split('.', 1)[0]));
  expect(tops).toEqual(new Set(['aws', 'cloud', 'com', 'io', 'org']));
});

test('preset none opens nothing', () => {
  expect(none.zones).toEqual([]);
});

test('preset unrestricted opens every address and no name', () => {
  expect(unrestricted).toMatchObject({ zones: [], prefixes: ['0.0.0.0/0', '::/0'] });
});

test.each(presetNames)('describePreset("%s") prints entries that a policy understands', (name) => {
  const { entries } = describePreset(name);
  const spelled = entries.length === 0 ? [] : parsePolicy({ allow: entries }, '').names;
  expect(spelled.map((rule) => ({ ...rule, source: '' }))).toEqual(
    parsePolicy({ preset: name }, '').names.map((rule) => ({ ...rule, source: '' })),
  );
});
