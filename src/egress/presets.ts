import { familyOf } from '../ip/family.ts';
import { parsePortEntry } from './entry.ts';
import type { AddressRule, NameRule } from './policy.ts';
import { containerRegistries } from './presets/images.ts';
import { miren, osPackages } from './presets/packages.ts';
import type { Preset } from './presets/preset.ts';
import { dev, none, registries, unrestricted } from './presets/sandbox.ts';

const presets: Readonly<Record<string, Preset>> = {
  unrestricted,
  dev,
  registries,
  none,
  'container-registries': containerRegistries,
  'os-packages': osPackages,
  miren,
};

/** Every preset, in the order in which they are shown. */
export const presetNames: readonly string[] = Object.keys(presets);

/**
 * What a preset opens, as rules whose source is the preset. Throws RangeError for a name that is not in
 * {@link presetNames}.
 */
export function presetRules(name: string): { addresses: AddressRule[]; names: NameRule[] } {
  const { zones, prefixes = [] } = presetNamed(name);
  const source = `preset "${name}"`;
  return {
    addresses: prefixes.map((prefix) => ({ family: familyOf(prefix), prefix, protocol: 'any', source })),
    names: zones.flatMap(({ ports, names }) =>
      names.flatMap((reversed) =>
        ports.map((port) => ({
          name: usualName(reversed),
          ...parsePortEntry(port, { key: 'preset', path: name }),
          source,
        })),
      ),
    ),
  };
}

/** What `drawbridge presets` shows of a preset: entries as one would write them under `allow`. */
export function describePreset(name: string): { name: string; about: string; entries: string[] } {
  const { about, zones, prefixes = [] } = presetNamed(name);
  const entries = zones.flatMap(({ ports, names }) =>
    names.flatMap((reversed) => ports.map((port) => `${usualName(reversed)}:${port}`)),
  );
  return { name, about, entries: [...prefixes, ...entries] };
}

function presetNamed(name: string): Preset {
  const preset = Object.hasOwn(presets, name) ? presets[name] : undefined;
  if (preset === undefined) throw new RangeError(`Cannot find the preset "${name}"`);
  return preset;
}

/** Turns the labels of a name around: "com.github.api" is "api.github.com". */
function usualName(reversed: string): string {
  return reversed.split('.').toReversed().join('.');
}
