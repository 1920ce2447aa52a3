import type { AttachmentId, Request } from '../../cni/request.ts';
import { forgetUdpFlows } from '../../host/conntrack.ts';
import { netnsExists } from '../../host/netns.ts';
import { removePair, takeDown } from '../../host/pair.ts';
import { commit } from '../../records/commit.ts';
import { attachmentKey, hostInterfaceOf } from '../../records/key.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { releaseAddresses } from './addresses.ts';
import { closeGate } from '../egress-policy/enforce.ts';
import { rememberedElements } from '../egress-policy/names.ts';
import { closeFirewalls } from '../firewalls.ts';
import { warn } from '../warnings.ts';

/**
 * Removes everything of an attachment, from its record, or without one from what follows from its name. Goes on
 * past what fails and returns the errors; what is gone already is none.
 *
 * The address is given back last: nobody else gets it while anything here still says that it is this container's.
 */
export async function removeAttachment(
  request: Request,
  attachment: AttachmentRecord | AttachmentId,
): Promise<unknown[]> {
  const key = attachmentKey(attachment);
  const record = 'link' in attachment ? attachment : undefined;
  const link = record?.link;
  // Links and rules go side by side: of a policed container that still runs, the rules must not go first.
  if (record !== undefined && link?.policed === true && netnsExists(record.netns))
    await takeDown(link.hostInterface).catch(() => undefined);
  const errors = await attempt([
    () => removePair(link?.hostInterface ?? hostInterfaceOf(key)),
    async () => {
      const { warnings } = await commit({ drop: key }, { timed: rememberedElements });
      warnings.forEach(warn);
    },
  ]);
  const flows = link?.ports.filter(({ protocol }) => protocol === 'udp') ?? [];
  errors.push(
    ...(await attempt([
      async () => (await forgetUdpFlows(flows)).forEach(warn),
      () => link && closeFirewalls(link.bridge, key),
      () => (link?.policed === true ? closeGate(link.bridge, key) : undefined),
      () => releaseAddresses(request, attachment),
    ])),
  );
  return errors;
}

/** Runs steps side by side, each whatever becomes of the others. */
async function attempt(steps: readonly (() => unknown)[]): Promise<unknown[]> {
  const outcomes = await Promise.allSettled(steps.map(async (step) => step()));
  return outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
}
