import { findPlugin } from '../../cni/delegate.ts';
import { CniError, codes } from '../../cni/errors.ts';
import type { AttachmentRequest } from '../../cni/request.ts';
import type { Result } from '../../cni/result.ts';
import { isBridgeNetfilterOn } from '../../host/bridge-netfilter.ts';
import { forgetUdpFlows } from '../../host/conntrack.ts';
import { configureContainer, createVeth, raiseVeth, updateBridge, type MadeLinks } from '../../host/veth.ts';
import { isLinkThere } from '../../host/interfaces.ts';
import { phase } from '../../host/trace.ts';
import { whatCanBeStarted } from '../../host/run.ts';
import { familiesOf } from '../../ip/family.ts';
import { addressOf } from '../../ip/prefix.ts';
import {
  completeAddresses,
  completeRoutedAddresses,
  defaultRoutesAmong,
  type CompleteAddresses,
} from '../../links/addresses.ts';
import { gatewayInterfaceOf } from '../../links/bridge.ts';
import type { HostTap } from '../../links/tap.ts';
import { hardwareAddressOf } from '../../links/hardware-address.ts';
import { insteadOf } from '../../links/container-routes.ts';
import { servedBy } from '../../ports/mapping.ts';
import { holdAttachment, isSameAdd } from '../../records/attachment-lock.ts';
import { commit, finish } from '../../records/commit.ts';
import type { LinkRecord } from '../../records/record.ts';
import { readOwnRecord, readSoundRecord } from '../../records/store.ts';
import { reserveAddresses, withoutMissingFamily, type GivenAddresses } from './addresses.ts';
import { isOnHost, refuseStanding } from '../attachment.ts';
import { begunRecord, type LinkedRecord } from './begun-record.ts';
import { parseInterfaceConf, type InterfaceConf } from './conf.ts';
import type { InterfaceDefaults } from './defaults.ts';
import { disableIpv6, enforce } from '../egress-policy/enforce.ts';
import { namesElements } from '../../records/remembered-elements.ts';
import { egressRecord } from '../egress-policy/policy.ts';
import { awaitingPolicy } from '../../records/gated-interfaces.ts';
import { keepGated } from '../keep-gated.ts';
import { awaitPolicies } from './await-policies.ts';
import { tellAgent } from '../egress-policy/tell-agent.ts';
import { openLoopback } from '../../records/loopback.ts';
import { openFirewalls } from '../../records/firewalls.ts';
import { planLinks, type LinkPlans, type LinkSpec } from './plan-links.ts';
import { preparePolicy, type PreparedPolicy } from './policy.ts';
import { removeAttachment } from '../../records/remove.ts';
import { toResult } from './result.ts';
import { leadToBridge, lookAndMake, placeOf, type Newcomer } from './surroundings.ts';
import { warn } from '../../cni/warn.ts';
import { warnOfListeners, warnOfUnserved } from '../warnings.ts';
import { hostSideOf } from '../../records/sections/link.ts';

/**
 * Connects a container: a veth between its namespace and the bridge, addresses, routes, masquerading, published
 * ports, and its policy when the conf has one. After an error nothing of it is left.
 */
export async function add(request: AttachmentRequest, defaults: InterfaceDefaults): Promise<Result> {
  const conf = withHairpin(parseInterfaceConf(request, defaults));
  if (conf.link.hostTap !== undefined) requireHost(request);
  // Before there is anything that only this plugin could undo.
  if (conf.ipam.kind === 'delegated') findPlugin({ type: conf.ipam.type, path: request.path });
  const policy = await preparePolicy(request, conf);
  return holdAttachment(request.id, 'ADD', async () => connect(request, conf, policy));
}

/** Throws code 8 for a tap on the host whose guest is said to be in a namespace. */
function requireHost(request: AttachmentRequest): void {
  if (isOnHost(request)) return;
  throw new CniError(
    codes.invalidNetns,
    `Cannot make a tap on the host for "${request.netns}": that is a namespace of its own`,
    'With "onHost" CNI_NETNS is the host\'s own namespace, "/proc/1/ns/net"; leave "onHost" out for a VMM inside the namespace',
  );
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
    const addresses = conf.link.routed
      ? completeRoutedAddresses(given, conf.link)
      : completeAddresses(given, conf.link);
    const newcomer = newcomerOf(begun, conf.link, { given, addresses });
    const mac = conf.mac ?? early?.mac ?? macFor(begun, addresses);
    const plans = await planLinks(begun, conf, { addresses, mac, policy, announces: early !== undefined });
    const { served, unserved } = servedBy(conf.ports, familiesOf(newcomer.addresses));
    warnOfUnserved(unserved);
    const ready = readyRecord(begun, {
      addresses,
      mac,
      plans,
      policy,
      ports: served,
      nameservers: (conf.link.tap ?? conf.link.hostTap) && (conf.link.dns ?? given.dns).nameservers,
    });
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
    // A guest's own kernel is nobody's to change.
    if (policy?.chosen.policy.ipv6 === 'disable' && begun.netns !== '') await disableIpv6(begun.netns);
    if (ready.pod !== undefined) await phase('await policies', () => awaitPolicies(ready.key, ready.pod));
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

function newcomerOf(
  { key, network }: LinkedRecord,
  link: InterfaceConf['link'],
  { given, addresses: { gateways } }: { readonly given: GivenAddresses; readonly addresses: CompleteAddresses },
): Newcomer {
  return {
    key,
    ...placeOf(link, {
      network,
      gatewayInterface: gatewayInterfaceOf(link.bridge, { vlan: link.vlan, gateways }),
    }),
    isGateway: link.isGateway,
    // With the length of their network, which the address of a routed container has no more.
    addresses: given.ips.map(({ address }) => address),
  };
}

async function makeLinks({ bridge, veth }: LinkPlans, { isThere }: { isThere: boolean }): Promise<MadeLinks> {
  await whatCanBeStarted();
  return isThere && bridge !== undefined ? updateBridge(bridge) : createVeth(bridge, veth);
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

/** Claims the attachment and its ports. What a killed ADD or a lost DEL left of it goes first. */
async function begin(request: AttachmentRequest, conf: InterfaceConf): Promise<LinkedRecord> {
  const record = begunRecord(request, conf);
  const previous = readOwnRecord(record.key);
  if (previous !== undefined) {
    refuseStanding(previous, record);
    await removeAttachment(previous, request);
  }
  refuseTakenTap(record, conf.link.hostTap);
  await commit({ put: record }, { refuse: (found) => refuseStanding(found, record) });
  return record;
}

/** Throws code 102 before there is a record that names an interface of somebody else. */
function refuseTakenTap({ link: { hostInterface } }: LinkedRecord, hostTap: HostTap | undefined): void {
  if (hostTap?.name === undefined || !isLinkThere(hostInterface)) return;
  throw new CniError(
    codes.conflict,
    `Cannot create the tap "${hostInterface}": the host has an interface of that name`,
    'Choose another name for the tap, or remove that interface: "drawbridge list" and "drawbridge clean" say whether it is ours',
  );
}

/**
 * An address comes with the same MAC whoever has it, so that nobody is left with that of an earlier owner. An
 * interface without addresses is told by its attachment.
 */
function macFor({ key, link }: LinkedRecord, { ips }: CompleteAddresses): string {
  const [first] = ips;
  return hardwareAddressOf(first === undefined ? key : `${link.bridge ?? 'routed'} ${addressOf(first.address)}`);
}

function readyRecord(
  begun: LinkedRecord,
  {
    addresses: { ips, routes },
    mac,
    plans: { mtu, bridge },
    policy,
    ports,
    nameservers = [],
  }: LinkSpec & { plans: LinkPlans; ports: LinkRecord['ports']; nameservers: readonly string[] | undefined },
): LinkedRecord {
  const addresses = ips.map(({ address, gateway }) => (gateway === undefined ? { address } : { address, gateway }));
  const ready: LinkedRecord = {
    ...begun,
    state: 'ready',
    unfinished: true,
    link: {
      ...begun.link,
      ingressInterface: bridge?.gatewayInterface ?? begun.link.ingressInterface,
      mac,
      mtu,
      addresses,
      ports,
      ...(nameservers.length === 0 ? {} : { nameservers }),
      routes,
      defaultRoutes: defaultRoutesAmong(routes),
    },
    ...(begun.pod === undefined
      ? {}
      : { pod: { ...begun.pod, addresses: addresses.map(({ address }) => addressOf(address)) } }),
  };
  if (policy === undefined) return ready;
  const enforced = {
    ...hostSideOf(ready.link),
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
  openLoopback(record);
  (await flows).forEach(warn);
}

async function undo(request: AttachmentRequest, begun: LinkedRecord, cause: unknown): Promise<void> {
  const found = readSoundRecord(begun.key);
  // What has these names now is of the ADD that came after us: it fails where what we made is in its way.
  const isOurs = found === undefined || isSameAdd(found, begun);
  const errors = isOurs ? await removeAttachment(found ?? begun, request) : [];
  for (const error of errors) warn(`Cannot undo the ADD that failed with "${String(cause)}": ${String(error)}`);
}
