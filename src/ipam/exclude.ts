import type { CniError } from '../cni/errors.ts';
import { InvalidValueError } from '../cni/errors.ts';
import { quote } from '../cni/fields.ts';
import type { Fields } from '../cni/fields.ts';
import { broadcast, formatPrefix, readAddress, readPrefix } from '../ip/address.ts';
import type { Family } from '../ip/family.ts';
import type { Span } from './pool.ts';

/** Addresses that are never given, as one entry of "exclude" names them. */
export interface Exclusion extends Span {
  readonly family: Family;
  /** The entry as it was written, and where: "ipam.exclude[0]". */
  readonly text: string;
  readonly path: string;
}

/**
 * Reads "exclude": a list of addresses, of networks, and of spans "10.88.0.10-10.88.0.20" with both ends inside.
 * The reference has no such key; its users split ranges around the holes (plugins#45).
 *
 * Throws {@link CniError} with code 7.
 */
export function parseExclude(fields: Fields): Exclusion[] {
  return (fields.strings('exclude') ?? []).map((text, index) => parseEntry(text, `${fields.at('exclude')}[${index}]`));
}

function parseEntry(text: string, path: string): Exclusion {
  if (text.includes('-')) return parseSpan(text, path);
  const prefix = readPrefix(text);
  if (prefix?.hostBits === true)
    throw invalid(path, text, `the network has host bits set, ${quote(formatPrefix(prefix))} is expected`);
  if (prefix !== undefined)
    return { family: prefix.family, first: prefix.value, last: broadcast(prefix).value, text, path };
  const address = readAddress(text);
  if (address === undefined) throw invalid(path, text, 'an address, a network or "first-last" is expected');
  return { family: address.family, first: address.value, last: address.value, text, path };
}

function parseSpan(text: string, path: string): Exclusion {
  const [first, last, ...rest] = text.split('-').map((part) => readAddress(part.trim()));
  if (first === undefined || last === undefined || rest.length > 0)
    throw invalid(path, text, 'two addresses with "-" between them are expected');
  if (first.family !== last.family) throw invalid(path, text, 'both addresses must be of one family');
  if (first.value > last.value) throw invalid(path, text, 'the first address must not be above the last');
  return { family: first.family, first: first.value, last: last.value, text, path };
}

function invalid(path: string, text: string, problem: string): CniError {
  return new InvalidValueError(path, `it is ${quote(text)}, ${problem}`);
}
