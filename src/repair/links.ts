import { applyCommands } from '../host/apply.ts';
import { addForwardedGroups, prepareBridge } from '../host/bridge.ts';
import { findLink, isLinkThere, readInterface } from '../host/interfaces.ts';
import { LinkError } from '../host/link-error.ts';
import { isRunning } from '../host/process.ts';
import { enableForwarding, interfacesWithoutForwarding, unforwarded, writeSysctls } from '../host/sysctl.ts';
import type { BridgePlan } from '../links/bridge.ts';
import { portTrouble, type PortTrouble } from '../links/port.ts';
import type { AttachmentRecord } from '../records/record.ts';
import { bridgesOf, hostInterfacesOf, portOf, routedEndOf } from '../records/sections.ts';
import { repairRouted } from './routed.ts';
import type { Scope } from './change-event.ts';
import { forwardingKey } from './resource-key.ts';

/**
 * Puts back bridges, their addresses, and their ports, with the plans of ADD: those that are named (watch/ip-event.ts).
 * Returns what was repaired, one sentence each. A container whose interface is gone is nobody's to repair, and one that
 * is down may be about to be removed.
 *
 * Throws code 100 or 102 when something cannot be put back.
 */
export async function repairLinks(records: readonly AttachmentRecord[], scope: Scope = 'all'): Promise<string[]> {
  const isNamed = (name: string): boolean => scope === 'all' || scope.has(name);
  const plans = bridgePlans(records).filter(
    ({ plan: { name, gatewayInterface } }) => isNamed(name) || isNamed(gatewayInterface) || isNamed(forwardingKey),
  );
  const repaired: string[] = [];
  const bridges = new Set<string>();
  for (const { plan, users } of plans) {
    if (!users.some((record) => hostInterfacesOf(record).some(isLinkThere))) continue;
    const found = await repairBridge(plan);
    // Ports that were told of before had nowhere to go back to.
    if (found.length > 0) bridges.add(plan.name);
    repaired.push(...found);
  }
  for (const record of records) {
    const port = portOf(record);
    if (port !== undefined && (isNamed(port.name) || bridges.has(port.bridge)) && isLinkThere(port.name))
      repaired.push(...(await unlessGone(repairPort(record))));
  }
  const routed = records.filter((record) => {
    const name = routedEndOf(record)?.hostInterface;
    return name !== undefined && (isNamed(name) || isNamed(forwardingKey)) && isLinkThere(name);
  });
  return routed.length === 0 ? repaired : [...repaired, ...(await unlessGone(repairRouted(routed)))];
}

/** A DEL takes interfaces away at any moment. */
async function unlessGone(repair: Promise<string[]>): Promise<string[]> {
  try {
    return await repair;
  } catch (error) {
    if (error instanceof LinkError && error.reason === 'missing') return [];
    throw error;
  }
}

interface UsedBridge {
  readonly plan: BridgePlan;
  readonly users: readonly AttachmentRecord[];
}

const known = new WeakMap<readonly AttachmentRecord[], readonly UsedBridge[]>();

/** One plan for each bridge and VLAN that has containers: what differs between their confs adds up in `keep`. */
function bridgePlans(records: readonly AttachmentRecord[]): readonly UsedBridge[] {
  const found = known.get(records);
  if (found !== undefined) return found;
  const users = records.flatMap((record) => bridgesOf(record).map((plan) => ({ record, plan })));
  const byPlan = Map.groupBy(users, ({ plan }) => JSON.stringify(plan));
  const plans = [...byPlan.values()].flatMap((group) =>
    group[0] === undefined ? [] : [{ plan: group[0].plan, users: group.map(({ record }) => record) }],
  );
  known.set(records, plans);
  return plans;
}

async function repairBridge(plan: BridgePlan): Promise<string[]> {
  const deaf = plan.forwarding.includes(4) ? interfacesWithoutForwarding([plan.gatewayInterface]) : [];
  writeSysctls(isLinkThere(plan.gatewayInterface) ? plan.sysctls : []);
  const off = unforwarded(plan.forwarding);
  enableForwarding(plan.forwarding);
  const forwarding = [
    ...off.map((family) => `Forwarding of IPv${family} was off`),
    ...deaf.map((name) => `Forwarding of IPv4 was off at "${name}"`),
  ];
  const [bridge, gateway] = await Promise.all([
    readInterface(plan.name),
    plan.gateways.length === 0 ? undefined : readInterface(plan.gatewayInterface),
  ]);
  const present = new Set((gateway?.addresses ?? []).map(({ address }) => address));
  const missing = plan.gateways.filter((address) => !present.has(address));
  const groups = await repairGroups(plan);
  if (bridge?.isUp === true && missing.length === 0) return [...forwarding, ...groups];
  await prepareBridge(plan);
  await addForwardedGroups(plan);
  await applyCommands(plan.keep);
  writeSysctls(plan.sysctls);
  if (bridge === undefined) return [...forwarding, `The bridge "${plan.name}" was gone`];
  return [
    ...forwarding,
    ...groups,
    // The kernel takes IPv6 addresses off an interface that goes down.
    ...(bridge.isUp ? [] : [`The bridge "${plan.name}" was down`]),
    ...(missing.length === 0 ? [] : [`"${plan.gatewayInterface}" had lost its address ${missing.join(' and ')}`]),
  ];
}

async function repairGroups(plan: BridgePlan): Promise<string[]> {
  const present = await addForwardedGroups(plan);
  return present === undefined ? [] : [`The "group_fwd_mask" of "${plan.name}" was ${present}`];
}

async function repairPort(record: AttachmentRecord): Promise<string[]> {
  const trouble = troubleOfPort(record);
  if (trouble === undefined) return [];
  await applyCommands(trouble.commands);
  return [trouble.what];
}

/**
 * Compares the port of an attachment with what its sections say of it. Undefined when all is well, when there is no
 * bridge to be a port of, and while its ADD still makes it.
 */
export function troubleOfPort(record: AttachmentRecord): PortTrouble | undefined {
  const port = portOf(record);
  if (port === undefined || !isLinkThere(port.bridge) || isBeingMade(record)) return undefined;
  return portTrouble(port, findLink(port.name));
}

/** An ADD puts rules in force while it makes the port: what the port lacks is on its way. */
function isBeingMade({ unfinished, adder }: AttachmentRecord): boolean {
  return unfinished === true && adder !== undefined && isRunning(adder);
}
