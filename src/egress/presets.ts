import { CniError } from '../cni/errors.ts';
import { familyOf } from '../ip/family.ts';
import { parsePortEntry } from './entry.ts';
import type { AddressRule, NameRule } from './policy.ts';
import { ai } from './presets/ai.ts';
import { distributions } from './presets/distributions.ts';
import { dockerHub } from './presets/docker-hub.ts';
import { github } from './presets/github.ts';
import { containerRegistries } from './presets/images.ts';
import { languages } from './presets/languages.ts';
import type { OwnPreset, OwnPresets } from './presets/own.ts';
import { miren, osPackages } from './presets/packages.ts';
import type { Preset } from './presets/preset.ts';
import { dev, none, registries, unrestricted } from './presets/sandbox.ts';

const shipped: Readonly<Record<string, Preset>> = {
  unrestricted,
  dev,
  registries,
  none,
  'container-registries': containerRegistries,
  'os-packages': osPackages,
  miren,
  github,
  ...languages,
  'docker-hub': dockerHub,
  ...distributions,
  ai,
};

/** Every preset that is shipped, in the order in which they are shown. */
export const shippedPresets: readonly string[] = Object.keys(shipped);

/** No presets but the shipped ones. */
export const noOwnPresets: OwnPresets = new Map();

/** Names of the shipped presets and of the operator's own, in the order in which they are shown. */
export function presetNames(own: OwnPresets): string[] {
  return [...shippedPresets, ...own.keys().filter((name) => !shippedPresets.includes(name))];
}

/**
 * What a preset opens, as rules whose source is the preset. A shipped preset goes before an own one of its name.
 * Throws RangeError for a name that is not in {@link presetNames}, and {@link CniError} with code 7 for an own one that
 * is invalid.
 */
export function presetRules(name: string, own: OwnPresets): { addresses: AddressRule[]; names: NameRule[] } {
  const source = presetSource(name);
  if (!isShipped(name)) {
    const { addresses, names } = ownPreset(name, own);
    return {
      addresses: addresses.map((rule) => ({ ...rule, source })),
      names: names.map((rule) => ({ ...rule, source })),
    };
  }
  const { zones, prefixes = [] } = shippedPreset(name);
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

/** How rules that a preset brings name their source. */
export function presetSource(name: string): string {
  return `preset "${name}"`;
}

/** What `drawbridge presets` shows of a preset. */
export interface PresetDescription {
  readonly name: string;
  readonly about: string;
  /** As one would write them under `allow`. */
  readonly entries: readonly string[];
  /** Day and title of the public source that a shipped preset was compared with. */
  readonly checked?: Preset['checked'];
  /** Set for an operator's own. */
  readonly isOwn?: true;
}

/** Describes a preset. Throws as {@link presetRules} does. */
export function describePreset(name: string, own: OwnPresets): PresetDescription {
  if (!isShipped(name)) {
    const { about, entries } = ownPreset(name, own);
    return { name, about, entries, isOwn: true };
  }
  const { about, zones, prefixes = [], checked } = shippedPreset(name);
  const entries = zones.flatMap(({ ports, names }) =>
    names.flatMap((reversed) => ports.map((port) => `${usualName(reversed)}:${port}`)),
  );
  return { name, about, entries: [...prefixes, ...entries], ...(checked === undefined ? {} : { checked }) };
}

function isShipped(name: string): boolean {
  return Object.hasOwn(shipped, name);
}

function shippedPreset(name: string): Preset {
  const preset = shipped[name];
  if (preset === undefined) throw new RangeError(`Cannot find the preset "${name}"`);
  return preset;
}

function ownPreset(name: string, own: OwnPresets): OwnPreset {
  const preset = own.get(name);
  if (preset === undefined) throw new RangeError(`Cannot find the preset "${name}"`);
  if (preset instanceof CniError) throw preset;
  return preset;
}

/** Turns the labels of a name around: "com.github.api" is "api.github.com". */
function usualName(reversed: string): string {
  return reversed.split('.').toReversed().join('.');
}
