import { isolatesPort } from '../../../dataplane/elements/egress.ts';
import { gateSelector } from '../../../dataplane/gate.ts';
import { findLink } from '../../../host/interfaces.ts';
import { showJson } from '../../../host/ip.ts';
import { netnsExists } from '../../../host/netns.ts';
import { hasIpv6 } from '../../../host/sysctl.ts';
import { takeDown } from '../../../host/veth.ts';
import type { EgressRecord } from '../../record.ts';
import type { Upkeep } from './upkeep.ts';

export const egress: Upkeep<EgressRecord> = {
  // The interface of ours stays enforced without a policy; that of another plugin goes with the one before in the
  // chain.
  close: async ({ port, ingressInterface }, { link, netns }) => {
    if (link === undefined && netnsExists(netns)) await takeDown(port ?? ingressInterface);
  },
  differences: findUnguarded,
};

/** Sentences about what keeps the container in beside the rules and is not there; empty when all is. */
async function findUnguarded({ ingressInterface, port, policy }: EgressRecord): Promise<string[]> {
  const families = hasIpv6() ? ([4, 6] as const) : ([4] as const);
  const gates = await Promise.all(
    families.map(async (family) => {
      const rules = (await showJson([`-${family}`, 'rule', 'show', ...gateSelector(ingressInterface)])) as unknown[];
      return rules.length > 0
        ? []
        : [`there is no IPv${family} routing rule that stops "${ingressInterface}" without our tables`];
    }),
  );
  const found = port === undefined ? undefined : findLink(port);
  const isPort = found?.portState !== undefined;
  const isOpen = isPort && isolatesPort(policy) && !found.isolated;
  return [
    ...gates.flat(),
    ...(isOpen ? [`the bridge does not isolate the port "${port}"`] : []),
    ...(isPort && found.learns ? [`the bridge learns MAC addresses at the port "${port}"`] : []),
  ];
}
