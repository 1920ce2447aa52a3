import { isIncomingMarked } from '../../../dataplane/gate-parts.ts';
import { isLinkThere, readInterface } from '../../../host/interfaces.ts';
import { shape, showQueues, unshape } from '../../../host/shaping.ts';
import type { LinkCommand } from '../../../links/command.ts';
import {
  planShaping,
  planUnshaping,
  queueDifference,
  redirectsTo,
  type ShapedRecord,
  type ShownFilter,
  type ShownQueue,
} from '../../../links/shaping.ts';
import type { Upkeep } from './upkeep.ts';

export const shaped: Upkeep<ShapedRecord> = {
  // The interface for what the container sends outlives the container's own.
  unlink: async ({ hostInterface, ifb }) =>
    unshape(isLinkThere(hostInterface) ? planUnshapingOf(hostInterface) : [], ifb),
  differences: limitDifferences,
  mend: { look: limitDifferences, why: 'the container sends or receives without its limit', put: limitAnew },
};

async function limitAnew(value: ShapedRecord): Promise<void> {
  await unshape(planUnshapingOf(value.hostInterface), value.ifb);
  await limit(value);
}

/** Makes the queues of a record. After an error nothing is left; what was in the way stays. Throws code 100. */
export async function limit(value: ShapedRecord): Promise<void> {
  const { hostInterface, ifb, limits = {} } = value;
  const mtu = (await readInterface(hostInterface))?.mtu ?? 1500;
  const hasFilterQueue = isIncomingMarked(hostInterface);
  await shape(planShaping(value, limits, { mtu, hasFilterQueue }), { ifb, undo: planUnshapingOf(hostInterface) });
}

function planUnshapingOf(hostInterface: string): LinkCommand[] {
  return planUnshaping(hostInterface, { hasFilterQueue: isIncomingMarked(hostInterface) });
}

/** Says which limits are not in force, a sentence each. Nothing is known of those of before 0.2.0. */
export async function limitDifferences({ hostInterface, ifb, limits = {} }: ShapedRecord): Promise<string[]> {
  const { ingress, egress } = limits;
  const { queues, filters } = await showQueues(hostInterface);
  const found = [
    ...(ingress === undefined ? [] : [queueDifference(hostInterface, ingress, queues as ShownQueue[])]),
    ...(egress === undefined || ifb === undefined
      ? []
      : [
          queueDifference(ifb, egress, (await showQueues(ifb)).queues as ShownQueue[]),
          redirectsTo(ifb, filters as ShownFilter[])
            ? undefined
            : `what comes in by "${hostInterface}" is not sent to "${ifb}"`,
        ]),
  ];
  return found.filter((difference) => difference !== undefined);
}
