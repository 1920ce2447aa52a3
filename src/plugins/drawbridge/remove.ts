import type { AttachmentId, Request } from '../../cni/request.ts';
import { sourcesOf } from '../../egress/elements.ts';
import { forgetUdpFlows, tryForgetFlowsOf } from '../../host/conntrack.ts';
import { netnsExists } from '../../host/netns.ts';
import { removeVeth, takeDown } from '../../host/veth.ts';
import { whatCanBeStarted } from '../../host/run.ts';
import { commit } from '../../records/commit.ts';
import { rivalsOf } from '../../records/index-files.ts';
import { attachmentKey, hostInterfaceOf } from '../../records/key.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { isDelegated, releaseAddresses } from './addresses.ts';
import { closeGate } from '../egress-policy/enforce.ts';
import { rememberedElements } from '../egress-policy/names.ts';
import { closeFirewalls } from '../firewalls.ts';
import { warn } from '../warnings.ts';

/**
 * Removes everything of an attachment, from its record, or without one from what follows from its name. Goes on
 * past what fails and returns the errors; what is gone already is none.
 *
 * The address is given back when the rules are gone: nobody else gets it while anything here still says that it is
 * this container's. The record goes last of all, and stays when something else did.
 */
export async function removeAttachment(
  request: Request,
  attachment: AttachmentRecord | AttachmentId,
): Promise<unknown[]> {
  const key = attachmentKey(attachment);
  const { link, state } = 'link' in attachment ? attachment : {};
  const ifb = 'shaped' in attachment ? attachment.shaped?.ifb : undefined;
  // Links and rules go side by side: of an enforced container that still runs, the rules must not go first.
  if ('netns' in attachment && link?.enforced === true && netnsExists(attachment.netns))
    await takeDown(link.hostInterface).catch(() => undefined);
  // A program of somebody else's, which may take its time: not while we hold a lock.
  const delegated = isDelegated(request, attachment)
    ? await attempt([() => releaseAddresses(request, attachment)])
    : undefined;
  const flows = link?.ports.filter(({ protocol }) => protocol === 'udp') ?? [];
  const release = async (): Promise<void> => {
    const errors = await attempt([
      // Opened when the record is ready, not before: an ADD that nft failed can be undone without nft.
      () => (link === undefined || state === 'adding' ? undefined : closeFirewalls(link.bridge, key)),
      () => (link?.enforced === true ? closeGate(link.bridge, key) : undefined),
      // Before somebody else gets the addresses.
      async () => ('link' in attachment ? (await forgetFlows(attachment)).forEach(warn) : undefined),
      () => (delegated === undefined ? releaseAddresses(request, attachment) : undefined),
    ]);
    errors.push(...(delegated ?? []));
    if (errors.length > 0) throw new ReleaseError(errors);
  };
  // Links and flows are found without the record, so nobody waits for them with the lock in hand.
  const dropped = dropRecord(key, release);
  // The kernel takes 20 ms for a pair, in which it waits for readers on all processors, and has us wait: nft comes
  // first.
  const links = whatCanBeStarted().then(() =>
    attempt([
      () => removeVeth(link?.hostInterface ?? hostInterfaceOf(key)),
      () => (ifb === undefined ? undefined : removeVeth(ifb)),
    ]),
  );
  const errors = await dropped;
  errors.push(...(await links), ...(await attempt([async () => (await forgetUdpFlows(flows)).forEach(warn)])));
  return errors;
}

/**
 * Forgets the flows of an attachment's addresses, but those of addresses that a newer attachment has by now. Returns
 * warnings.
 */
async function forgetFlows(record: AttachmentRecord): Promise<string[]> {
  const { link, egress } = record;
  const addresses = egress?.addresses ?? (link?.addresses ?? []).map(({ address }) => address.split('/', 1)[0] ?? '');
  const taken = new Set(
    rivalsOf(record).flatMap((rival) => (rival.link?.addresses ?? []).map(({ address }) => address.split('/', 1)[0])),
  );
  const mac = egress?.mac ?? link?.mac;
  const free = addresses.filter((address) => !taken.has(address));
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
      const { warnings } = await commit({ drop: key }, { expiring: rememberedElements, release: once });
      warnings.forEach(warn);
    },
  ]);
  if (!isReleased) outcomes.push(...(await attempt([release])));
  return outcomes.flatMap((error) => (error instanceof ReleaseError ? error.errors : [error]));
}

/** Runs steps side by side, each whatever becomes of the others. */
async function attempt(steps: readonly (() => unknown)[]): Promise<unknown[]> {
  const outcomes = await Promise.allSettled(steps.map(async (step) => step()));
  return outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
}
