/** Wishes and plans that the tests of links share, and calls of src/host/ inside a private host. */
import { completeAddresses } from '../../src/links/addresses.ts';
import { planBridge, type BridgePlan, type BridgeSpec } from '../../src/links/bridge.ts';
import type { ExpectedLinks } from '../../src/links/differences.ts';
import { planVeth, type VethPlan, type VethSpec } from '../../src/links/veth.ts';
import type { Host } from '../helpers/host.ts';
import type { Call, Outcome } from './driver.ts';

export const ipv4 = ['10.88.0.2/16'];
export const ipv6 = ['fd00:88::2/64'];
export const dual = [...ipv4, ...ipv6];

export const bridgeSpec: BridgeSpec = {
  bridge: 'drawbridge0',
  mtu: 1500,
  promiscMode: false,
  forceAddress: false,
  gateways: [],
  vlan: 0,
  trunk: [],
  preserveDefaultVlan: false,
};

export const vethSpec: VethSpec = {
  bridge: 'drawbridge0',
  hostInterface: 'veth0123456789a',
  netns: '/run/netns/c1',
  ifname: 'eth0',
  mac: '02:00:5e:00:53:02',
  mtu: 1500,
  hairpinMode: false,
  portIsolation: false,
  enabledad: false,
  disableContainerInterface: false,
  addresses: [],
  routes: [],
  ipv6: true,
  vlan: 0,
  trunk: [],
  preserveDefaultVlan: false,
};

export interface Attachment {
  readonly bridge: BridgePlan;
  readonly pair: VethPlan;
  readonly expected: ExpectedLinks;
}

/** Plans for a container with the given addresses, behind a bridge that is its default gateway. */
export function attach(addresses: readonly string[], changes: Partial<BridgeSpec & VethSpec> = {}): Attachment {
  const complete = completeAddresses(
    { ips: addresses.map((address) => ({ address })), routes: [] },
    { isGateway: true, isDefaultGateway: true },
  );
  const bridgeSide = { ...bridgeSpec, gateways: complete.gateways, ...changes };
  const pairSide = { ...vethSpec, addresses, routes: complete.kernelRoutes, ...changes };
  const bridge = planBridge(bridgeSide);
  const { hairpinMode, portIsolation, disableContainerInterface, mac, mtu, netns, ifname, hostInterface } = pairSide;
  const expected = {
    netns,
    ifname,
    hostInterface,
    bridge: bridgeSide.bridge,
    gatewayInterface: bridge.gatewayInterface,
    mac,
    mtu,
    addresses,
    routes: complete.routes,
    gateways: complete.gateways,
    hairpinMode,
    portIsolation,
    learns: pairSide.learns ?? true,
    promiscMode: bridgeSide.promiscMode,
    groupForwardMask: bridgeSide.groupForwardMask ?? 0,
    disableContainerInterface,
  };
  return { bridge, pair: planVeth(pairSide), expected };
}

/** A further attachment: another namespace, host interface, MAC and addresses. */
export function numbered(
  n: number,
  netns: string,
  addresses: readonly string[],
  changes: Partial<BridgeSpec & VethSpec> = {},
): Attachment {
  return attach(addresses, {
    netns,
    hostInterface: `vethtest${n}`,
    mac: `02:00:5e:00:53:${n.toString(16).padStart(2, '0')}`,
    ...changes,
  });
}

/** Calls functions of src/host/ one after the other in one process inside the host. */
export async function call(host: Host, ...steps: [Call, ...unknown[]][]): Promise<Outcome[]> {
  const stdout = await host.run([process.execPath, `${import.meta.dirname}/driver.ts`], {
    input: JSON.stringify({ steps }),
    timeout: 60_000,
  });
  return JSON.parse(stdout) as Outcome[];
}

/** As {@link call}, for steps that shall all succeed: returns their values. */
export async function succeed(host: Host, ...steps: [Call, ...unknown[]][]): Promise<unknown[]> {
  const outcomes = await call(host, ...steps);
  for (const { error } of outcomes)
    if (error !== undefined) throw new Error(`${error.message} (code ${error.code}) ${error.details ?? ''}`);
  return outcomes.map(({ value }) => value);
}

/** As {@link call}, for one step that shall fail: returns the error. */
export async function fail(host: Host, ...step: [Call, ...unknown[]]): Promise<NonNullable<Outcome['error']>> {
  const [outcome] = await call(host, step);
  if (outcome?.error === undefined) throw new Error(`${step[0]}() succeeded`);
  return outcome.error;
}
