import type { AttachmentRequest } from '../../cni/request.ts';
import type { Result, ResultDns } from '../../cni/result.ts';
import { chooseMtu } from '../../host/bridge.ts';
import { forgetUdpFlows } from '../../host/conntrack.ts';
import { configureContainer, createPair } from '../../host/pair.ts';
import { hasIpv6 } from '../../host/sysctl.ts';
import { completeAddresses, conflictingAddresses, type CompleteAddresses } from '../../links/addresses.ts';
import { planBridge, type BridgePlan } from '../../links/bridge.ts';
import { hardwareAddressOf } from '../../links/hardware-address.ts';
import { planPair, type PairPlan } from '../../links/pair.ts';
import { commit } from '../../records/commit.ts';
import { hostInterfaceOf } from '../../records/key.ts';
import type { AttachmentRecord, LinkRecord } from '../../records/record.ts';
import { readSoundRecord } from '../../records/store.ts';
import { reserveAddresses } from './addresses.ts';
import { beginRecord, refuseStanding } from './attachment.ts';
import { parseInterfaceConf, type InterfaceConf, type InterfaceDefaults } from './conf.ts';
import { openFirewalls } from './firewalls.ts';
import { removeAttachment } from './remove.ts';
import { warn, warnOfListeners } from './warnings.ts';

/**
 * Connects a container: a veth pair between its namespace and the bridge, addresses, routes, masquerading
 * and published ports. After an error nothing of it is left.
 */
export async function add(request: AttachmentRequest, defaults: InterfaceDefaults): Promise<Result> {
  const conf = parseInterfaceConf(request, defaults);
  const begun = await begin(request, conf);
  try {
    const given = await reserveAddresses(request, conf.ipam);
    const addresses = completeAddresses(given, conf.link);
    const plans = await planLinks(begun, conf, addresses);
    await createPair(plans.bridge, plans.pair, conflictingAddresses);
    await Promise.all([configureContainer(plans.pair), putInForce(readyRecord(begun, addresses, plans))]);
    return toResult(request, { conf, begun, addresses, plans, dns: given.dns });
  } catch (error) {
    await undo(request, begun, error);
    throw error;
  }
}

/** A record that has its link. */
type LinkedRecord = AttachmentRecord & { readonly link: LinkRecord };

interface LinkPlans {
  readonly bridge: BridgePlan;
  readonly pair: PairPlan;
}

/** Claims the attachment and its ports. What a killed ADD or a lost DEL left of it goes first. */
async function begin(request: AttachmentRequest, conf: InterfaceConf): Promise<LinkedRecord> {
  const base = beginRecord(request);
  const record: LinkedRecord = {
    ...base,
    link: {
      bridge: conf.link.bridge,
      hostInterface: hostInterfaceOf(base.key),
      mac: conf.mac ?? hardwareAddressOf(base.key),
      mtu: 0,
      addresses: [],
      masquerade: conf.ipMasq,
      macspoofchk: conf.link.macspoofchk,
      ports: conf.ports,
      snat: conf.snat,
      ipam: conf.ipam.kind === 'host-local' ? { type: 'host-local', dataDir: conf.ipam.conf.dataDir } : { type: conf.ipam.kind === 'delegated' ? conf.ipam.type : '' },
      conf: withoutPrevResult(request.config.raw),
    },
  };
  const previous = readSoundRecord(record.key);
  if (previous !== undefined) {
    refuseStanding(previous, record);
    await removeAttachment(request, previous);
  }
  await commit({ put: record }, { refuse: (found) => refuseStanding(found, record) });
  warnOfListeners(conf.ports);
  return record;
}

function withoutPrevResult(raw: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(raw).filter(([key]) => key.toLowerCase() !== 'prevresult'));
}

async function planLinks({ netns, ifname, link }: LinkedRecord, { link: conf }: InterfaceConf, { ips, kernelRoutes, gateways }: CompleteAddresses): Promise<LinkPlans> {
  const mtu = conf.mtu === 0 ? await chooseMtu(conf.bridge) : conf.mtu;
  const common = { bridge: conf.bridge, mtu, vlan: conf.vlan, trunk: conf.trunk, preserveDefaultVlan: conf.preserveDefaultVlan };
  return {
    bridge: planBridge({ ...common, promiscMode: conf.promiscMode, forceAddress: conf.forceAddress, gateways, routeLocalnet: true }),
    pair: planPair({
      ...common,
      hostInterface: link.hostInterface,
      netns,
      ifname,
      mac: link.mac,
      hairpinMode: conf.hairpinMode,
      portIsolation: conf.portIsolation,
      enabledad: conf.enabledad,
      disableContainerInterface: conf.disableContainerInterface,
      addresses: ips.map(({ address }) => address),
      routes: kernelRoutes,
      ipv6: hasIpv6(),
    }),
  };
}

function readyRecord(begun: LinkedRecord, { ips }: CompleteAddresses, { bridge }: LinkPlans): LinkedRecord {
  const addresses = ips.map(({ address, gateway }) => (gateway === undefined ? { address } : { address, gateway }));
  return { ...begun, state: 'ready', link: { ...begun.link, mtu: bridge.mtu, addresses } };
}

/** Rules of ours, then what foreign firewalls need to let the traffic reach them. */
async function putInForce(record: LinkedRecord): Promise<void> {
  const { warnings } = await commit({ put: record });
  const further = await Promise.all([openFirewalls(record.link.bridge), forgetUdpFlows(record.link.ports.filter(({ protocol }) => protocol === 'udp'))]);
  [...warnings, ...further.flat()].forEach(warn);
}

async function undo(request: AttachmentRequest, begun: LinkedRecord, cause: unknown): Promise<void> {
  const errors = await removeAttachment(request, readSoundRecord(begun.key) ?? begun);
  for (const error of errors) warn(`Cannot undo the ADD that failed with "${String(cause)}": ${String(error)}`);
}

interface Made {
  readonly conf: InterfaceConf;
  readonly begun: LinkedRecord;
  readonly addresses: CompleteAddresses;
  readonly plans: LinkPlans;
  readonly dns: ResultDns;
}

/** What an earlier plugin made stays in the result, before ours: Nomad calls loopback first. */
function toResult(request: AttachmentRequest, { conf, begun, addresses, plans, dns }: Made): Result {
  const earlier = request.prevResult;
  const { bridge, pair } = plans;
  const ours = [
    { name: bridge.name, mac: hardwareAddressOf(bridge.name), mtu: bridge.mtu },
    { name: pair.hostInterface, mac: hardwareAddressOf(pair.hostInterface), mtu: bridge.mtu },
    { name: pair.ifname, mac: begun.link.mac, mtu: bridge.mtu, sandbox: request.netns },
  ];
  const place = (earlier?.interfaces.length ?? 0) + 2;
  return {
    interfaces: [...(earlier?.interfaces ?? []), ...ours],
    ips: [...(earlier?.ips ?? []), ...addresses.ips.map((ip) => ({ ...ip, interface: place }))],
    routes: [...(earlier?.routes ?? []), ...addresses.routes],
    dns: conf.link.dns ?? dns,
  };
}
