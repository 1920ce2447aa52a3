import { netnsExists } from '../../../host/netns.ts';
import { takeDown } from '../../../host/veth.ts';
import type { EgressRecord } from '../../record.ts';
import type { Upkeep } from './upkeep.ts';

export const egress: Upkeep<EgressRecord> = {
  // The interface of ours stays enforced without a policy; that of another plugin goes with the one before in the chain.
  close: async ({ port, ingressInterface }, { link, netns }) => {
    if (link === undefined && netnsExists(netns)) await takeDown(port ?? ingressInterface);
  },
};
