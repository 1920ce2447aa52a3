import { isLinkThere } from '../../../host/interfaces.ts';
import { showQueues, unshape } from '../../../host/shaping.ts';
import {
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
    unshape(isLinkThere(hostInterface) ? planUnshaping(hostInterface) : [], ifb),
  differences: limitDifferences,
};

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
