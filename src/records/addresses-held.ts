import { CniError, codes } from '../cni/errors.ts';
import { isAlive } from './alive.ts';
import { addressHolders } from './index-files.ts';
import { describeAttachment } from './key.ts';
import type { AttachmentRecord } from './record.ts';
import { addressesOf, ingressInterfaceOf } from './sections.ts';

/**
 * Throws code 102 when a living container behind another interface has one of the record's addresses, and one of the
 * two has a policy: conntrack tells flows by addresses alone, so each would be let into what the other one began, and
 * answers to one would go to the other. On one bridge the newer owner has the address. Called under the lock of the
 * tables.
 */
export function refuseHeldAddresses(next: AttachmentRecord): void {
  const own = ingressInterfaceOf(next);
  if (own === undefined) return;
  const holder = addressHolders(next).find(
    (other) =>
      (next.egress !== undefined || other.egress !== undefined) &&
      ![undefined, own].includes(ingressInterfaceOf(other)) &&
      isAlive(other),
  );
  if (holder === undefined) return;
  const address = addressesOf(next).find((one) => addressesOf(holder).includes(one)) ?? '';
  throw new CniError(
    codes.conflict,
    `Cannot use the address ${address} behind "${own}": ${describeAttachment(holder)} has it behind "${ingressInterfaceOf(holder)}"`,
    'Give the two networks subnets that do not overlap, or exclude from the wider one what the other one has ("rangeStart", "rangeEnd")',
  );
}
