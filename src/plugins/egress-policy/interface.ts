import { CniError, codes } from '../../cni/errors.ts';
import type { AttachmentRequest } from '../../cni/request.ts';
import type { Result } from '../../cni/result.ts';
import { bridgeGateways } from '../../host/bridge-ports.ts';
import { listLinks, readInterface } from '../../host/interfaces.ts';
import { idOfNamespace } from '../../host/namespace-id.ts';
import { addressOf } from '../../ip/prefix.ts';
import type { LinkState } from '../../links/state.ts';
import type { LinkRecord, VlanGateway } from '../../records/record.ts';
import { hostSideOf, settingsOf } from '../../records/sections/link.ts';

/** The plugin that looks for the interface, in the words of its error texts. */
export interface Seeker {
  readonly name: string;
  /** What it does with an interface: "Cannot police". */
  readonly verb: string;
  /** What is tied to the addresses: "A policy". */
  readonly subject: string;
}

const policySeeker: Seeker = { name: 'egress-policy', verb: 'police', subject: 'A policy' };

/** The container's interface as the host sees it: what a policy is tied to. */
export interface EnforcedInterface {
  /** Through which the container's packets enter the host: the bridge, a gateway in its VLAN, or a lone veth (ptp). */
  readonly ingressInterface: string;
  readonly vlanGateway?: VlanGateway;
  /** The container's port on that bridge; absent when there is no bridge. */
  readonly port?: string;
  readonly mac: string;
  /** Without prefix length, each once. */
  readonly addresses: readonly string[];
  readonly gateways: readonly string[];
}

/**
 * Finds the interface that the chain before us made. `link` is what our own interface plugin made, if it did.
 *
 * The interface is told by its namespace and name: a chain may have added taps, ifbs and the pseudo interface of
 * a VM, whose addresses are those of the container once more.
 *
 * Throws code 7 when prevResult has no such interface or no address of it.
 */
export async function findInterface(
  request: AttachmentRequest,
  link: LinkRecord | undefined,
  seeker = policySeeker,
): Promise<EnforcedInterface> {
  const { verb, subject } = seeker;
  const { id } = request;
  const prevResult = requireResult(request, seeker);
  const { place, mac } = containerInterface(prevResult, placeInResult(request, link), seeker);
  const ips = prevResult.ips.filter((ip) => ip.interface === undefined || ip.interface === place);
  const addresses = unique(ips.map(({ address }) => addressOf(address)));
  if (addresses.length === 0) {
    throw new CniError(
      codes.invalidConfig,
      `Cannot ${verb} "${id.ifname}": "prevResult" gives it no address`,
      `${subject} is tied to addresses: give the interface plugin an "ipam"`,
    );
  }
  const gateways = unique(ips.flatMap(({ gateway }) => gateway ?? []));
  if (link !== undefined) {
    return { ...hostSideOf(link), mac: mac ?? link.mac, addresses, gateways };
  }
  return { ...(await findHostEnd(request, prevResult, seeker)), addresses, gateways };
}

/**
 * Finds the host's end of the veth that the chain before us made; it needs no address. Throws code 7 when prevResult
 * has no such interface.
 */
export async function findHostInterface(
  request: AttachmentRequest,
  link: LinkRecord | undefined,
  seeker: Seeker,
): Promise<{ readonly hostInterface: string; readonly ingressInterface: string }> {
  const prevResult = requireResult(request, seeker);
  containerInterface(prevResult, placeInResult(request, link), seeker);
  if (link !== undefined) return { hostInterface: link.hostInterface, ingressInterface: link.ingressInterface };
  const { port, ingressInterface } = await findHostEnd(request, prevResult, seeker);
  return { hostInterface: port ?? ingressInterface, ingressInterface };
}

function requireResult({ prevResult }: AttachmentRequest, { name: plugin, verb }: Seeker): Result {
  if (prevResult !== undefined) return prevResult;
  throw new CniError(
    codes.invalidConfig,
    `Cannot ${verb} an interface: there is no "prevResult"`,
    `"${plugin}" is chained: put it after the plugin that makes the interface`,
  );
}

/** How a result names the interface: that of a guest behind a tap on the host is told by the container's id. */
function placeInResult(
  { netns, id }: AttachmentRequest,
  link: LinkRecord | undefined,
): { sandbox: string; ifname: string } {
  const isOnHost = link !== undefined && settingsOf(link).hostTap !== undefined;
  return isOnHost ? { sandbox: id.containerId, ifname: link.hostInterface } : { sandbox: netns, ifname: id.ifname };
}

function containerInterface(
  { interfaces }: Result,
  { sandbox: netns, ifname }: { readonly sandbox: string; readonly ifname: string },
  { name: plugin, verb }: Seeker,
): { place: number; mac?: string } {
  // Results before 0.3.0 have no interfaces: then there is one container interface, and it is ours.
  if (interfaces.length === 0) return { place: 0 };
  const place = interfaces.findIndex(({ name, sandbox }) => name === ifname && sandbox === netns);
  const found = interfaces[place];
  if (found !== undefined) return { place, ...(found.mac === undefined ? {} : { mac: found.mac }) };
  const names = interfaces.map(({ name, sandbox }) => `"${name}" in "${sandbox ?? ''}"`).join(', ');
  throw new CniError(
    codes.invalidConfig,
    `Cannot ${verb} "${ifname}" in "${netns}": "prevResult" does not have it`,
    `It has ${names}; put "${plugin}" after the plugin that makes "${ifname}"`,
  );
}

/**
 * Reads which interface of the host is the other end, and whether it is a port of a bridge: results only hint at it.
 *
 * Indexes count in each namespace anew, and a container may have namespaces of its own: an interface that no result
 * names is believed only if the host's side says that its other end is in this very namespace.
 */
async function findHostEnd(
  { netns, id }: AttachmentRequest,
  { interfaces, ips }: Result,
  { verb }: Seeker,
): Promise<Pick<EnforcedInterface, 'ingressInterface' | 'vlanGateway' | 'port' | 'mac'>> {
  const inside = await readInterface(id.ifname, { netns });
  if (inside === undefined || !isPairEnd(inside) || inside.otherEnd === undefined) {
    throw new CniError(
      codes.invalidConfig,
      `Cannot ${verb} "${id.ifname}" in "${netns}": it is not one end of a veth pair`,
      'Interfaces without an end on the host (macvlan, ipvlan, host-device) do not pass its firewall',
    );
  }
  const hinted = interfaces.filter(({ sandbox }) => sandbox === undefined || sandbox === '').map(({ name }) => name);
  const candidates = listLinks().filter(
    (link) => isPairEnd(link) && link.index === inside.otherEnd && link.otherEnd === inside.index,
  );
  const outside =
    candidates.find(({ name }) => hinted.includes(name)) ?? candidates.find(({ netnsId }) => isIdOf(netnsId, netns));
  if (outside === undefined) {
    throw new CniError(
      codes.invalidConfig,
      `Cannot ${verb} "${id.ifname}" in "${netns}": its other end is not on this host`,
      `No interface has index ${inside.otherEnd} and "${id.ifname}" as its other end`,
    );
  }
  return outside.master === undefined
    ? { ingressInterface: outside.name, mac: inside.mac }
    : { ...(await hostSideBy(outside.master, ips)), port: outside.name, mac: inside.mac };
}

/** A bridge plugin that puts containers in a VLAN gives its gateway's address to the far end of a pair. */
async function hostSideBy(
  bridge: string,
  ips: Result['ips'],
): Promise<Pick<EnforcedInterface, 'ingressInterface' | 'vlanGateway'>> {
  const wanted = new Set(ips.map(({ gateway }) => gateway));
  for (const { name, port } of bridgeGateways().filter((one) => one.bridge === bridge)) {
    const found = await readInterface(name);
    if (found?.addresses.some(({ address }) => wanted.has(addressOf(address))) === true)
      return { ingressInterface: name, vlanGateway: { bridge, port } };
  }
  return { ingressInterface: bridge };
}

/** The kernel calls the lower device of a macvlan or a VLAN "link" too: that may well be the uplink of the host. */
function isPairEnd({ kind }: LinkState): boolean {
  return kind === 'veth' || kind === 'netkit';
}

function isIdOf(netnsId: number | undefined, netns: string): boolean {
  return netnsId !== undefined && netnsId === idOfNamespace(netns);
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}
