import { forgetFlowsOf } from '../../host/conntrack.ts';
import { findLink } from '../../host/interfaces.ts';
import { applyCommands } from '../../host/apply.ts';
import { writeSysctlsIn } from '../../host/sysctl.ts';
import { isolatesPort, sourcesOf } from '../../dataplane/elements/egress.ts';
import type { Policy } from '../../egress/policy.ts';
import { requalifyElements } from '../../dataplane/elements/requalify.ts';
import type { Element } from '../../nft/element.ts';
import { isAlive } from '../../records/alive.ts';
import { commit } from '../../records/commit.ts';
import { gatedInterface } from '../../records/gated-interfaces.ts';
import type { AttachmentRecord, EgressRecord } from '../../records/record.ts';
import { isPortIsolated } from '../../records/sections.ts';
import { openFirewalls } from '../../records/firewalls.ts';
import { warn } from '../../cni/warn.ts';
import { keepGated } from '../keep-gated.ts';

/** A record that has a policy. */
export type EnforcedRecord = AttachmentRecord & { readonly egress: EgressRecord };

export interface EnforceOptions {
  /**
   * What passes the interface until now. "nothing": it is being made at the same time, its port is isolated already
   * and its host end down. "refused": our rules keep it closed since it was made. "anything": it is another plugin's.
   */
  readonly passing?: 'nothing' | 'refused' | 'anything';
  /** Comes to pass when the interface is made: not before that is there anything to put a gate at. */
  readonly made?: Promise<unknown>;
  /** The record that this one replaces; undefined when there was none. */
  readonly replaces?: AttachmentRecord | undefined;
}

/**
 * Puts a policy in force: its rules in one transaction, and what keeps the container shut in should somebody
 * remove our tables. Connections of an earlier owner of the addresses, and those that began before there was a policy,
 * from whichever side, are forgotten; not one packet of theirs passes once the rules hold.
 */
export async function enforce(
  record: EnforcedRecord,
  names: readonly Element[],
  { passing = 'anything', made = Promise.resolve(), replaces }: EnforceOptions = {},
): Promise<void> {
  const { egress } = record;
  const isFresh = passing === 'nothing';
  // While rules refuse everything no flow begins: what is forgotten now does not come back.
  if (passing === 'refused') await forgetFlowsOf(sourcesOf(egress));
  // The record says how the port is to be, and the agent takes it at its word: the port is that first.
  if (!isFresh) await shutPort(egress);
  const again = passing === 'anything' ? requalifyElements(record, secondsToForget) : [];
  const filled = new Map([[egress.policyId, names]]);
  const inForce = commit({ put: record }, { filled, also: again, replaces });
  const steps = await Promise.allSettled([
    inForce.then(({ warnings }) => warnings.forEach(warn)),
    // A flow that began before the rules did, also one from outside to an address that nobody had, is forgotten after
    // they hold, and when nothing takes another way any more: without a bridge the address is somewhere beyond the
    // default route.
    passing === 'refused' ? undefined : Promise.all([made, inForce]).then(async () => forgetFlowsOf(sourcesOf(egress))),
    inForce.then(async () => openFirewalls(egress.ingressInterface, firewallOptions(egress.policy))),
    keepGated(gatedInterface(egress), { made, inForce }),
    // What gives a fresh interface its addresses turns IPv6 on for it, and comes later.
    egress.policy.ipv6 === 'disable' && !isFresh && record.netns !== '' ? disableIpv6(record.netns) : undefined,
  ]);
  // Only now: who undoes this is not to find a step still under way.
  const failed = steps.find((step) => step.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

/** For so long flows that stand are judged packet by packet: longer than it takes to delete them. */
const secondsToForget = 10;

/** Turns IPv6 off in a container, on what it has and on what it gets. */
export async function disableIpv6(netns: string): Promise<void> {
  await writeSysctlsIn(
    netns,
    ['all', 'default'].map((name) => ({ file: `ipv6/conf/${name}/disable_ipv6`, value: '1' })),
  );
}

/** Programs at once where there are many containers. */
const together = 16;

/** Brings in line with changed policies what is not a rule of ours: the ports, IPv6 inside, foreign firewalls. */
export async function alignWithPolicies(records: readonly EnforcedRecord[]): Promise<void> {
  const openings = new Map(
    records.map(({ egress: { ingressInterface, policy } }) => {
      const options = firewallOptions(policy);
      return [JSON.stringify([ingressInterface, options]), { ingressInterface, options }] as const;
    }),
  );
  const muted = records.filter(({ egress, netns }) => egress.policy.ipv6 === 'disable' && netns !== '');
  await Promise.all([
    alignPorts(records),
    inTurn(muted, (record) => unlessGone(record, disableIpv6(record.netns))),
    inTurn([...openings.values()], ({ ingressInterface, options }) => openFirewalls(ingressInterface, options)),
  ]);
}

/** All at once; one by one where a port that left stopped the others. */
async function alignPorts(records: readonly EnforcedRecord[]): Promise<void> {
  const steps = records.flatMap((record) => {
    const { port } = record.egress;
    const isIsolated = isPortIsolated(record);
    const found = port === undefined ? undefined : findLink(port);
    return port === undefined || found?.portState === undefined || found.isolated === isIsolated
      ? []
      : [{ record, command: { kind: 'setPort', name: port, isolated: isIsolated } as const }];
  });
  try {
    await applyCommands(steps.map(({ command }) => command));
  } catch {
    await inTurn(steps, ({ record, command }) => unlessGone(record, applyCommands([command])));
  }
}

/** A container that left meanwhile takes its interface along. */
async function unlessGone(record: EnforcedRecord, step: Promise<void>): Promise<void> {
  await step.catch((error: unknown) => {
    if (isAlive(record)) throw error;
  });
}

async function inTurn<T>(items: readonly T[], step: (item: T) => Promise<void>): Promise<void> {
  for (let at = 0; at < items.length; at += together) await Promise.all(items.slice(at, at + together).map(step));
}

export function isEnforced(record: AttachmentRecord | undefined): record is EnforcedRecord {
  return record?.egress !== undefined;
}

/** What foreign firewalls have to let pass for a policy; the policy itself is enforced in our tables. */
export function firewallOptions({ hostAccess, hostPorts, ingress }: Policy): Parameters<typeof openFirewalls>[1] {
  if (hostAccess === 'none') return { hostPorts: [], ingress };
  return { hostPorts: hostAccess === 'all' ? [{ protocol: 'any' }] : hostPorts, ingress };
}

/**
 * The interface may be somebody else's, and its MAC may have changed since it was made. A bridge that learns gives what
 * is for a sibling to whoever sends with its MAC, once our tables are gone.
 */
async function shutPort({ port, mac, policy }: EgressRecord): Promise<void> {
  if (port === undefined || findLink(port)?.portState === undefined) return;
  const isolated = isolatesPort(policy) ? { isolated: true } : {};
  await applyCommands([
    { kind: 'setPort', name: port, ...isolated, learning: false },
    ...(mac === undefined ? [] : [{ kind: 'replaceStaticMac', name: port, mac } as const]),
  ]);
}
