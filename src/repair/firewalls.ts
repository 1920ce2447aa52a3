import { inspectForeignFirewalls, openForeignFirewalls, type OpenOptions } from '../host/firewall/foreign.ts';
import { firewallOptions } from '../plugins/egress-policy/enforce.ts';
import type { AttachmentRecord } from '../records/record.ts';
import { ingressInterfaceOf, openedInterfacesOf } from '../records/sections.ts';

/** What was repaired, and what stands in the way and is not ours to change; one sentence each. */
export interface FirewallRepair {
  readonly repaired: readonly string[];
  readonly problems: readonly string[];
}

/** Opens again what foreign firewalls close to bridges with containers: after a reload, a flush, or a new firewall. */
export async function repairFirewalls(records: readonly AttachmentRecord[]): Promise<FirewallRepair> {
  const repaired: string[] = [];
  const problems: string[] = [];
  for (const [bridge, options] of openingsOf(records)) {
    const closed = (await inspectForeignFirewalls(bridge, options)).filter(({ state }) => state === 'closed');
    if (closed.length === 0) continue;
    const warnings = await openForeignFirewalls(bridge, { ...options, again: true });
    problems.push(...warnings.map(({ message, remedy }) => `${message}; ${remedy}`));
    const left = (await inspectForeignFirewalls(bridge, options)).filter(({ state }) => state === 'closed');
    const opened = closed.filter(
      ({ firewall, blocker }) => !left.some((one) => one.firewall === firewall && one.blocker === blocker),
    );
    repaired.push(
      ...opened.map(
        ({ firewall, blocker }) =>
          `${firewall} dropped the traffic of "${bridge}" by ${blocker}; our accepts are first again`,
      ),
    );
    problems.push(...left.map(({ firewall, blocker }) => `${firewall} drops the traffic of "${bridge}" by ${blocker}`));
  }
  return { repaired, problems };
}

/** What the containers of each bridge need together; one without a policy needs what the default is. */
export function openingsOf(records: readonly AttachmentRecord[]): Map<string, OpenOptions> {
  const byBridge = Map.groupBy(
    records.filter((record) => openedInterfacesOf(record).length > 0),
    ingressInterfaceOf,
  );
  const openings = new Map<string, OpenOptions>();
  for (const [bridge, users] of byBridge) {
    if (bridge === undefined) continue;
    const own = users.flatMap(({ egress }) => (egress === undefined ? [] : [firewallOptions(egress.policy) ?? {}]));
    const hostPorts = own.flatMap((options) => options.hostPorts ?? []);
    const ingress = own.some((options) => options.ingress === 'open') ? 'open' : 'published';
    openings.set(bridge, own.length < users.length && hostPorts.length === 0 ? { ingress } : { hostPorts, ingress });
  }
  return openings;
}
