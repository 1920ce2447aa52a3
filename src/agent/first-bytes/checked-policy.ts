import { opensByAddress, type AddressOpening } from '../../egress/destination.ts';
import type { Policy } from '../../egress/policy.ts';
import { addressText } from '../../ip/bytes.ts';
import { addressOf, type Ends } from './segment.ts';

/** What of a policy decides about names. */
export type CheckedPolicy = Pick<Policy, 'names' | 'denyNames' | 'onDeny'> & AddressOpening;

/** Whether something else than a name opens a connection; only where names of `deny` are looked for does one come. */
export function isOpen(policy: CheckedPolicy, { destination, destinationPort }: Ends): boolean {
  if (policy.denyNames === undefined) return false;
  return opensByAddress(policy, addressText(addressOf(destination)), destinationPort);
}
