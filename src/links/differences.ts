import type { ResultRoute } from '../cni/result.ts';
import { formatAddress, formatPrefix, readAddress, readPrefix } from '../ip/address.ts';
import { missingRedirections } from './tap.ts';
import type { AttachmentState, InterfaceState, LinkState, RouteState } from './state.ts';

/** What ADD made, by the final result: plugins after us may have changed MAC and MTU, and then say so there. */
export interface ExpectedLinks {
  readonly netns: string;
  readonly ifname: string;
  readonly hostInterface: string;
  /** "" of a routed container: then the gateway interface is the host's end. */
  readonly bridge: string;
  readonly gatewayInterface: string;
  /** Absent values are not compared. */
  readonly mac?: string;
  readonly mtu?: number;
  readonly hostMac?: string;
  readonly hostMtu?: number;
  readonly bridgeMac?: string;
  /** With prefix length. */
  readonly addresses: readonly string[];
  readonly routes: readonly ResultRoute[];
  readonly gateways: readonly string[];
  readonly hairpinMode: boolean;
  readonly portIsolation: boolean;
  readonly learns: boolean;
  readonly promiscMode: boolean;
  /** Bits that the bridge is to have; those of another network of the same bridge may be beside them. */
  readonly groupForwardMask: number;
  readonly disableContainerInterface: boolean;
  /** Name of a tap beside the container's end, whose addresses and routes are a guest's. */
  readonly tap?: string;
  /** There is no end in a namespace: a tap on the host is in the place of the veth. */
  readonly isOnHost?: boolean;
}

/**
 * Compares an attachment with what ADD made of it. Returns a sentence for each difference, naming what is
 * expected and what is found; none when all is as it was.
 *
 * What others added is no difference: further addresses and routes belong to later plugins of the chain. A
 * default route counts as there when its family has any, as with the reference: routers are often replaced.
 */
export function findDifferences(expected: ExpectedLinks, found: AttachmentState): string[] {
  const place = expected.bridge === '' ? onVeth(expected, found) : onBridge(expected, found);
  const inside = expected.isOnHost === true ? [] : inContainer(expected, found);
  return [...inside, ...onHost(expected, found), ...place];
}

function inContainer(expected: ExpectedLinks, { container, routes, tap, redirections }: AttachmentState): string[] {
  const name = `"${expected.ifname}" in "${expected.netns}"`;
  if (container === undefined) return [`The interface ${name} is missing`];
  return [
    ...differs(`The MAC address of ${name}`, expected.mac?.toLowerCase(), container.mac),
    ...differs(`The MTU of ${name}`, expected.mtu, container.mtu),
    ...differs(
      `The state of ${name}`,
      expected.disableContainerInterface ? undefined : 'up',
      container.isUp ? 'up' : 'down',
    ),
    ...(expected.tap === undefined
      ? whatKernelHas(expected, { name, container, routes })
      : missingTap(expected, { tap, redirections })),
  ];
}

function whatKernelHas(
  expected: ExpectedLinks,
  { name, container, routes }: { name: string; container: InterfaceState; routes: readonly RouteState[] },
): string[] {
  return [
    ...missingAddresses(name, expected.addresses, container),
    ...expected.routes
      .filter((route) => !routes.some((present) => isSameRoute(route, present)))
      .map((route) => `The route ${describe(route)} is missing from ${name}`),
  ];
}

function missingTap(
  { tap = '', ifname, netns }: ExpectedLinks,
  { tap: found, redirections }: Pick<AttachmentState, 'tap' | 'redirections'>,
): string[] {
  if (found === undefined) return [`The tap "${tap}" in "${netns}" is missing`];
  if (!found.isUp) return [`The tap "${tap}" in "${netns}" is down`];
  return redirections === undefined ? [] : missingRedirections({ tap, ifname }, redirections);
}

function onHost(expected: ExpectedLinks, { host }: AttachmentState): string[] {
  const name = `"${expected.hostInterface}"`;
  if (host === undefined) return [`The host interface ${name} is missing`];
  const ofAny = [
    ...differs(`The bridge of ${name}`, expected.bridge === '' ? 'none' : expected.bridge, host.master ?? 'none'),
    ...differs(`The MAC address of ${name}`, expected.hostMac?.toLowerCase(), host.mac),
    ...differs(`The MTU of ${name}`, expected.hostMtu, host.mtu),
    ...differs(`The state of ${name}`, 'up', host.isUp ? 'up' : 'down'),
  ];
  if (expected.bridge === '') return ofAny;
  return [
    ...ofAny,
    ...differs(`Hairpin mode of ${name}`, onOff(expected.hairpinMode), onOff(host.hairpin)),
    ...differs(`Isolation of ${name}`, onOff(expected.portIsolation), onOff(host.isolated)),
    ...differs(`Learning of ${name}`, expected.learns ? undefined : 'off', onOff(host.learns)),
  ];
}

/** The gateways of a routed container, and the ways of the host to it. */
function onVeth(expected: ExpectedLinks, { host, hostRoutes = [] }: AttachmentState): string[] {
  if (host === undefined) return [];
  const name = `"${expected.hostInterface}"`;
  const present = new Set(hostRoutes.map(({ dst }) => canonicalNetwork(dst)));
  return [
    ...missingAddresses(name, expected.gateways, host),
    ...expected.addresses
      .filter((address) => !present.has(canonicalNetwork(address)))
      .map((address) => `The host's route to ${address} through ${name} is missing`),
  ];
}

function onBridge(expected: ExpectedLinks, { bridge, gateway }: AttachmentState): string[] {
  const name = `"${expected.bridge}"`;
  if (bridge === undefined) return [`The bridge ${name} is missing`];
  return [
    ...differs(`The kind of ${name}`, 'bridge', bridge.kind),
    ...differs(`The MAC address of ${name}`, expected.bridgeMac?.toLowerCase(), bridge.mac),
    ...differs(`The state of ${name}`, 'up', bridge.isUp ? 'up' : 'down'),
    ...differs(`Promiscuous mode of ${name}`, expected.promiscMode ? 'on' : undefined, onOff(bridge.isPromiscuous)),
    ...(lacksGroups(bridge, expected.groupForwardMask)
      ? [
          `The "group_fwd_mask" of ${name} is ${bridge.groupForwardMask ?? 0}, expected the bits of ${expected.groupForwardMask}`,
        ]
      : []),
    ...(gateway === undefined
      ? [`The gateway interface "${expected.gatewayInterface}" is missing`]
      : missingAddresses(`"${expected.gatewayInterface}"`, expected.gateways, gateway)),
  ];
}

/** Whether a bridge does not forward a link-local group that it is asked to. */
export function lacksGroups({ groupForwardMask = 0 }: LinkState, mask: number): boolean {
  return (groupForwardMask & mask) !== mask;
}

function differs(what: string, expected: string | number | undefined, found: string | number): string[] {
  return expected === undefined || expected === found ? [] : [`${what} is ${found}, expected ${expected}`];
}

function onOff(flag: boolean): string {
  return flag ? 'on' : 'off';
}

function missingAddresses(name: string, expected: readonly string[], { addresses }: InterfaceState): string[] {
  const present = new Set(addresses.map(({ address }) => canonicalInterfaceAddress(address)));
  return expected
    .filter((address) => !present.has(canonicalInterfaceAddress(address)))
    .map((address) => `The address ${address} is missing from ${name}`);
}

/** Number of the table that routes are in when none is named (rtnetlink(7)). */
const mainTable = 254;

function isSameRoute(route: ResultRoute, present: RouteState): boolean {
  const dst = canonicalNetwork(route.dst);
  if (dst !== canonicalNetwork(present.dst)) return false;
  if (present.table !== (route.table || mainTable)) return false;
  if (dst === '0.0.0.0/0' || dst === '::/0') return true;
  const wanted = [
    [
      route.gw === undefined ? undefined : canonicalAddress(route.gw),
      present.gw === undefined ? undefined : canonicalAddress(present.gw),
    ],
    [route.priority || undefined, present.priority],
    [route.mtu || undefined, present.mtu],
    [route.advmss || undefined, present.advmss],
  ];
  return wanted.every(([want, have]) => want === undefined || want === have);
}

function describe({ dst, gw, table }: ResultRoute): string {
  return `${dst}${gw === undefined ? '' : ` via ${gw}`}${table === undefined ? '' : ` in table ${table}`}`;
}

/** The result of another plugin may write an address in another form than the kernel does. */
function canonicalInterfaceAddress(text: string): string {
  const prefix = readPrefix(text);
  return prefix === undefined
    ? text
    : `${formatAddress({ family: prefix.family, value: prefix.address })}/${prefix.length}`;
}

function canonicalNetwork(text: string): string {
  const prefix = readPrefix(text);
  return prefix === undefined ? text : formatPrefix(prefix);
}

function canonicalAddress(text: string): string {
  const address = readAddress(text);
  return address === undefined ? text : formatAddress(address);
}
