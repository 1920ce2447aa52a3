import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path/posix';
import { Fields } from '../../cni/fields.ts';
import { prepareBridge } from '../../host/bridge.ts';
import { readInterface } from '../../host/interfaces.ts';
import { applyBatch, BatchError } from '../../host/ip.ts';
import { enableForwarding, hasIpv6, writeSysctls } from '../../host/sysctl.ts';
import { completeAddresses, conflictingAddresses } from '../../links/addresses.ts';
import { planBridge, type BridgePlan } from '../../links/bridge.ts';
import { parseLinkConf, type LinkConf } from '../../links/conf.ts';
import { planPair } from '../../links/pair.ts';
import { isolatesPort } from '../../plugins/egress-policy/enforce.ts';
import type { AttachmentRecord, LinkRecord } from '../../records/record.ts';

type LinkedRecord = AttachmentRecord & { readonly link: LinkRecord };

/**
 * Puts back bridges, their addresses, and their ports, with the plans of ADD. Returns what was repaired, one sentence
 * each. A container whose interface is gone is nobody's to repair, and one that is down may be about to be removed.
 *
 * Throws code 100 or 102 when something cannot be put back.
 */
export async function repairLinks(records: readonly AttachmentRecord[]): Promise<string[]> {
  const present = records.filter((record) => existsSync(`/sys/class/net/${portOf(record)}`));
  const repaired: string[] = [];
  for (const plan of bridgePlans(present.filter(isLinked))) repaired.push(...(await repairBridge(plan)));
  for (const record of present) repaired.push(...(await unlessGone(repairPort(record))));
  return repaired;
}

/** A DEL takes interfaces away at any moment. */
async function unlessGone(repair: Promise<string[]>): Promise<string[]> {
  try {
    return await repair;
  } catch (error) {
    if (error instanceof BatchError && error.reason === 'missing') return [];
    throw error;
  }
}

/** One plan for each bridge and VLAN that has containers: what differs between their confs adds up in `keep`. */
function bridgePlans(records: readonly LinkedRecord[]): BridgePlan[] {
  const plans = records.map(({ link }) => {
    const conf = confOf(link);
    const { gateways } = completeAddresses({ ips: [...link.addresses], routes: [] }, conf);
    return planBridge({ ...conf, bridge: link.bridge, mtu: link.mtu, gateways, routeLocalnet: true });
  });
  return [...new Map(plans.map((plan) => [JSON.stringify(plan), plan])).values()];
}

async function repairBridge(plan: BridgePlan): Promise<string[]> {
  writeSysctls(existsSync(`/sys/class/net/${plan.gatewayInterface}`) ? plan.sysctls : []);
  enableForwarding(plan.forwarding);
  const [bridge, gateway] = await Promise.all([
    readInterface(plan.name),
    plan.gateways.length === 0 ? undefined : readInterface(plan.gatewayInterface),
  ]);
  const present = new Set((gateway?.addresses ?? []).map(({ address }) => address));
  const missing = plan.gateways.filter((address) => !present.has(address));
  if (bridge?.isUp === true && missing.length === 0) return [];
  await prepareBridge(plan, conflictingAddresses);
  await applyBatch(plan.keep);
  writeSysctls(plan.sysctls);
  if (bridge === undefined) return [`The bridge "${plan.name}" was gone`];
  if (missing.length > 0) return [`"${plan.gatewayInterface}" had lost its address ${missing.join(' and ')}`];
  return [`The bridge "${plan.name}" was down`];
}

async function repairPort(record: AttachmentRecord): Promise<string[]> {
  const trouble = portTrouble(record);
  if (trouble === undefined) return [];
  await applyBatch(trouble.lines);
  if (trouble.vlans.length > 0) await applyBatch(trouble.vlans, { program: 'bridge' });
  return [trouble.what];
}

/** What is not as it should be with a port of a bridge, and the lines of `ip` and of `bridge` that mend it. */
export interface PortTrouble {
  /** One sentence without a period. */
  readonly what: string;
  readonly lines: readonly string[];
  readonly vlans: readonly string[];
}

/** Compares the port of an attachment with its record. Undefined when all is well, and when there is no bridge to be a port of. */
export function portTrouble(record: AttachmentRecord): PortTrouble | undefined {
  const port = portOf(record);
  const bridge = record.link?.bridge ?? record.egress?.ingressInterface;
  if (bridge === undefined || port === bridge || !existsSync(`/sys/class/net/${bridge}`)) return undefined;
  const conf = record.link === undefined ? undefined : confOf(record.link);
  const isIsolated =
    conf?.portIsolation === true ||
    record.walls?.policy === 'isolated' ||
    (record.egress !== undefined && isolatesPort(record.egress.policy));
  const lost = masterOf(port) !== bridge;
  const open = isIsolated && readFlag(port, 'isolated') === '0';
  const unturned = conf?.hairpinMode === true && readFlag(port, 'hairpin_mode') === '0';
  if (!lost && !open && !unturned) return undefined;
  const flags = [...(conf?.hairpinMode === true ? ['hairpin on'] : []), ...(isIsolated ? ['isolated on'] : [])];
  return {
    what: lost
      ? `"${port}" was no port of "${bridge}" any more`
      : open
        ? `"${port}" was no longer isolated from its siblings`
        : `Hairpin mode of "${port}" was off`,
    lines: [
      ...(lost ? [`link set dev ${port} master ${bridge}`] : []),
      ...(flags.length > 0 ? [`link set dev ${port} type bridge_slave ${flags.join(' ')}`] : []),
    ],
    vlans: lost && record.link !== undefined && conf !== undefined ? vlanLines(record.link, conf) : [],
  };
}

function vlanLines(link: LinkRecord, conf: LinkConf): readonly string[] {
  return planPair({ ...conf, ...link, netns: '/', ifname: 'eth0', addresses: [], routes: [], ipv6: hasIpv6() }).vlans;
}

function confOf({ conf, bridge }: LinkRecord): LinkConf {
  return parseLinkConf(new Fields(conf), { defaultBridge: bridge });
}

function portOf({ link, egress }: AttachmentRecord): string {
  return link?.hostInterface ?? egress?.port ?? egress?.ingressInterface ?? '';
}

function isLinked(record: AttachmentRecord): record is LinkedRecord {
  return record.link !== undefined;
}

function masterOf(port: string): string | undefined {
  try {
    return basename(readlinkSync(`/sys/class/net/${port}/master`));
  } catch {
    return undefined;
  }
}

function readFlag(port: string, name: string): string | undefined {
  try {
    return readFileSync(`/sys/class/net/${port}/brport/${name}`, 'utf8').trim();
  } catch {
    return undefined;
  }
}
