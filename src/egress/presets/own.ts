import { CniError, InvalidValueError, codes } from '../../cni/errors.ts';
import { Fields } from '../../cni/fields.ts';
import { findJsonProblem } from '../../text/json-problem.ts';
import { parseEntry } from '../entry.ts';
import type { AddressRule, NameRule } from '../policy.ts';

/*
 * On disk: /etc/drawbridge/presets/NAME.json, `{ "about": "…", "allow": [entries] }`. Written by operators, read by us.
 */

/** A preset of the operator's own. */
export interface OwnPreset {
  readonly about: string;
  /** The entries as they were written. */
  readonly entries: readonly string[];
  readonly addresses: readonly AddressRule[];
  readonly names: readonly NameRule[];
}

/** Own presets by name. One that cannot be used is its error, which concerns those alone who name it. */
export type OwnPresets = ReadonlyMap<string, OwnPreset | CniError>;

/**
 * Reads a preset from the text of its file; `what` names it in errors. Its entries are those of `allow`. Throws
 * {@link CniError} with code 7 for text that is not JSON, an unknown key, an invalid entry, and an empty list.
 */
export function parseOwnPreset(text: string, what: string): OwnPreset {
  const wrong = findJsonProblem(text);
  if (wrong !== undefined)
    throw new CniError(
      codes.invalidConfig,
      `Cannot use ${what}: line ${wrong.line}, column ${wrong.column}: ${wrong.problem}`,
      formExpected,
    );
  try {
    return readPreset(new Fields(JSON.parse(text)).only(['about', 'allow']));
  } catch (error) {
    if (error instanceof CniError)
      throw new CniError(error.code, `Cannot use ${what}: ${error.message}`, error.details, { cause: error });
    throw error;
  }
}

const formExpected = `The file is to hold one JSON object: { "about": "what it is for", "allow": ["api.example.org:443"] }`;

function readPreset(fields: Fields): OwnPreset {
  const entries = fields.strings('allow') ?? [];
  if (entries.length === 0) throw new InvalidValueError('allow', 'nothing is listed', formExpected);
  const parsed = entries.map((entry, index) => parseEntry(entry, { key: 'allow', path: `allow[${index}]` }));
  return {
    about: fields.string('about') ?? 'of this host',
    entries,
    addresses: parsed.flatMap((entry) => (entry.kind === 'address' ? [entry.rule] : [])),
    names: parsed.flatMap((entry) => (entry.kind === 'name' ? [entry.rule] : [])),
  };
}
