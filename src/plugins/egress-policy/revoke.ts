import { sourcesOf } from '../../dataplane/elements/egress.ts';
import { judge } from '../../egress/judge.ts';
import { openAddresses } from '../../egress/names-lifetimes.ts';
import { recallName } from '../../egress/names-store.ts';
import { canEndFlows, endFlows, listFlowsOf, type Flow } from '../../host/conntrack.ts';
import { uptime } from '../../host/uptime.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { addressesOf, ingressInterfaceOf } from '../../records/sections.ts';
import type { EnforcedRecord } from './enforce.ts';
import { readHostAddresses, surroundingsOf } from './surroundings.ts';

/**
 * Ends the connections that containers began or answer and that their policy denies now, and no other: those that it
 * still allows go on undisturbed. Returns how many were ended.
 */
export async function forgetDeniedFlows(
  enforced: readonly EnforcedRecord[],
  records: readonly AttachmentRecord[],
): Promise<number> {
  if (!(await canEndFlows())) return 0;
  const hostAddresses = await readHostAddresses();
  const { begun, answered } = await listFlowsOf(enforced.flatMap(({ egress }) => sourcesOf(egress)));
  const bySource = Map.groupBy(begun, ({ source }) => source);
  const byAnswerer = Map.groupBy(answered, ({ answerer }) => answerer);
  const denied: Flow[] = [];
  for (const record of enforced) {
    const flowsIn = (groups: ReadonlyMap<string, Flow[]>): Flow[] =>
      sourcesOf(record.egress).flatMap((address) => groups.get(address) ?? []);
    const known = new Set([...hostAddresses, ...addressesBehind(record.egress.ingressInterface, records)]);
    denied.push(...flowsIn(byAnswerer).filter((flow) => isUnasked(record, flow, known)));
    const flows = flowsIn(bySource);
    if (flows.length === 0) continue;
    const surroundings = surroundingsOf(record, records, hostAddresses);
    const names = await namesByAddress(record);
    denied.push(
      ...flows.filter(
        (flow) => judge(record.egress.policy, destinationOf(flow, names), surroundings).verdict === 'deny',
      ),
    );
  }
  await endFlows(denied);
  return denied.length;
}

/**
 * Whether a connection came directly, and not by a published port, from somewhere that `ingress` keeps out now. The
 * host and whoever is on the same bridge are not kept out by it.
 */
function isUnasked({ egress: { policy } }: EnforcedRecord, flow: Flow, known: ReadonlySet<string>): boolean {
  if (policy.ingress === 'open' || policy.audit) return false;
  return flow.destination === flow.answerer && !known.has(flow.source);
}

function addressesBehind(ingressInterface: string, records: readonly AttachmentRecord[]): string[] {
  return records.filter((record) => ingressInterfaceOf(record) === ingressInterface).flatMap(addressesOf);
}

function destinationOf(
  { protocol, destination, destinationPort }: Flow,
  names: ReadonlyMap<string, string[]>,
): Parameters<typeof judge>[1] {
  const known = names.get(destination);
  return {
    address: destination,
    protocol: protocol === 'icmpv6' ? 'icmp' : protocol,
    ...(destinationPort === undefined ? {} : { port: destinationPort }),
    ...(known === undefined ? {} : { names: known }),
  };
}

async function namesByAddress({ egress: { policy } }: EnforcedRecord): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  for (const name of new Set(policy.names.map((rule) => rule.name))) {
    const known = await recallName(name, policy.dns.upstream);
    if (known === undefined) continue;
    for (const { address } of openAddresses(known, {
      now: uptime(),
      refreshIntervalMinutes: policy.refreshIntervalMinutes,
    })) {
      found.set(address, [...(found.get(address) ?? []), name]);
    }
  }
  return found;
}
