import { warn } from '../cni/warn.ts';
import type { GatedInterface } from '../dataplane/gate.ts';
import { keepGate } from '../dataplane/gates.ts';
import { gatedInterfaces } from '../records/gated-interfaces.ts';
import { listRecords } from '../records/store.ts';

/**
 * Makes the gate of an interface as soon as that is `made`, and warns of what the host cannot have of it. Throws as
 * keepGate().
 *
 * The last one behind the interface takes the gate along unless it sees us, and it sees us when our rules are in force:
 * so we look again then.
 */
export async function keepGated(
  gated: GatedInterface,
  { made, inForce }: { made: Promise<unknown>; inForce: Promise<unknown> },
): Promise<void> {
  const keep = async (): Promise<void> => {
    (await keepGate(gated, () => gatedInterfaces(listRecords().records))).forEach(warn);
  };
  await made;
  await keep();
  await inForce;
  await keep();
}
