import { codes, UnknownKeyError } from './errors.ts';
import { Fields, quote } from './fields.ts';
import { nearMissOf } from './nearest.ts';

/** The keys that an object of a configuration may have. */
export interface KeyTable {
  /**
   * Each key with the table of the objects in its value, in lists too; undefined for a value that is not looked into.
   */
  readonly own: Readonly<Record<string, KeyTable | ((holder: Fields) => KeyTable | undefined) | undefined>>;
  /** Keys of others too may stand here, so that an unknown one is none of our concern. */
  readonly isOpen?: boolean;
  /** The runtime asks for these keys letter by letter: another case is another key. */
  readonly isCaseSensitive?: boolean;
  /** Where a key with this value belongs, in words, if it belongs elsewhere. */
  readonly elsewhere?: (key: string, value: unknown) => string | undefined;
}

/** What a plugin knows of its configuration. */
export interface ConfKeys {
  readonly table: KeyTable;
  /** Keys of other plugins and of runtimes, in small letters: near to none of ours. */
  readonly foreign: ReadonlySet<string>;
  /** Capabilities that the plugin acts on. */
  readonly capabilities: readonly string[];
  /** Whether to refuse other capabilities; a drop-in leaves them alone, as the plugin does that it stands in for. */
  readonly refusesCapabilities?: boolean;
}

/**
 * Looks at the keys and the declared capabilities of a configuration, and returns what a person should be told of.
 *
 * Throws {@link UnknownKeyError}: code 7 for what nearly is a key of ours (see {@link refuseNearMisses}), code 2 for a
 * capability that nothing here acts on.
 */
export function checkKeys(fields: Fields, keys: ConfKeys): string[] {
  const unknown = refuseNearMisses(fields, keys.table, keys.foreign);
  if (keys.refusesCapabilities === true) refuseIdleCapabilities(fields, keys.capabilities);
  return unknown.length === 0 ? [] : [`${unknown.map(quote).join(', ')} has no effect: not a known key`];
}

function refuseIdleCapabilities(fields: Fields, served: readonly string[]): void {
  const declared = Object.entries(fields.object('capabilities')?.value ?? {});
  const idle = declared.find(([name, isDeclared]) => isDeclared === true && !served.includes(name))?.[0];
  if (idle === undefined) return;
  throw new UnknownKeyError(
    `capabilities.${idle}`,
    `${quote(fields.string('type') ?? '')} cannot act on it, only on ${served.map(quote).join(', ')}`,
    'Take it out, or declare it at a plugin of the list that acts on it',
    codes.unsupportedField,
  );
}

/**
 * Refuses what nearly is a key of ours: of a typing mistake in "egress" comes a container without a policy. Returns
 * the paths of all other unknown keys, which nobody acts on.
 *
 * Near is one edit for keys of up to four letters, two for longer ones; what `foreign` has, in whatever case of
 * letters, is near to nothing. Throws {@link UnknownKeyError} with code 7 that names the key, for one that belongs
 * elsewhere and for one that is there in two spellings too.
 */
function refuseNearMisses(fields: Fields, table: KeyTable, foreign: ReadonlySet<string>): string[] {
  const seen = new Map<string, string>();
  return fields.keys().flatMap((key) => {
    const name = knownName(key, table);
    if (name === undefined) return unknownKey(fields, key, table, foreign);
    const twin = seen.get(name);
    if (twin !== undefined)
      throw new UnknownKeyError(
        fields.at(key),
        `it is the same key as ${quote(twin)}, which is there too`,
        'Keep one of them',
      );
    seen.set(name, key);
    const rule = table.own[name];
    const inner = typeof rule === 'function' ? rule(fields) : rule;
    return inner === undefined
      ? []
      : objectsIn(fields.value[key], fields.at(key)).flatMap((object) => refuseNearMisses(object, inner, foreign));
  });
}

function knownName(key: string, { own, isCaseSensitive = false }: KeyTable): string | undefined {
  if (isCaseSensitive) return Object.hasOwn(own, key) ? key : undefined;
  return Object.keys(own).find((name) => name.toLowerCase() === key.toLowerCase());
}

function unknownKey(
  fields: Fields,
  key: string,
  { own, isOpen = false, isCaseSensitive = false, elsewhere }: KeyTable,
  foreign: ReadonlySet<string>,
): string[] {
  // libcni and runtimes put keys of this prefix into any configuration.
  if (key.toLowerCase().startsWith('cni.dev/')) return [];
  const place = elsewhere?.(key, fields.value[key]);
  if (place !== undefined)
    throw new UnknownKeyError(fields.at(key), `it belongs ${place}`, 'It has no effect where it is');
  const other = isCaseSensitive ? Object.keys(own).find((name) => name.toLowerCase() === key.toLowerCase()) : undefined;
  const near = other ?? (foreign.has(key.toLowerCase()) ? undefined : nearMissOf(key, Object.keys(own)));
  if (near !== undefined)
    throw new UnknownKeyError(
      fields.at(key),
      `it is not a known key, the nearest one is ${quote(near)}`,
      `Write ${quote(near)}, or leave the key out`,
    );
  return isOpen ? [] : [fields.at(key)];
}

/** The objects that a value is or holds; what has another type is for its reader to refuse. */
function objectsIn(value: unknown, path: string): Fields[] {
  if (Array.isArray(value)) return value.flatMap((inner: unknown, index) => objectsIn(inner, `${path}[${index}]`));
  return typeof value === 'object' && value !== null ? [new Fields(value, path)] : [];
}
