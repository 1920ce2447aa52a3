import type { Fields } from '../cni/fields.ts';
import { readDuration } from '../text/duration.ts';
import { usualBounds } from './grants.ts';
import { policyTable } from './key-table.ts';
import { parseEntry } from './entry.ts';
import type { GrantBounds } from './policy.ts';
import { entries, refuseNull } from './policy-fields.ts';

const { keys: grantKeys } = policyTable.maxGrants;

/** Reads `{"within": [entries], "for": "24h", "count": 16}`. Throws code 7. */
export function parseGrantBounds(fields: Fields): GrantBounds {
  fields.only(Object.keys(grantKeys));
  refuseNull(fields);
  const time = fields.string('for');
  const milliseconds = time === undefined ? usualBounds.milliseconds : readDuration(time);
  if (milliseconds === undefined) throw fields.invalid('for', 'a time, as in "90s", "10m", "1h30m" or "2d"');
  const count = fields.integer('count', grantKeys.count) ?? usualBounds.count;
  if (fields.raw('within') === undefined) return { milliseconds, count };
  const parsed = entries(fields, 'within').map(({ value, place }) => parseEntry(value, place));
  return {
    within: {
      addresses: parsed.flatMap((entry) => (entry.kind === 'address' ? [entry.rule] : [])),
      names: parsed.flatMap((entry) => (entry.kind === 'name' ? [entry.rule] : [])),
    },
    milliseconds,
    count,
  };
}
