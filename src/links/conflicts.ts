import { parsePrefix, prefixContains } from '../ip/address.ts';
import { familyOf } from '../ip/family.ts';

/**
 * Which addresses of a bridge stand in the way of its gateway addresses. None stands in the way of one that is there
 * already. Of one that is missing: those whose network overlaps; and where the bridge has no address of this network
 * yet, any other one of IPv4, since two networks must not share a bridge by mistake (the reference bridge plugin's
 * rule).
 */
export function conflictingAddresses(
  present: readonly string[],
  wanted: readonly string[],
): { present: string; wanted: string }[] {
  const missing = wanted.filter((address) => !present.includes(address));
  const isOurs = wanted.some((address) => familyOf(address) === 4 && present.includes(address));
  const others = present.filter((address) => !wanted.includes(address));
  return others.flatMap((other) => {
    const inTheWay = missing.find(
      (address) =>
        familyOf(address) === familyOf(other) && ((familyOf(address) === 4 && !isOurs) || overlap(address, other)),
    );
    return inTheWay === undefined ? [] : [{ present: other, wanted: inTheWay }];
  });
}

function overlap(first: string, second: string): boolean {
  const [one, other] = [parsePrefix(first), parsePrefix(second)];
  return prefixContains(one, other) || prefixContains(other, one);
}
