import { CniError, codes } from '../../cni/errors.ts';
import { quote } from '../../cni/fields.ts';
import { applyCommands } from '../../host/apply.ts';
import { findLink, readInterface } from '../../host/interfaces.ts';
import { withLock } from '../../host/lock.ts';
import { countPorts, interfaceTowards, readHostAddresses } from '../../host/networks.ts';
import { familyOf } from '../../ip/family.ts';
import { addressOf } from '../../ip/prefix.ts';
import type { LinkCommand } from '../../links/command.ts';
import { phase } from '../../host/trace.ts';
import { findOverlaps, ownAddressAmong, type HostAddress, type Overlap } from '../../links/overlaps.ts';
import { bridgeUse } from '../../dataplane/elements/masquerade.ts';
import { routedUse } from '../../dataplane/elements/routed.ts';
import { groupOfNetwork } from '../../records/key.ts';
import { sharedByOthers } from '../../records/index-files.ts';
import { warn } from '../../cni/warn.ts';

/** Where an attachment is, or its siblings. */
export interface LinkPlace {
  /** "" of a routed container. */
  readonly bridge: string;
  /** The interface that holds the gateway's addresses. */
  readonly gatewayInterface: string;
  /** Under which the attachments there have it in common (records/index-files.ts). */
  readonly use: string;
}

/** `gatewayInterface` is the one that holds the gateway's addresses on a bridge. */
export function placeOf(
  { bridge, routed }: { readonly bridge: string; readonly routed: boolean },
  { network, gatewayInterface }: { readonly network: string; readonly gatewayInterface: string },
): LinkPlace {
  return { bridge, gatewayInterface, use: routed ? routedUse(groupOfNetwork(network)) : bridgeUse(gatewayInterface) };
}

/** An attachment that is about to be made, as far as the host's other networks matter to it. */
export interface Newcomer extends LinkPlace {
  readonly key: string;
  readonly isGateway: boolean;
  /** Of the container, with prefix length. */
  readonly addresses: readonly string[];
}

/**
 * Looks at the host's other networks before an attachment is made. Returns the networks that a stale interface is in
 * too: see {@link leadToBridge}. Networks that overlap are told of.
 *
 * Throws code 102 when the container was given an address of the host, and when another interface in use is in the very
 * same network: of two ways into it the kernel takes one, so that one of them is cut off, and a container would have
 * the flows of the other's.
 */
async function lookAround(newcomer: Newcomer): Promise<readonly string[]> {
  const { bridge, gatewayInterface, isGateway, addresses } = newcomer;
  const present = await readHostAddresses();
  const own = ownAddressAmong(addresses, present);
  if (own !== undefined) {
    throw new CniError(
      codes.conflict,
      `Cannot give the container the address ${quote(own.address)}: it is the host's, on ${quote(own.interface)}`,
      'Take it out of the range with "exclude", or take it away from the host',
    );
  }
  // Who only bridges shares the network of its bridge on purpose.
  if (!isGateway) return [];
  const overlaps = findOverlaps(addresses, present, [bridge, gatewayInterface]);
  const stale: string[] = [];
  for (const overlap of overlaps) {
    const isContested = overlap.isIdentical && (await isInUse(overlap.other.interface));
    if (isContested && !(await isHereFirst(newcomer))) throw alreadyThere(overlap, bridge);
    // The host's route to one address goes before that to a network.
    if (overlap.isIdentical && bridge !== '') stale.push(overlap.network);
    warn(describe(overlap, { bridge, isContested }));
  }
  return stale;
}

/**
 * Looks around and makes the links. Where the bridge is not in use yet nobody else does so meanwhile: of two first ADDs
 * on two bridges with one subnet the second sees the first. Returns when it has looked; `made` settles later, so that
 * rules are put in force beside it. Throws as {@link lookAround}, and code 11 when the lock is not to be had.
 */
export async function lookAndMake<T>(
  newcomer: Newcomer,
  make: () => Promise<T>,
): Promise<{ readonly contested: readonly string[]; readonly made: Promise<T> }> {
  const looked = Promise.withResolvers<readonly string[]>();
  const lookThenMake = async (): Promise<T> => {
    looked.resolve(await phase('look around', () => lookAround(newcomer)));
    return make();
  };
  const { bridge, isGateway, key } = newcomer;
  // A bridge without carrier has no container that runs.
  const isStanding = !isGateway || bridge === '' || findLink(bridge)?.operState === 'up';
  const made = isStanding ? lookThenMake() : withLock('networks', `ADD ${key} on ${bridge}`, lookThenMake);
  made.catch(looked.reject);
  return { contested: await looked.promise, made };
}

/**
 * Why ADD would refuse every subnet that it can choose from, for STATUS; undefined when it would not. `choices` holds
 * the subnets of each range set.
 */
export async function findContested(
  place: LinkPlace,
  choices: readonly (readonly string[])[],
): Promise<CniError | undefined> {
  const present = await readHostAddresses();
  const { bridge, gatewayInterface } = place;
  if (await isHereFirst({ ...place, key: '' })) return undefined;
  const own = [bridge, gatewayInterface];
  for (const subnets of choices) {
    const overlaps = await Promise.all(subnets.map(async (subnet) => firstContested(subnet, { own, present })));
    const [first] = overlaps;
    if (first !== undefined && overlaps.every((overlap) => overlap !== undefined)) return alreadyThere(first, bridge);
  }
  return undefined;
}

async function firstContested(
  subnet: string,
  { own, present }: { own: readonly string[]; present: readonly HostAddress[] },
): Promise<Overlap | undefined> {
  for (const overlap of findOverlaps([subnet], present, own))
    if (overlap.isIdentical && (await isInUse(overlap.other.interface))) return overlap;
  return undefined;
}

/**
 * Has the host send to networks by the bridge, where the route of another interface came first. Only routes through the
 * bridge are changed.
 */
export async function leadToBridge(
  networks: readonly string[],
  {
    gatewayInterface,
    addresses,
    gateways,
  }: Pick<Newcomer, 'gatewayInterface' | 'addresses'> & { gateways: readonly string[] },
): Promise<void> {
  for (const network of networks) {
    const family = familyOf(network);
    const [first = ''] = addresses.filter((address) => familyOf(address) === family);
    if ((await interfaceTowards(addressOf(first))) === gatewayInterface) continue;
    const [source = ''] = gateways.filter((gateway) => familyOf(gateway) === family);
    await applyCommands(planLead(network, { dev: gatewayInterface, source: addressOf(source) }));
  }
}

/**
 * Of routes of IPv4 with one metric the first counts; of IPv6 that with the lower metric, and the kernel's own is 256.
 */
function planLead(dst: string, { dev, source }: { dev: string; source: string }): LinkCommand[] {
  if (familyOf(dst) === 6) return [{ kind: 'replaceRoute', dst, dev, protocol: 'kernel', metric: 255 }];
  const route = { dst, dev, protocol: 'kernel', scope: scopeLink, source } as const;
  return [
    { kind: 'deleteRoute', ...route },
    { kind: 'prependRoute', ...route },
  ];
}

/** Scope "link" of a route (rtnetlink(7)). */
const scopeLink = 253;

/**
 * Whether containers of ours run on the bridge: they are not cut off from new ones by who came later. One that is just
 * being made has a record, and no port yet.
 */
async function isHereFirst({ key, bridge, use }: LinkPlace & { readonly key: string }): Promise<boolean> {
  return sharedByOthers(use, key) && (bridge === '' || (await countPorts(bridge)) > 0);
}

/** A bridge is in use when it has ports, another interface when it is up. */
async function isInUse(name: string): Promise<boolean> {
  const state = await readInterface(name);
  return state?.kind === 'bridge' ? (await countPorts(name)) > 0 : state?.isUp === true;
}

function alreadyThere({ network, other }: Overlap, bridge: string): CniError {
  return new CniError(
    codes.conflict,
    `Cannot use the subnet ${quote(network)} ${bridge === '' ? 'for routed containers' : `on ${quote(bridge)}`}: ${quote(other.interface)} is in it with ${quote(other.address)}`,
    `The host would send to one of the two only; choose another subnet in "ipam", or take the address away from ${quote(other.interface)}`,
  );
}

function describe(
  { network, other, isIdentical }: Overlap,
  { bridge, isContested }: { bridge: string; isContested: boolean },
): string {
  const where = `${quote(other.interface)} with ${quote(other.address)}`;
  const ours = bridge === '' ? 'routed containers' : quote(bridge);
  if (isContested) return `${where} is in the subnet ${quote(network)} of ${ours} too: one of them is cut off`;
  return isIdentical
    ? `${where} is in the subnet ${quote(network)} too and not in use; the host now sends by ${ours}`
    : `the subnet ${quote(network)} of ${ours} overlaps that of ${where}: addresses in both are reached by the narrower one alone`;
}
