/** Reads keys of a policy, wherever they stand in it. */
import { InvalidValueError } from '../cni/errors.ts';
import { quote, type Fields } from '../cni/fields.ts';
import type { Place } from './entry.ts';

/** Null passes for an absent key elsewhere; here it would turn `"deny": null` of a failed template into no denial. */
export function refuseNull(fields: Fields): void {
  const key = fields.keys().find((name) => fields.value[name] === null);
  if (key !== undefined) throw new InvalidValueError(fields.at(key), 'it is null', 'Leave the key out for its default');
}

/** The entries of a list, each with its place; none where the key is absent. */
export function entries(fields: Fields, key: string): { value: unknown; place: Place }[] {
  return (fields.list(key) ?? []).map((value, index) => ({
    value,
    place: { key, path: `${fields.at(key)}[${index}]` },
  }));
}

/** One of a few words; undefined where the key is absent. Throws code 7 for any other. */
export function oneOf<const Value extends string>(
  fields: Fields,
  key: string,
  values: readonly Value[],
): Value | undefined {
  const given = fields.string(key);
  if (given === undefined) return undefined;
  const value = values.find((candidate) => candidate === given);
  if (value === undefined) throw fields.invalid(key, `one of ${values.map(quote).join(', ')}`);
  return value;
}
