import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { parsePolicy } from '../../../src/egress/parse.ts';
import { describePreset, noOwnPresets, shippedPresets } from '../../../src/egress/presets.ts';
import { ai } from '../../../src/egress/presets/ai.ts';
import { distributions } from '../../../src/egress/presets/distributions.ts';
import { dockerHub } from '../../../src/egress/presets/docker-hub.ts';
import { github } from '../../../src/egress/presets/github.ts';
import { containerRegistries } from '../../../src/egress/presets/images.ts';
import { languages } from '../../../src/egress/presets/languages.ts';
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

const compared = {
  ...languages,
  ...distributions,
  github,
  'docker-hub': dockerHub,
  ai,
  'container-registries': containerRegistries,
};
const zones: Zone[] = [dev, registries, osPackages, miren, ...Object.values(compared)].flatMap(
  (preset) => preset.zones,
);

test.each(Object.entries(compared))(
  'preset %s names the source that it was compared with, and the day',
  (_name, preset) => {
    expect(preset.checked?.on).toMatch(/^20\d\d-\d\d-\d\d$/);
    expect(preset.checked?.against).not.toBe('');
  },
);

test.each(zones.map((zone) => zone.names))('the names from %s on are sorted and each is there once', (...names) => {
  expect(names).toEqual([...new Set(names)].toSorted());
});

test('every name starts with its top-level domain', () => {
  const tops = new Set(zones.flatMap((zone) => zone.names).map((name) => name.split('.', 1)[0]));
  expect(tops).toEqual(
    new Set(['ai', 'aws', 'co', 'cloud', 'com', 'dev', 'io', 'net', 'org', 'rs', 'sh', 'land', 'xyz']),
  );
});

test('preset none opens nothing', () => {
  expect(none.zones).toEqual([]);
});

test('preset unrestricted opens every address and no name', () => {
  expect(unrestricted).toMatchObject({ zones: [], prefixes: ['0.0.0.0/0', '::/0'] });
});

test.each(shippedPresets)('describePreset("%s") prints entries that a policy understands', (name) => {
  const { entries } = describePreset(name, noOwnPresets);
  const spelled = entries.length === 0 ? [] : parsePolicy({ allow: entries }, '').names;
  expect(spelled.map((rule) => ({ ...rule, source: '' }))).toEqual(
    parsePolicy({ preset: name }, '').names.map((rule) => ({ ...rule, source: '' })),
  );
});
