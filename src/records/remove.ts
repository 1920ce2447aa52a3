import { combineErrors } from '../cni/errors.ts';
import type { Request } from '../cni/request.ts';
import { warn } from '../cni/warn.ts';
import { sourcesOf } from '../dataplane/elements/egress.ts';
import { tryForgetFlowsOf } from '../host/conntrack.ts';
import { whatCanBeStarted } from '../host/run.ts';
import { removeVeth } from '../host/veth.ts';
import { closeGate } from './close-gate.ts';
import { commit } from './commit.ts';
import { closeFirewalls } from './firewalls.ts';
import { closeLoopback } from './loopback.ts';
import { rivalsOf } from './index-files.ts';
import { describeAttachment, hostInterfaceOf } from './key.ts';
import type { AttachmentRecord } from './record.ts';
import {
  addressesOf,
  enforcedInterfacesOf,
  hostInterfacesOf,
  loopbackInterfacesOf,
  macOf,
  mapSections,
  openedInterfacesOf,
  withoutSection,
} from './sections.ts';
import type { SectionName } from './sections/section.ts';
import { upkeep } from './upkeep.ts';

type RemovalStep = () => unknown;

/** The steps of a removal, each list by the time at which its steps run; those of one list run side by side. */
interface Removal {
  /** Before all others; what fails here harms nobody once the links are gone. */
  readonly close: readonly RemovalStep[];
  /** Programs of others: no lock is held. */
  readonly delegate: readonly RemovalStep[];
  /** Side by side with the rules. */
  readonly unlink: readonly RemovalStep[];
  /** When the rules are gone, under the lock of the tables. */
  readonly release: readonly RemovalStep[];
  /** After everything else. */
  readonly forget: readonly RemovalStep[];
}

/**
 * Removes everything of an attachment, by its record alone. Goes on past what fails and returns the errors; what is
 * gone already is none. A DEL hands over its request, which the plugin that gave the addresses is told.
 *
 * To be called with the attachment's lock in hand.
 */
export async function removeAttachment(record: AttachmentRecord, told?: Request): Promise<unknown[]> {
  return carryOut(record.key, removalOf(record, told));
}

function removalOf(record: AttachmentRecord, told?: Request): Removal {
  const { key } = record;
  const ends = hostInterfacesOf(record);
  // Opened when the record is ready, not before: an ADD that nft failed can be undone without nft.
  const opened = record.state === 'adding' ? [] : openedInterfacesOf(record);
  return {
    close: mapSections(record, (name, value) => () => upkeep[name].close?.(value, record)),
    delegate: mapSections(record, (name, value) => () => upkeep[name].delegate?.(value, record, told)),
    unlink: [
      // A record that lost its link still tells by its name which interface is its own.
      ...[hostInterfaceOf(key)].filter((name) => !ends.includes(name)).map((name) => async () => removeVeth(name)),
      ...mapSections(record, (name, value) => () => upkeep[name].unlink?.(value, record)),
    ],
    release: [
      ...opened.map((name) => async () => closeFirewalls(name, key)),
      ...enforcedInterfacesOf(record).map((name) => async () => closeGate(name, key)),
      ...loopbackInterfacesOf(record).map((name) => () => closeLoopback(name, key)),
      // Before somebody else gets the addresses.
      async () => (await forgetFlows(record)).forEach(warn),
      ...mapSections(record, (name, value) => () => upkeep[name].release?.(value, record)),
    ],
    forget: mapSections(record, (name, value) => () => upkeep[name].forget?.(value)),
  };
}

/**
 * Runs the steps of a removal in their order, and takes the record with that key out of force between them. Goes on
 * past what fails and returns the errors.
 *
 * The address is given back when the rules are gone: nobody else gets it while anything here still says that it is
 * this container's. The record goes last of all, and stays when something else did.
 */
export async function carryOut(key: string, removal: Removal): Promise<unknown[]> {
  // Links and rules go side by side: of an enforced container that still runs, the rules must not go first.
  await attempt(removal.close);
  const delegated = await attempt(removal.delegate);
  const release = async (): Promise<void> => {
    const errors = [...(await attempt(removal.release)), ...delegated];
    if (errors.length > 0) throw new ReleaseError(errors);
  };
  // Links and flows are found without the record, so nobody waits for them with the lock in hand.
  const dropped = dropRecord(key, release);
  // The kernel takes 20 ms for a pair, in which it waits for readers on all processors, and has us wait: nft comes
  // first.
  const unlinked = whatCanBeStarted().then(async () => attempt(removal.unlink));
  const errors = await dropped;
  return [...errors, ...(await unlinked), ...(await attempt(removal.forget))];
}

/**
 * Takes one section out of a record and of force, and the record with it when it has no other. What another section
 * still claims stays. Throws all that failed.
 *
 * To be called with the attachment's lock in hand.
 */
export async function removeSection(record: AttachmentRecord, name: SectionName): Promise<void> {
  const rest = withoutSection(record, name);
  const own = mapSections(record, (other, value) => ({
    isOwn: other === name,
    close: async () => upkeep[other].close?.(value, record),
    unlink: async () => upkeep[other].unlink?.(value, record),
    forget: async () => upkeep[other].forget?.(value),
  })).find(({ isOwn }) => isOwn);
  if (own === undefined) return;
  await own.close();
  await own.unlink();
  const given = (interfacesOf: (of: AttachmentRecord) => string[]): string[] => {
    const left = new Set(rest === undefined ? [] : interfacesOf(rest));
    return interfacesOf(record).filter((one) => !left.has(one));
  };
  const release = async (): Promise<void> => {
    const unguarded = given(enforcedInterfacesOf);
    const errors = await attempt([
      ...unguarded.map((one) => async () => closeGate(one, record.key)),
      async () => (unguarded.length === 0 ? undefined : (await forgetFlows(record)).forEach(warn)),
      ...given(loopbackInterfacesOf).map((one) => () => closeLoopback(one, record.key)),
      ...given(openedInterfacesOf).map((one) => async () => closeFirewalls(one, record.key)),
    ]);
    const error = combineErrors(`remove ${describeAttachment(record)}`, errors);
    if (error !== undefined) throw error;
  };
  await replaceBy(rest, record, release);
  if (rest !== undefined) await release();
  await own.forget();
}

/** Takes one section out of a record and of force, and touches nothing else: its ADD has undone what it made. */
export async function forgetSection(record: AttachmentRecord, name: SectionName): Promise<void> {
  await replaceBy(withoutSection(record, name), record);
}

async function replaceBy(
  rest: AttachmentRecord | undefined,
  record: AttachmentRecord,
  release?: () => Promise<void>,
): Promise<void> {
  const { warnings } =
    rest === undefined
      ? await commit({ drop: record.key }, release === undefined ? {} : { release })
      : await commit({ put: rest }, { replaces: record });
  warnings.forEach(warn);
}

/**
 * Forgets the flows of an attachment's addresses, but those of addresses that a newer attachment has by now. Returns
 * warnings.
 */
async function forgetFlows(record: AttachmentRecord): Promise<string[]> {
  const taken = new Set(rivalsOf(record).flatMap(addressesOf));
  const mac = macOf(record);
  const free = addressesOf(record).filter((address) => !taken.has(address));
  if (free.length === 0) return [];
  return tryForgetFlowsOf(sourcesOf({ addresses: free, ...(mac === undefined || taken.size > 0 ? {} : { mac }) }));
}

/** What kept an attachment from being removed. */
class ReleaseError extends Error {
  readonly errors: unknown[];

  constructor(errors: unknown[]) {
    super('Cannot remove the attachment');
    this.errors = errors;
  }
}

/** When the rules cannot be removed, or nobody lets go of the lock, everything else is still tried. */
async function dropRecord(key: string, release: () => Promise<void>): Promise<unknown[]> {
  let isReleased = false;
  const once = async (): Promise<void> => {
    isReleased = true;
    await release();
  };
  const outcomes = await attempt([
    async () => {
      const { warnings } = await commit({ drop: key }, { release: once });
      warnings.forEach(warn);
    },
  ]);
  if (!isReleased) outcomes.push(...(await attempt([release])));
  return outcomes.flatMap((error) => (error instanceof ReleaseError ? error.errors : [error]));
}

/** Runs steps side by side, each whatever becomes of the others. */
async function attempt(steps: readonly RemovalStep[]): Promise<unknown[]> {
  const outcomes = await Promise.allSettled(steps.map(async (step) => step()));
  return outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
}
