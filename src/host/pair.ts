import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { CniError, codes } from '../cni/errors.ts';
import type { BridgePlan } from '../links/bridge.ts';
import type { PairPlan } from '../links/pair.ts';
import { readInterface } from './interfaces.ts';
import { applyBatch, BatchError } from './ip.ts';
import { enableForwarding, hasIpv6, writeSysctlsIn } from './sysctl.ts';
import { runDir } from './paths.ts';
import { prepareBridge, type FindConflicts } from './bridge.ts';

/**
 * Makes the bridge if need be, and both ends of the pair; the container's end has no address yet and is down.
 *
 * Returns the MAC of the bridge. A link of ours that a lost DEL left on the host is replaced. Throws code 102 and changes nothing of an existing
 * attachment when the interface exists in the container; after any other error nothing of the pair is left, unless
 * `ip` itself was killed.
 */
export async function createPair(
  bridge: BridgePlan,
  pair: PairPlan,
  findConflicts: FindConflicts,
  folder = runDir,
): Promise<{ bridgeMac: string }> {
  if ((pair.usesIpv6 || bridge.forwarding.includes(6)) && !hasIpv6()) {
    throw new CniError(
      codes.invalidConfig,
      `Cannot give "${pair.ifname}" an IPv6 address: the kernel of this host has no IPv6`,
      'Take the IPv6 ranges out of "ipam", or start the kernel without "ipv6.disable=1"',
    );
  }
  const { mac } = await prepareBridge(bridge, findConflicts, folder);
  enableForwarding(bridge.forwarding);
  await makePair(bridge, pair, { mayReplace: true });
  return { bridgeMac: mac };
}

/** Makes a bridge what the plan says, for a pair that is there already. Returns its MAC. */
export async function updateBridge(
  bridge: BridgePlan,
  findConflicts: FindConflicts,
  folder = runDir,
): Promise<{ bridgeMac: string }> {
  const { mac } = await prepareBridge(bridge, findConflicts, folder);
  enableForwarding(bridge.forwarding);
  await applyBatch(bridge.keep);
  return { bridgeMac: mac };
}

/**
 * Gives the container's end its addresses and routes and brings it up; returns when they can be used: duplicate
 * address detection has passed where it was asked for, and the bridge forwards. It gets nothing, and so sends
 * nothing, before `after` has come to pass.
 *
 * After an error the pair is gone.
 */
export async function configureContainer(
  pair: PairPlan,
  { after }: { after?: Promise<unknown> | undefined } = {},
): Promise<void> {
  try {
    const lines = after === undefined ? applyContainerLines(pair) : after.then(async () => applyContainerLines(pair));
    await Promise.all([writeSysctlsIn(pair.netns, pair.sysctls), lines]);
    if (pair.isUp) await waitForForwarding(pair.hostInterface);
    if (pair.awaitsDad) await waitForDad(pair);
    await applyBatch(pair.announce, { netns: pair.netns });
  } catch (error) {
    await removePair(pair.hostInterface);
    throw error;
  }
}

/** {@link createPair} and {@link configureContainer} in one. */
export async function connect(
  bridge: BridgePlan,
  pair: PairPlan,
  findConflicts: FindConflicts,
  folder = runDir,
): Promise<void> {
  await createPair(bridge, pair, findConflicts, folder);
  await configureContainer(pair);
}

/** Removes both ends, by the name of the host's one: the container's namespace is not needed. Returns false when it was gone. */
export async function removePair(hostInterface: string): Promise<boolean> {
  try {
    await applyBatch([`link del dev ${hostInterface}`]);
    return true;
  } catch (error) {
    if (error instanceof BatchError && error.reason === 'missing') return false;
    throw error;
  }
}

/** Takes an end of a pair down: nothing passes any more, in either direction. Being gone is as good. */
export async function takeDown(hostInterface: string): Promise<void> {
  try {
    await applyBatch([`link set dev ${hostInterface} down`]);
  } catch (error) {
    if (!(error instanceof BatchError && error.reason === 'missing')) throw error;
  }
}

/** Removes an interface by its name in the container's namespace; both being gone is success. */
export async function removeContainerInterface(netns: string, ifname: string): Promise<void> {
  try {
    await applyBatch([`link del dev ${ifname}`], { netns });
  } catch (error) {
    if (!(error instanceof BatchError && (error.reason === 'missing' || error.reason === 'netns'))) throw error;
  }
}

async function makePair(bridge: BridgePlan, pair: PairPlan, { mayReplace }: { mayReplace: boolean }): Promise<void> {
  const first = bridge.keep.length;
  let isMade = false;
  try {
    await applyBatch([...bridge.keep, ...pair.host]);
    isMade = true;
    await applyBatch(pair.vlans, { program: 'bridge' });
  } catch (error) {
    if (!(error instanceof BatchError)) throw error;
    if (isMade || (error.index ?? 0) > first) await removePair(pair.hostInterface);
    if (isMade || error.reason !== 'exists' || error.index !== first) throw error;
    if (!mayReplace || !(await isLeftover(pair))) throw existsAlready(pair);
    await removePair(pair.hostInterface);
    await makePair(bridge, pair, { mayReplace: false });
  }
}

/** The kernel says "exists" for either end. Only when the container has no such interface is it the host's that is in the way. */
async function isLeftover({ netns, ifname, hostInterface }: PairPlan): Promise<boolean> {
  if ((await readInterface(ifname, { netns })) !== undefined) return false;
  return (await readInterface(hostInterface)) !== undefined;
}

function existsAlready({ ifname, netns }: PairPlan): CniError {
  return new CniError(
    codes.conflict,
    `Cannot create "${ifname}" in "${netns}": container veth name ("${ifname}") already exists`,
    'An interface is added once; send a DEL before the next ADD, or choose another CNI_IFNAME',
  );
}

/** An IPv6 address on an interface where IPv6 is off is the one failure that can be mended: it is turned on there, and on loopback. */
async function applyContainerLines({ netns, ifname, container }: PairPlan): Promise<void> {
  try {
    await applyBatch(container, { netns });
  } catch (error) {
    if (!(error instanceof BatchError && error.reason === 'ipv6-disabled' && error.index !== undefined)) throw error;
    await writeSysctlsIn(
      netns,
      ['lo', ifname].map((name) => ({ file: `ipv6/conf/${name}/disable_ipv6`, value: '0' })),
    );
    await applyBatch(container.slice(error.index), { netns });
  }
}

/** Longest wait in milliseconds for a carrier. The kernel needs less than one; a loaded machine more. */
const carrierDeadline = 3000;

/** State of a bridge port that forwards (BR_STATE_FORWARDING of linux/if_bridge.h). */
const forwarding = '3';

/**
 * Returns when the bridge forwards what comes in by a port. A bridge with spanning tree keeps a new port
 * listening and learning for half a minute: that is its owner's wish, and not waited for.
 */
async function waitForForwarding(port: string): Promise<void> {
  const start = performance.now();
  for (let pause = 0.5; ; pause = Math.min(pause * 2, 20)) {
    const state = await portState(port);
    if (state !== '0') return;
    if (performance.now() - start > carrierDeadline) {
      throw new CniError(
        codes.commandFailed,
        `Cannot connect "${port}": the bridge port is still disabled after ${carrierDeadline} ms`,
        'The bridge or the container end of the pair is down; see "ip -d link show"',
      );
    }
    await sleep(pause);
  }
}

/** "0" disabled to "3" forwarding; from sysfs, or from `ip` where /sys shows another namespace. */
async function portState(port: string): Promise<string> {
  try {
    return readFileSync(`/sys/class/net/${port}/brport/state`, 'utf8').trim();
  } catch {
    const state = (await readInterface(port))?.portState;
    return state === undefined || state === 'disabled' ? '0' : forwarding;
  }
}

/** Detection takes up to a second of random delay and one second of listening for each address (RFC 4862, section 5.4). */
const dadDeadline = 10_000;
const dadPause = 25;

async function waitForDad({ netns, ifname }: PairPlan): Promise<void> {
  const start = performance.now();
  for (;;) {
    const addresses = (await readInterface(ifname, { netns }))?.addresses ?? [];
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
