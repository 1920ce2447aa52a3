import { findPlugin } from '../../cni/delegate.ts';
import type { AttachmentRequest } from '../../cni/request.ts';
import type { Result } from '../../cni/result.ts';
import { chooseMtu } from '../../host/bridge.ts';
import { isBridgeNetfilterOn } from '../../host/bridge-netfilter.ts';
import { forgetUdpFlows } from '../../host/conntrack.ts';
import { plainNetnsPath } from '../../host/netns.ts';
import { configureContainer, createVeth, raiseVeth, updateBridge, type MadeLinks } from '../../host/veth.ts';
import { hasIpv6 } from '../../host/sysctl.ts';
import { phase } from '../../host/trace.ts';
import { whatCanBeStarted } from '../../host/run.ts';
import { familyOf } from '../../ip/family.ts';
import { addressOf } from '../../ip/prefix.ts';
import { completeAddresses, defaultRoutesAmong, type CompleteAddresses } from '../../links/addresses.ts';
import { isPlainWord } from '../../links/plain-word.ts';
import { gatewayInterfaceOf, planBridge, type BridgePlan } from '../../links/bridge.ts';
import { hasRoomForIpv6, requireMtuFor } from '../../links/conf.ts';
import { hardwareAddressOf } from '../../links/hardware-address.ts';
import { insteadOf, isTiedToMac, planVeth, type VethPlan } from '../../links/veth.ts';
import { familiesOf, servedBy } from '../../ports/mapping.ts';
import { holdAttachment, isSameAdd } from '../../records/attachment-lock.ts';
import { commit, finish } from '../../records/commit.ts';
import type { LinkRecord } from '../../records/record.ts';
import { readOwnRecord, readSoundRecord } from '../../records/store.ts';
import { reserveAddresses, type GivenAddresses } from './addresses.ts';
import { refuseStanding } from '../attachment.ts';
import { begunRecord, type LinkedRecord } from './begun-record.ts';
import { parseInterfaceConf, type InterfaceConf } from './conf.ts';
import type { InterfaceDefaults } from './defaults.ts';
import { isolatesPort } from '../../dataplane/elements/egress.ts';
import { disableIpv6, enforce } from '../egress-policy/enforce.ts';
import { namesElements } from '../../records/remembered-elements.ts';
import { egressRecord } from '../egress-policy/policy.ts';
import { awaitingPolicy } from '../../records/gated-interfaces.ts';
import { keepGated } from '../keep-gated.ts';
import { tellAgent } from '../egress-policy/tell-agent.ts';
import { openFirewalls } from '../../records/firewalls.ts';
import { preparePolicy, type PreparedPolicy } from './policy.ts';
import { removeAttachment } from '../../records/remove.ts';
import { toResult } from './result.ts';
import { leadToBridge, lookAndMake, type Newcomer } from './surroundings.ts';
import { warn } from '../../cni/warn.ts';
import { warnOfListeners, warnOfUnserved } from '../warnings.ts';
import { hostSideOf } from '../../records/sections/link.ts';

/**
 * Connects a container: a veth veth between its namespace and the bridge, addresses, routes, masquerading,
 * published ports, and its policy when the conf has one. After an error nothing of it is left.
 */
export async function add(request: AttachmentRequest, defaults: InterfaceDefaults): Promise<Result> {
  const conf = withHairpin(parseInterfaceConf(request, defaults));
  // Before there is anything that only this plugin could undo.
  if (conf.ipam.kind === 'delegated') findPlugin({ type: conf.ipam.type, path: request.path });
  const policy = await preparePolicy(request, conf);
  return holdAttachment(request.id, 'ADD', async () => connect(request, conf, policy));
}

/**
 * With br_netfilter, what a container sends to its own published port is translated while it is bridged, and has to
 * leave by the port that it came in by. A promiscuous bridge would then hand each packet on twice.
 */
function withHairpin(conf: InterfaceConf): InterfaceConf {
  const { link, ports } = conf;
  if (link.hairpinMode || link.promiscMode || ports.length === 0 || !isBridgeNetfilterOn()) return conf;
  return { ...conf, link: { ...link, hairpinMode: true } };
}

async function connect(
  request: AttachmentRequest,
  conf: InterfaceConf,
  policy: PreparedPolicy | undefined,
): Promise<Result> {
  const begun = await begin(request, conf);
  const warned = warnOfListeners(begun.link.ports);
  try {
    const early = speaksThroughInterface(conf.ipam) ? await makeEarly(begun, conf, policy) : undefined;
    const given = withoutMissingFamily(await phase('reserve addresses', () => reserveAddresses(request, conf.ipam)));
    const addresses = completeAddresses(given, conf.link);
    const newcomer = newcomerOf(begun, conf.link, addresses);
    const mac = conf.mac ?? early?.mac ?? macFor(begun, addresses);
    const plans = await planLinks(begun, conf, { addresses, mac, policy, announces: early !== undefined });
    const { served, unserved } = servedBy(conf.ports, familiesOf(newcomer.addresses));
    warnOfUnserved(unserved);
    const ready = readyRecord(begun, { addresses, mac, bridge: plans.bridge, policy, ports: served });
    const { contested, made } = await lookAndMake(newcomer, () =>
      phase('make links', () => makeLinks(plans, { isThere: early !== undefined })),
    );
    // Rules know links by their names and need not wait for them: the program that commits them runs meanwhile.
    const led = made.then(async () => leadToBridge(contested, { ...newcomer, gateways: addresses.gateways }));
    const inForce = phase('put rules in force', () => putInForce(ready, { policy, made: led }));
    const configured = made.then(() => configureContainer(plans.veth, insteadOf));
    // All have come to an end before anybody undoes anything.
    await Promise.allSettled([led, inForce, configured]);
    const { bridgeMac, warnings } = await made;
    warnings.forEach(warn);
    await Promise.all([led, inForce]);
    const metrics = await configured;
    if (policy?.chosen.policy.ipv6 === 'disable') await disableIpv6(begun.netns);
    // Nothing passes before the rules hold and what was under way to these addresses is forgotten, not even when we are
    // killed here.
    await phase('raise link', () => raiseVeth(plans.veth));
    await finish(ready);
    if (policy !== undefined) await tellAgent(policy.chosen.policy);
    await warned;
    return toResult(request, { conf, link: ready.link, addresses, metrics, bridgeMac, dns: given.dns });
  } catch (error) {
    await undo(request, begun, error);
    throw error;
  }
}

/** A kernel without IPv6 has no routes of it: "routes" of a conf may have been written for every host. */
function withoutMissingFamily(given: GivenAddresses): GivenAddresses {
  if (hasIpv6()) return given;
  return { ...given, routes: given.routes.filter(({ dst }) => familyOf(dst) === 4) };
}

function newcomerOf(
  { key }: LinkedRecord,
  link: InterfaceConf['link'],
  { ips, gateways }: CompleteAddresses,
): Newcomer {
  return {
    key,
    bridge: link.bridge,
    gatewayInterface: gatewayInterfaceOf(link.bridge, { vlan: link.vlan, gateways }),
    isGateway: link.isGateway,
    addresses: ips.map(({ address }) => address),
  };
}

async function makeLinks({ bridge, veth }: LinkPlans, { isThere }: { isThere: boolean }): Promise<MadeLinks> {
  await whatCanBeStarted();
  return isThere ? updateBridge(bridge) : createVeth(bridge, veth);
}

/** The one plugin that asks for an address by way of the interface that it is for: it has to be there before. */
function speaksThroughInterface(ipam: InterfaceConf['ipam']): boolean {
  return ipam.kind === 'delegated' && ipam.type === 'dhcp';
}

/** Makes the veth, without addresses; its MAC cannot be made of one. */
async function makeEarly(
  begun: LinkedRecord,
  conf: InterfaceConf,
  policy: PreparedPolicy | undefined,
): Promise<{ mac: string }> {
  const mac = begun.link.mac;
  const addresses = { ips: [], routes: [], kernelRoutes: [], gateways: [], onLink: [] };
  const plans = await planLinks(begun, conf, { addresses, mac, policy });
  await createVeth(plans.bridge, plans.veth);
  await raiseVeth({ ...plans.veth, isUp: false });
  return { mac };
}

interface LinkPlans {
  readonly bridge: BridgePlan;
  readonly veth: VethPlan;
}

/** Claims the attachment and its ports. What a killed ADD or a lost DEL left of it goes first. */
async function begin(request: AttachmentRequest, conf: InterfaceConf): Promise<LinkedRecord> {
  const record = begunRecord(request, conf);
  const previous = readOwnRecord(record.key);
  if (previous !== undefined) {
    refuseStanding(previous, record);
    await removeAttachment(previous, request);
  }
  await commit({ put: record }, { refuse: (found) => refuseStanding(found, record) });
  return record;
}

/**
 * An address comes with the same MAC whoever has it, so that nobody is left with that of an earlier owner. An
 * interface without addresses is told by its attachment.
 */
function macFor({ key, link }: LinkedRecord, { ips }: CompleteAddresses): string {
  const [first] = ips;
  return hardwareAddressOf(first === undefined ? key : `${link.bridge} ${addressOf(first.address)}`);
}

interface LinkSpec {
  readonly addresses: CompleteAddresses;
  readonly mac: string;
  readonly policy: PreparedPolicy | undefined;
  /** Tells the neighbours the MAC, because it does not follow from the address. */
  readonly announces?: boolean;
}

async function planLinks(
  { netns, ifname, link }: LinkedRecord,
  { link: conf, mac: askedMac }: InterfaceConf,
  { addresses: { ips, kernelRoutes, gateways, onLink }, mac, policy, announces = false }: LinkSpec,
): Promise<LinkPlans> {
  const mtu = conf.mtu === 0 ? await chooseMtu(conf.bridge) : conf.mtu;
  const addresses = ips.map(({ address }) => address);
  requireMtuFor(addresses, { mtu, bridge: conf.bridge });
  const common = {
    bridge: conf.bridge,
    mtu,
    vlan: conf.vlan,
    trunk: conf.trunk,
    preserveDefaultVlan: conf.preserveDefaultVlan,
  };
  return {
    bridge: planBridge({
      ...common,
      promiscMode: conf.promiscMode,
      groupForwardMask: conf.groupForwardMask,
      forceAddress: conf.forceAddress,
      gateways,
      onLink,
      routeLocalnet: true,
    }),
    veth: planVeth({
      ...common,
      hostInterface: link.hostInterface,
      netns,
      ...(isPlainWord(netns) ? {} : { netnsInBatch: plainNetnsPath(netns) }),
      ifname,
      mac,
      announces: announces || askedMac !== undefined,
      hairpinMode: conf.hairpinMode,
      portIsolation: conf.portIsolation || (policy !== undefined && isolatesPort(policy.chosen.policy)),
      learns: !isTiedToMac(link),
      enabledad: conf.enabledad,
      disableContainerInterface: conf.disableContainerInterface,
      addresses,
      routes: kernelRoutes,
      ipv6: hasIpv6() && hasRoomForIpv6(mtu),
    }),
  };
}

function readyRecord(
  begun: LinkedRecord,
  {
    addresses: { ips, routes },
    mac,
    bridge: { mtu, gatewayInterface: ingressInterface },
    policy,
    ports,
  }: LinkSpec & { bridge: BridgePlan; ports: LinkRecord['ports'] },
): LinkedRecord {
  const addresses = ips.map(({ address, gateway }) => (gateway === undefined ? { address } : { address, gateway }));
  const ready: LinkedRecord = {
    ...begun,
    state: 'ready',
    unfinished: true,
    link: {
      ...begun.link,
      ingressInterface,
      mac,
      mtu,
      addresses,
      ports,
      routes,
      defaultRoutes: defaultRoutesAmong(routes),
    },
  };
  if (policy === undefined) return ready;
  const enforced = {
    ...hostSideOf(ready.link),
    port: ready.link.hostInterface,
    mac,
    addresses: addresses.map(({ address }) => addressOf(address)),
    gateways: [...new Set(addresses.flatMap(({ gateway }) => gateway ?? []))],
  };
  return { ...ready, egress: egressRecord(enforced, policy.chosen) };
}

/** Rules of ours, then what foreign firewalls need to let the traffic reach them. */
async function putInForce(
  record: LinkedRecord,
  { policy, made }: { policy: PreparedPolicy | undefined; made: Promise<unknown> },
): Promise<void> {
  const flows = forgetUdpFlows(record.link.ports.filter(({ protocol }) => protocol === 'udp'));
  if (policy !== undefined && record.egress !== undefined) {
    const names = namesElements(record.egress, await policy.names);
    await enforce({ ...record, egress: record.egress }, names, { passing: 'nothing', made, replaces: record });
  } else {
    const inForce = commit({ put: record }, { replaces: record });
    const gated = awaitingPolicy(record).map(async (bridge) => keepGated(bridge, { made, inForce }));
    const opened = inForce.then(async ({ warnings }) => {
      warnings.forEach(warn);
      await openFirewalls(record.link.ingressInterface);
    });
    await Promise.allSettled([...gated, opened]);
    await Promise.all([...gated, opened]);
  }
  (await flows).forEach(warn);
}

async function undo(request: AttachmentRequest, begun: LinkedRecord, cause: unknown): Promise<void> {
  const found = readSoundRecord(begun.key);
  // What has these names now is of the ADD that came after us: it fails where what we made is in its way.
  const isOurs = found === undefined || isSameAdd(found, begun);
  const errors = isOurs ? await removeAttachment(found ?? begun, request) : [];
  for (const error of errors) warn(`Cannot undo the ADD that failed with "${String(cause)}": ${String(error)}`);
}
