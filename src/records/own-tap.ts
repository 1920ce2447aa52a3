import { findLink } from '../host/interfaces.ts';
import { isOwnTap } from '../links/tap.ts';
import { hostInterfacesOf } from './sections.ts';
import { listRecords } from './store.ts';

/**
 * Whether the tap of that name is the one of the attachment with that key, or is nobody's: people choose the names of
 * taps, so an ADD that fails for its name must not take away what has it.
 */
export function isTapOf(name: string, key: string): boolean {
  const found = findLink(name);
  if (found === undefined || !isOwnTap(found)) return false;
  return !listRecords().records.some((other) => other.key !== key && hostInterfacesOf(other).includes(name));
}
