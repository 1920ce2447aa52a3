/*
 * <run folder>/bridges/<name>.json: {"netns", "index", "mtu", "mac", "plan"}: the bridge of that index in that
 * namespace was compared with the plan of that hash and found in order. A note that does not fit costs a few
 * milliseconds, never correctness; the folder is gone after a reboot, as the bridges are.
 */
import { sha256 } from '../digest/sha256.ts';
import { readFileSync } from 'node:fs';
import { CniError, codes } from '../cni/errors.ts';
import { findLink, indexOfUpInterface, isLinkThere, readInterface } from './interfaces.ts';
import { uplinkMtu } from './uplink.ts';
import { conflictingAddresses } from '../links/conflicts.ts';
import type { InterfaceState } from '../links/state.ts';
import type { BridgePlan } from '../links/bridge.ts';
import type { LinkCommand } from '../links/command.ts';
import { applyCommands } from './apply.ts';
import { LinkError } from './link-error.ts';
import { withLock } from './lock.ts';
import { replaceFile } from './files.ts';
import { ownInode } from './netns.ts';
import { runDir } from './paths.ts';
import { enableForwarding, writeSysctls } from './sysctl.ts';

/**
 * MTU for a bridge whose conf does not give one: that of the uplink, but not above that of the bridge when it
 * exists (netavark's rule, and what podman#20009 asks of CNI). Known bridges cost no child process.
 */
export async function chooseMtu(bridge: string, folder = runDir): Promise<number> {
  const note = readNote(bridge, folder);
  if (note !== undefined && isCurrent(note, bridge)) return note.mtu;
  const [state, uplink] = await Promise.all([readInterface(bridge), uplinkMtu()]);
  const known = [state?.mtu, uplink].filter((mtu) => mtu !== undefined);
  return known.length === 0 ? ethernetMtu : Math.min(...known);
}

/** MTU for a routed container whose conf does not give one: that of the uplink. */
export async function chooseRoutedMtu(): Promise<number> {
  return (await uplinkMtu()) ?? ethernetMtu;
}

/** A bridge that can be used. */
export interface PreparedBridge {
  /** Not ours when someone else made the bridge. */
  readonly mac: string;
  /** Sentences for a person about what does not work on it. */
  readonly warnings: readonly string[];
}

/**
 * Makes a bridge unless it is there, and checks once that it can be used; afterwards that check costs two small files.
 * Any number of processes may do so at the same time: whoever finds the bridge made goes on with it.
 *
 * `keep` of the plan is left to the caller, who has a batch to run anyway.
 * Throws code 102 when the name belongs to something that is not a bridge, or when the bridge has an address that
 * excludes the gateway and `forceAddress` is false.
 */
export async function prepareBridge(steps: BridgePlan, folder = runDir): Promise<PreparedBridge> {
  const plan = sha256(JSON.stringify(steps)).slice(0, 16);
  const note = readNote(steps.name, folder);
  const isGatewayThere = steps.vlanGateway === undefined || isLinkThere(steps.gatewayInterface);
  if (note?.plan === plan && isGatewayThere && isCurrent(note, steps.name)) return { mac: note.mac, warnings: [] };
  const isNew = await makeUnlessThere(steps.create);
  const bridge = await readInterface(steps.name);
  if (bridge?.kind !== 'bridge') {
    throw new CniError(
      codes.conflict,
      `Cannot use "${steps.name}" as a bridge: it already exists but is not a bridge`,
      `It is ${bridge?.kind ? `of kind "${bridge.kind}"` : 'another kind of interface'}; choose another name in "bridge", or remove it`,
    );
  }
  // A bridge that someone else made may still take over the lowest MAC of its ports: giving it the one that it has pins
  // it.
  if (!isNew) await applyCommands([{ kind: 'setLink', name: steps.name, mac: bridge.mac }]);
  if (steps.vlanGateway !== undefined) await makeVlanGateway(steps.vlanGateway);
  await makeRoomForGateways(steps, bridge);
  // Also what a new device forwards follows from it.
  enableForwarding(steps.forwarding);
  const warnings = writeSysctls(steps.sysctls);
  writeNote(
    { netns: ownInode() ?? '', index: bridge.index, mtu: steps.mtu, mac: bridge.mac, plan },
    steps.name,
    folder,
  );
  return { mac: bridge.mac, warnings };
}

/**
 * Adds the bits for link-local groups that a plan asks for and the bridge does not have: another network of the bridge,
 * or an operator, may have asked for others. Returns the mask that lacked some; undefined when nothing was missing.
 * Throws code 11 when another process adds bits and does not come to an end.
 */
export async function addForwardedGroups({ name, groupForwardMask: mask }: BridgePlan): Promise<number | undefined> {
  const lacking = (): number | undefined => {
    const found = mask === 0 ? undefined : findLink(name);
    const present = found?.groupForwardMask ?? 0;
    return found === undefined || (present & mask) === mask ? undefined : present;
  };
  if (lacking() === undefined) return undefined;
  // The kernel takes the mask whole, so of two who add a bit at once the second would take away that of the first.
  return withLock(`bridge-${name}`, `groups of ${name}`, async () => {
    const present = lacking();
    if (present !== undefined) {
      await applyCommands([{ kind: 'setBridge', name, groupForwardMask: present | mask }]);
    }
    return present;
  });
}

/** MTU of Ethernet, which the kernel gives to what has no other (RFC 894). */
const ethernetMtu = 1500;

/** Returns whether it was made here; false when it was there already. */
async function makeUnlessThere(commands: readonly LinkCommand[]): Promise<boolean> {
  try {
    await applyCommands(commands);
    return true;
  } catch (error) {
    if (error instanceof LinkError && error.reason === 'exists' && error.index === 0) return false;
    throw error;
  }
}

/** The VLANs are written also when the veth was there: whoever made it may have died before. */
async function makeVlanGateway({ create, vlans }: NonNullable<BridgePlan['vlanGateway']>): Promise<void> {
  await makeUnlessThere(create);
  try {
    await applyCommands(vlans);
  } catch (error) {
    const hasLeftAlready =
      error instanceof LinkError &&
      error.index === vlans.length - 1 &&
      error.command?.kind === 'deletePortVlan' &&
      error.reason !== 'unsupported';
    if (!hasLeftAlready) throw error;
  }
}

async function makeRoomForGateways(steps: BridgePlan, bridge: InterfaceState): Promise<void> {
  const { gatewayInterface: name, gateways, forceAddress } = steps;
  if (gateways.length === 0) return;
  const holder = name === bridge.name ? bridge : await readInterface(name);
  const present = (holder?.addresses ?? []).filter(({ scope }) => scope !== 'link').map(({ address }) => address);
  const conflicts = conflictingAddresses(present, gateways);
  const [first] = conflicts;
  if (first === undefined) return;
  if (!forceAddress) {
    throw new CniError(
      codes.conflict,
      `Cannot give "${name}" the address "${first.wanted}": "${name}" already has an IP address different from "${first.wanted}", namely "${first.present}"`,
      'Give each network a bridge of its own, or set "forceAddress" to replace the address',
    );
  }
  for (const { present: address } of conflicts) await removeAddress(address, name);
}

/** Another ADD may have removed it in the meantime. */
async function removeAddress(address: string, name: string): Promise<void> {
  try {
    await applyCommands([{ kind: 'deleteAddress', address, name }]);
  } catch (error) {
    if (!(error instanceof LinkError && error.reason === 'no-such-address')) throw error;
  }
}

interface Note {
  readonly netns: string;
  readonly index: number;
  readonly mtu: number;
  readonly mac: string;
  readonly plan: string;
}

/** An index is not given twice in the life of a namespace unless 2^31 interfaces have come and gone. */
function isCurrent(note: Note, bridge: string): boolean {
  return note.netns === ownInode() && note.index === indexOfUpInterface(bridge);
}

function readNote(bridge: string, folder: string): Note | undefined {
  try {
    const note = JSON.parse(readFileSync(`${folder}/bridges/${bridge}.json`, 'utf8')) as Partial<Note> | null;
    if (
      typeof note?.netns !== 'string' ||
      typeof note.index !== 'number' ||
      typeof note.mtu !== 'number' ||
      typeof note.mac !== 'string' ||
      typeof note.plan !== 'string'
    )
      return undefined;
    return { netns: note.netns, index: note.index, mtu: note.mtu, mac: note.mac, plan: note.plan };
  } catch {
    return undefined;
  }
}

/** Without the note the next ADD is slower; no more. */
function writeNote(note: Note, bridge: string, folder: string): void {
  const file = `${folder}/bridges/${bridge}.json`;
  try {
    replaceFile(file, JSON.stringify(note));
  } catch {}
}
