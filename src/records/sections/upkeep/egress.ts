import { isolatesPort } from '../../../dataplane/elements/egress.ts';
import { describePart, isFilter } from '../../../dataplane/gate-parts.ts';
import { missingParts } from '../../../dataplane/gates.ts';
import { findLink } from '../../../host/interfaces.ts';
import { netnsExists } from '../../../host/netns.ts';
import { takeDown } from '../../../host/veth.ts';
import { gatedInterface } from '../../gated-interfaces.ts';
import type { EgressRecord } from '../../record.ts';
import { listRecords } from '../../store.ts';
import { hostInterfacesOf } from '../../sections.ts';
import type { Upkeep } from './upkeep.ts';

export const egress: Upkeep<EgressRecord> = {
  // The interface of ours stays enforced without a policy; that of another plugin goes with the one before in the
  // chain.
  close: async ({ port, ingressInterface }, { key, link, netns }) => {
    const name = port ?? ingressInterface;
    if (link === undefined && (netnsExists(netns) || isNobodyElses(name, key))) await takeDown(name);
  },
  differences: findUnguarded,
};

/**
 * Whether no other attachment has an interface of that name: the namespace has lost its path, a process may still be in
 * it, and names of other plugins may come again.
 */
function isNobodyElses(name: string, key: string): boolean {
  if (findLink(name) === undefined) return false;
  return !listRecords().records.some((other) => other.key !== key && hostInterfacesOf(other).includes(name));
}

/** Sentences about what keeps the container in beside the rules and is not there; empty when all is. */
async function findUnguarded(value: EgressRecord): Promise<string[]> {
  const { port, policy } = value;
  const rules = await missingParts([gatedInterface(value)], {
    among: (part) => !isFilter(part) || part.kind === 'veth filter',
  });
  const found = port === undefined ? undefined : findLink(port);
  const isPort = found?.portState !== undefined;
  const isOpen = isPort && isolatesPort(policy) && !found.isolated;
  return [
    ...rules.map((part) => `${describePart(part)} is not there`),
    ...(isOpen ? [`the bridge does not isolate the port "${port}"`] : []),
    ...(isPort && found.learns ? [`the bridge learns MAC addresses at the port "${port}"`] : []),
  ];
}
