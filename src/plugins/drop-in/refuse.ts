import { CniError, codes } from '../../cni/errors.ts';
import type { Fields } from '../../cni/fields.ts';

/**
 * Refuses, with code 2 and by name and value, a key of the reference plugin that we do not support. Values that ask
 * for nothing (absent, null, false, "", an empty list) pass, and those in `accepted`.
 */
export function refuseUnsupported(
  fields: Fields,
  key: string,
  advice: string,
  accepted: readonly unknown[] = [],
): void {
  const value = fields.raw(key);
  if (value === undefined || value === false || value === '' || accepted.includes(value)) return;
  if (Array.isArray(value) && value.length === 0) return;
  throw new CniError(
    codes.unsupportedField,
    `Cannot use "${fields.at(key)}": ${JSON.stringify(value)} is not supported`,
    advice,
  );
}
