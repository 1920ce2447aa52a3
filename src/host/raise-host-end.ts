import { CniError, codes } from '../cni/errors.ts';
import type { VethPlan } from '../links/veth.ts';
import { applyCommands } from './apply.ts';
import { LinkError } from './link-error.ts';

/**
 * Brings the host's end up, and for a routed container makes the host's routes to it. Throws code 102 when the host has
 * a route to one of the addresses already.
 */
export async function raiseHostEnd({ raise }: VethPlan): Promise<void> {
  try {
    await applyCommands(raise);
  } catch (error) {
    if (!(error instanceof LinkError) || error.reason !== 'exists' || error.command?.kind !== 'addRoute') throw error;
    const { dst } = error.command;
    throw new CniError(
      codes.conflict,
      `Cannot route to the container's address "${dst}": the host has a route to it already`,
      'Two networks with one subnet give one address twice: choose another subnet; "ip route show" tells who has it',
    );
  }
}
