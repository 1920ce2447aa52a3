import { checksNames } from '../../egress/checked-names.ts';
import type { Policy } from '../../egress/policy.ts';
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

/** A connection whose first bytes asked for a name. */
export interface NamedConnection {
  readonly source: string;
  readonly sourcePort: number;
  /** Who answers. */
  readonly destination: string;
  readonly destinationPort: number;
  readonly name: string;
}

/**
 * Ends the connections that containers began or answer and that their policy denies now, and no other: those that it
 * still allows go on undisturbed. Returns how many were ended.
 */
export async function forgetDeniedFlows(
  enforced: readonly EnforcedRecord[],
  records: readonly AttachmentRecord[],
  checked: readonly NamedConnection[],
): Promise<number> {
  if (!(await canEndFlows())) return 0;
  const hostAddresses = await readHostAddresses();
  const { begun, answered } = await listFlowsOf(enforced.flatMap(({ egress }) => sourcesOf(egress)));
  const bySource = Map.groupBy(begun, ({ source }) => source);
  const byAnswerer = Map.groupBy(answered, ({ answerer }) => answerer);
  const denied: Flow[] = [];
  const asked = new Map(checked.map((one) => [connectionKey(one), one.name]));
  for (const record of enforced) {
    const flowsIn = (groups: ReadonlyMap<string, Flow[]>): Flow[] =>
      sourcesOf(record.egress).flatMap((address) => groups.get(address) ?? []);
    const known = new Set([...hostAddresses, ...addressesBehind(record.egress.ingressInterface, records)]);
    denied.push(...flowsIn(byAnswerer).filter((flow) => isUnasked(record, flow, known)));
    const flows = flowsIn(bySource);
    if (flows.length === 0) continue;
    const surroundings = surroundingsOf(record, records, hostAddresses);
    const names = await namesByAddress(record);
    const isDenied = (flow: Flow): boolean => {
      const { policy, destination } = judgedAs(flow, record, names, asked);
      return judge(policy, destination, surroundings).verdict === 'deny';
    };
    denied.push(...flows.filter(isDenied));
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

/**
 * By what a flow is judged: where names are checked, by the one that it asked for. Of one that nobody remembers,
 * nothing but an unchecked name speaks for it.
 */
function judgedAs(
  flow: Flow,
  { egress: { policy } }: EnforcedRecord,
  names: ReadonlyMap<string, string[]>,
  asked: ReadonlyMap<string, string>,
): { readonly policy: Policy; readonly destination: Parameters<typeof judge>[1] } {
  const destination = destinationOf(flow, names);
  if (!checksNames(policy) || flow.protocol !== 'tcp') return { policy, destination };
  const { source, sourcePort = 0, answerer, destinationPort = 0 } = flow;
  const name = asked.get(connectionKey({ source, sourcePort, destination: answerer, destinationPort }));
  if (name !== undefined) return { policy, destination: { ...destination, names: [name], askedName: name } };
  return { policy: { ...policy, names: policy.names.filter(({ unchecked }) => unchecked === true) }, destination };
}

function connectionKey({ source, sourcePort, destination, destinationPort }: Omit<NamedConnection, 'name'>): string {
  return `${source} ${sourcePort} ${destination} ${destinationPort}`;
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
