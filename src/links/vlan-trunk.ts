import type { Fields } from '../cni/fields.ts';

/**
 * Reads "vlanTrunk": each entry is a range (`minID` and `maxID`), a single VLAN (`id`), or both.
 * Returns the VLANs in ascending order, without repeats. Throws code 7.
 */
export function parseVlanTrunk(entries: readonly Fields[]): number[] {
  const ids = new Set<number>();
  for (const entry of entries) {
    const min = entry.integer('minID', limits);
    const max = entry.integer('maxID', limits);
    const id = entry.integer('id', limits);
    if (min !== undefined && max === undefined) throw entry.invalid('maxID', 'a value, because "minID" has one,');
    if (max !== undefined && min === undefined) throw entry.invalid('minID', 'a value, because "maxID" has one,');
    if (min !== undefined && max !== undefined) {
      if (max < min) throw entry.invalid('maxID', `at least "minID", which is ${min},`);
      for (let vlan = min; vlan <= max; vlan++) ids.add(vlan);
    }
    if (id !== undefined) ids.add(id);
  }
  return [...ids].sort((first, second) => first - second);
}

/** VLAN IDs that IEEE 802.1Q leaves for use. */
const limits = { min: 1, max: 4094 };
