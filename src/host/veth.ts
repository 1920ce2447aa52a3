import { setTimeout as sleep } from 'node:timers/promises';
import { CniError, codes } from '../cni/errors.ts';
import type { BridgePlan } from '../links/bridge.ts';
import type { LinkCommand } from '../links/command.ts';
import type { VethPlan } from '../links/veth.ts';
import type { RouteState } from '../links/state.ts';
import { findLink, readInterface } from './interfaces.ts';
import { readRoutes } from './routes.ts';
import { applyCommands } from './apply.ts';
import { LinkError, mostPorts } from './link-error.ts';
import { existsAlready, isLeftover } from './leftover-link.ts';
import { raiseHostEnd } from './raise-host-end.ts';
import { enableForwarding, hasIpv6, writeSysctls, writeSysctlsIn } from './sysctl.ts';
import { runDir } from './paths.ts';
import { addForwardedGroups, prepareBridge } from './bridge.ts';

/** What is known when links stand. */
export interface MadeLinks {
  /** Absent when there is no bridge. */
  readonly bridgeMac?: string;
  /** Sentences for a person about what does not work on the bridge. */
  readonly warnings: readonly string[];
}

/**
 * Makes the bridge if need be, and both ends of the veth; the container's end has no address yet, and both are down.
 *
 * A link of ours that a lost DEL left on the host is replaced. Throws code 102 and changes nothing of an existing
 * attachment when the interface exists in the container; after any other error nothing of the veth is left, unless
 * `ip` itself was killed.
 */
export async function createVeth(bridge: BridgePlan | undefined, veth: VethPlan, folder = runDir): Promise<MadeLinks> {
  if ((veth.usesIpv6 || bridge?.forwarding.includes(6) === true) && !hasIpv6()) {
    throw new CniError(
      codes.invalidConfig,
      `Cannot give "${veth.ifname}" an IPv6 address: the kernel of this host has no IPv6`,
      'Take the IPv6 ranges out of "ipam", or start the kernel without "ipv6.disable=1"',
    );
  }
  if (bridge === undefined) return { warnings: await createRouted(veth) };
  const { mac, warnings } = await prepareBridge(bridge, folder);
  enableForwarding(bridge.forwarding);
  await addForwardedGroups(bridge);
  await makeVeth(bridge, veth, { mayReplace: true });
  return { bridgeMac: mac, warnings };
}

/** Returns sentences for a person about what does not work. */
async function createRouted(veth: VethPlan): Promise<readonly string[]> {
  enableForwarding(veth.forwarding);
  await makeVeth(undefined, veth, { mayReplace: true });
  try {
    const warnings = writeSysctls(veth.hostSysctls);
    await applyCommands(veth.hostAddresses);
    return warnings;
  } catch (error) {
    await removeVeth(veth.hostInterface);
    throw error;
  }
}

/** Makes a bridge what the plan says, for a veth that is there already. */
export async function updateBridge(bridge: BridgePlan, folder = runDir): Promise<MadeLinks> {
  const { mac, warnings } = await prepareBridge(bridge, folder);
  enableForwarding(bridge.forwarding);
  await addForwardedGroups(bridge);
  await applyCommands(bridge.keep);
  return { bridgeMac: mac, warnings };
}

/**
 * What takes the place of a command for a route that is refused because there is one: `insteadOf` in
 * links/container-routes.ts.
 */
export type InsteadOf = (
  command: LinkCommand,
  present: readonly RouteState[],
) => readonly LinkCommand<'addRoute'>[] | undefined;

/**
 * Gives the container's end its addresses and routes and brings it up. Nothing passes before {@link raiseVeth}.
 *
 * Returns the metrics of default routes that stepped back behind those of other interfaces, by destination. After an
 * error the veth is gone.
 */
export async function configureContainer(veth: VethPlan, insteadOf?: InsteadOf): Promise<ReadonlyMap<string, number>> {
  try {
    const configured = applyContainerEnd(veth, insteadOf);
    const [, metrics] = await Promise.all([writeSysctlsIn(veth.netns, veth.sysctls), configured]);
    return metrics;
  } catch (error) {
    await removeVeth(veth.hostInterface);
    throw error;
  }
}

/**
 * Brings the host's end up; returns when the addresses can be used: duplicate address detection has passed where it was
 * asked for, and the bridge forwards. After an error the veth is gone.
 */
export async function raiseVeth(veth: VethPlan): Promise<void> {
  try {
    await raiseHostEnd(veth);
    if (veth.isUp) await waitForCarrier(veth);
    if (veth.awaitsDad.length > 0) await waitForDad(veth);
    await applyCommands(veth.announce, { netns: veth.netns });
  } catch (error) {
    await removeVeth(veth.hostInterface);
    throw error;
  }
}

/** {@link createVeth}, {@link configureContainer} and {@link raiseVeth} in one. */
export async function connect(bridge: BridgePlan, veth: VethPlan, folder = runDir): Promise<void> {
  await createVeth(bridge, veth, folder);
  await configureContainer(veth);
  await raiseVeth(veth);
}

/**
 * Removes both ends, by the name of the host's one: the container's namespace is not needed. Returns false when it was
 * gone.
 */
export async function removeVeth(hostInterface: string): Promise<boolean> {
  try {
    await applyCommands([{ kind: 'deleteLink', name: hostInterface }]);
    return true;
  } catch (error) {
    if (error instanceof LinkError && error.reason === 'missing') return false;
    throw error;
  }
}

/** Takes an end of a veth down: nothing passes any more, in either direction. Being gone is as good. */
export async function takeDown(hostInterface: string): Promise<void> {
  try {
    await applyCommands([{ kind: 'setLink', name: hostInterface, state: 'down' }]);
  } catch (error) {
    if (!(error instanceof LinkError && error.reason === 'missing')) throw error;
  }
}

async function makeVeth(
  bridge: BridgePlan | undefined,
  veth: VethPlan,
  { mayReplace }: { mayReplace: boolean },
): Promise<void> {
  const keep = bridge?.keep ?? [];
  const first = keep.length;
  let isMade = false;
  try {
    await applyCommands([...keep, ...veth.host]);
    isMade = true;
    await applyCommands(veth.vlans);
  } catch (error) {
    if (!(error instanceof LinkError)) throw error;
    if (isMade || (error.index ?? 0) > first) await removeVeth(veth.hostInterface);
    if (error.reason === 'full' && bridge !== undefined) throw isFull(bridge, error);
    if (isMade || error.reason !== 'exists' || error.index !== first) throw error;
    if (!mayReplace || !(await isLeftover(veth))) throw existsAlready(veth);
    await removeVeth(veth.hostInterface);
    await makeVeth(bridge, veth, { mayReplace: false });
  }
}

function isFull({ name }: BridgePlan, { details }: LinkError): CniError {
  return new CniError(
    codes.commandFailed,
    `Cannot connect the container to "${name}": the bridge has ${mostPorts} ports, and room for no more`,
    details,
  );
}

/** More default routes than a container has interfaces. */
const mostSteps = 64;

/**
 * Two failures can be mended: where IPv6 is off for an address it is turned on there, and on loopback; and a route that
 * is there already stays, or has a default route of ours step back behind it.
 */
async function applyContainerEnd(
  { netns, ifname, container }: VethPlan,
  insteadOf: InsteadOf = () => undefined,
): Promise<Map<string, number>> {
  const metrics = new Map<string, number>();
  let left = [...container];
  for (let step = 0; ; step += 1) {
    try {
      await applyCommands(left, { netns });
      return metrics;
    } catch (error) {
      if (!(error instanceof LinkError) || error.index === undefined || step === mostSteps) throw error;
      const [failed, ...rest] = left.slice(error.index);
      if (failed === undefined) throw error;
      const next = error.reason === 'exists' ? insteadOf(failed, await readRoutes(ifname, { netns })) : undefined;
      if (next === undefined && error.reason !== 'ipv6-disabled') throw error;
      if (next !== undefined) next.forEach(({ dst, metric = 0 }) => metrics.set(dst, metric));
      else
        await writeSysctlsIn(
          netns,
          ['lo', ifname].map((name) => ({ file: `ipv6/conf/${name}/disable_ipv6`, value: '0' })),
        );
      left = [...(next ?? [failed]), ...rest];
    }
  }
}

/** Longest wait in milliseconds for a carrier. The kernel needs less than one; a loaded machine more. */
const carrierDeadline = 3000;

/**
 * Returns when the container's end and the bridge send, and the bridge forwards what comes in by its port. Each loses
 * what it sends until the kernel has looked at its carrier, and it looks at that of a bridge some time after the first
 * port forwards. A bridge with spanning tree keeps a new port listening and learning for half a minute: that is its
 * owner's spec, and not waited for.
 */
async function waitForCarrier({ hostInterface: port, netns, ifname }: VethPlan): Promise<void> {
  const start = performance.now();
  for (let pause = 0.5; ; pause = Math.min(pause * 2, 20)) {
    const found = findLink(port);
    const { portState: state, master } = found ?? {};
    const isForwarding =
      master === undefined
        ? found?.operState === 'up'
        : state !== undefined && state !== 'disabled' && (state !== 'forwarding' || hasCarrier(master));
    const inside = await readInterface(ifname, { netns });
    // It was up: the container has taken it down, and there is nothing to wait for.
    if (inside?.isUp === false || (isForwarding && inside?.operState === 'up')) return;
    if (performance.now() - start > carrierDeadline) {
      const what = isForwarding
        ? `"${ifname}" in "${netns}" still has no carrier`
        : 'the bridge, or its port, has no carrier';
      throw new CniError(
        codes.commandFailed,
        `Cannot connect "${port}": ${what} after ${carrierDeadline} ms`,
        'The bridge or the container end of the veth is down; see "ip -d link show"',
      );
    }
    await sleep(pause);
  }
}

/**
 * The carrier of a bridge that somebody set up before it had a port was never off: its state stays "unknown", and it
 * sends.
 */
function hasCarrier(bridge: string): boolean {
  const { isUp = false, operState } = findLink(bridge) ?? {};
  return !isUp || operState === 'up' || operState === 'unknown';
}

/**
 * Detection takes up to a second of random delay and one second of listening for each address (RFC 4862, section 5.4).
 */
const dadDeadline = 10_000;
const dadPause = 25;

/** What else the container has given itself does not matter. */
async function waitForDad({ netns, ifname, awaitsDad }: VethPlan): Promise<void> {
  const start = performance.now();
  for (;;) {
    const present = (await readInterface(ifname, { netns }))?.addresses ?? [];
    const addresses = present.filter(({ address }) => awaitsDad.includes(address));
    const failed = addresses.find(({ dadfailed }) => dadfailed);
    if (failed !== undefined) {
      throw new CniError(
        codes.conflict,
        `Cannot use "${failed.address}" on "${ifname}": duplicate address detection found another interface that has it`,
        'Take the address out of the range, or find its owner on this bridge',
      );
    }
    const open = addresses.find(({ tentative }) => tentative);
    if (open === undefined) return;
    if (performance.now() - start > dadDeadline) {
      throw new CniError(
        codes.tryAgainLater,
        `Cannot use "${open.address}" on "${ifname}" yet: duplicate address detection has not ended after ${dadDeadline} ms`,
      );
    }
    await sleep(dadPause);
  }
}
