import { enforcedUse } from '../dataplane/elements/egress.ts';
import { isGateNoted, removeGate } from '../dataplane/gates.ts';
import { sharedByOthers } from './index-files.ts';

/**
 * Takes the gate out with the last enforced container behind an interface. To be called under the lock of the tables.
 */
export async function closeGate(ingressInterface: string, key: string): Promise<void> {
  if (isNeeded(ingressInterface, key)) return;
  const isNoted = isGateNoted(ingressInterface);
  await removeGate(ingressInterface).catch((error: unknown) => {
    // Without a note there is one at most if somebody was killed who made it: nothing that an ADD without rights has to
    // undo.
    if (isNoted) throw error;
  });
}

/** Whether another container is enforced behind the interface. */
function isNeeded(ingressInterface: string, key: string): boolean {
  return sharedByOthers(enforcedUse(ingressInterface), key);
}
