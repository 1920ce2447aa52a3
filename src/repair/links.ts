import { applyCommands } from '../host/apply.ts';
import { addForwardedGroups, prepareBridge } from '../host/bridge.ts';
import { findLink, isLinkThere, readInterface } from '../host/interfaces.ts';
import { LinkError } from '../host/link-error.ts';
import { enableForwarding, hasIpv6, interfacesWithoutForwarding, unforwarded, writeSysctls } from '../host/sysctl.ts';
import { completeAddresses } from '../links/addresses.ts';
import { planBridge, type BridgePlan } from '../links/bridge.ts';
import type { LinkCommand } from '../links/command.ts';
import { isTiedToMac, planVeth } from '../links/veth.ts';
import type { AttachmentRecord, LinkRecord, LinkSettings } from '../records/record.ts';
import { isPortIsolated } from '../records/sections.ts';
import { settingsOf } from '../records/sections/link.ts';
import type { Scope } from './change-event.ts';
import { forwardingKey } from './resource-key.ts';

type LinkedRecord = AttachmentRecord & { readonly link: LinkRecord };

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
    if (!users.some(isPresent)) continue;
    const found = await repairBridge(plan);
    // Ports that were told of before had nowhere to go back to.
    if (found.length > 0) bridges.add(plan.name);
    repaired.push(...found);
  }
  for (const record of records)
    if ((isNamed(portOf(record)) || bridges.has(bridgeOf(record) ?? '')) && isPresent(record))
      repaired.push(...(await unlessGone(repairPort(record))));
  return repaired;
}

function bridgeOf({ link, egress }: AttachmentRecord): string | undefined {
  return link?.bridge ?? egress?.ingressInterface;
}

function isPresent(record: AttachmentRecord): boolean {
  return isLinkThere(portOf(record));
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
  const users = records.filter(isLinked).map((record) => ({ record, plan: planOf(record.link) }));
  const byPlan = Map.groupBy(users, ({ plan }) => JSON.stringify(plan));
  const plans = [...byPlan.values()].flatMap((group) =>
    group[0] === undefined ? [] : [{ plan: group[0].plan, users: group.map(({ record }) => record) }],
  );
  known.set(records, plans);
  return plans;
}

function planOf(link: LinkRecord): BridgePlan {
  const conf = settingsOf(link);
  const { gateways } = completeAddresses({ ips: [...link.addresses], routes: [] }, conf);
  return planBridge({ ...conf, bridge: link.bridge, mtu: link.mtu, gateways, routeLocalnet: true });
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
  const trouble = portTrouble(record);
  if (trouble === undefined) return [];
  await applyCommands(trouble.commands);
  return [trouble.what];
}

/** What is not as it should be with a port of a bridge, and what mends it. */
export interface PortTrouble {
  /** One sentence without a period. */
  readonly what: string;
  readonly commands: readonly LinkCommand[];
}

/**
 * Compares the port of an attachment with its record. Undefined when all is well, and when there is no bridge to be a
 * port of.
 */
export function portTrouble(record: AttachmentRecord): PortTrouble | undefined {
  const port = portOf(record);
  const bridge = bridgeOf(record);
  if (bridge === undefined || port === bridge || !isLinkThere(bridge)) return undefined;
  const found = findLink(port);
  const conf = record.link === undefined ? undefined : settingsOf(record.link);
  const isIsolated = isPortIsolated(record);
  const isPort = found?.portState !== undefined;
  const mac = record.egress?.mac ?? record.link?.mac;
  const lost = found?.master !== bridge;
  const open = isIsolated && isPort && !found.isolated;
  const isTied = record.egress !== undefined || (record.link !== undefined && isTiedToMac(record.link));
  const learns = isTied && isPort && found.learns;
  const unturned = conf?.hairpinMode === true && isPort && !found.hairpin;
  if (!lost && !open && !learns && !unturned) return undefined;
  const flags = {
    ...(conf?.hairpinMode === true ? { hairpin: true } : {}),
    ...(isIsolated ? { isolated: true } : {}),
    ...(isTied ? { learning: false } : {}),
  };
  return {
    what: lost
      ? `"${port}" was no port of "${bridge}" any more`
      : open
        ? `"${port}" was no longer isolated from its siblings`
        : learns
          ? `"${port}" learned the MAC addresses of its senders again`
          : `Hairpin mode of "${port}" was off`,
    commands: [
      ...(lost ? [{ kind: 'setLink', name: port, master: bridge } as const] : []),
      ...(Object.keys(flags).length > 0 ? [{ kind: 'setPort', name: port, ...flags } as const] : []),
      ...(lost && record.link !== undefined && conf !== undefined ? planVlans(record.link, conf) : []),
      ...(isTied && mac !== undefined ? [{ kind: 'replaceStaticMac', name: port, mac } as const] : []),
    ],
  };
}

function planVlans(link: LinkRecord, conf: LinkSettings): readonly LinkCommand[] {
  return planVeth({ ...conf, ...link, netns: '/', ifname: 'eth0', addresses: [], routes: [], ipv6: hasIpv6() }).vlans;
}

function portOf({ link, egress }: AttachmentRecord): string {
  return link?.hostInterface ?? egress?.port ?? egress?.ingressInterface ?? '';
}

function isLinked(record: AttachmentRecord): record is LinkedRecord {
  return record.link !== undefined;
}
