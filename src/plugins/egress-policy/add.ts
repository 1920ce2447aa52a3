import { CniError, codes } from '../../cni/errors.ts';
import type { AttachmentRequest } from '../../cni/request.ts';
import type { PassThrough } from '../../cni/serve.ts';
import { parsePluginConf } from '../../egress/conf.ts';
import { loadOwnPresets } from '../../egress/load-presets.ts';
import type { ChosenPolicy } from '../../egress/load-policy.ts';
import { openNames, type OpenName } from '../../egress/names-open.ts';
import { addressOf } from '../../ip/prefix.ts';
import { holdAttachment, isSameAdd, requireSameAdd } from '../../records/attachment-lock.ts';
import { commit } from '../../records/commit.ts';
import { hostNetworks } from '../../dataplane/on-link.ts';
import { attachmentKey, describeAttachment } from '../../records/key.ts';
import type { AttachmentRecord, EgressRecord } from '../../records/record.ts';
import { readOwnRecord } from '../../records/store.ts';
import { beginRecord } from '../attachment.ts';
import { labelsOf } from '../labels.ts';
import { warn } from '../../cni/warn.ts';
import { closeGate } from '../../records/close-gate.ts';
import { enforce, type EnforcedRecord } from './enforce.ts';
import { findInterface } from './interface.ts';
import { namesElements } from '../../records/remembered-elements.ts';
import { choosePolicy, egressRecord } from './policy.ts';
import { tellAgent } from './tell-agent.ts';

/**
 * Decides what the container that the chain before us connected may reach. The result passes unchanged.
 *
 * A policy is in force as a whole when this returns; otherwise it throws, and things are as they were.
 */
export async function add(request: AttachmentRequest): Promise<PassThrough> {
  const onLink = hostNetworks();
  const chosen = await choosePolicy(parsePluginConf(request.config.raw, loadOwnPresets(), onLink), request);
  const names = await openNames(chosen.policy, { onLink });
  names.flatMap(({ problems }) => problems).forEach(warn);
  await holdAttachment(request.id, 'ADD', async () => impose(request, chosen, names));
  return { passThrough: request.config.fields.raw('prevResult') };
}

async function impose(request: AttachmentRequest, chosen: ChosenPolicy, names: readonly OpenName[]): Promise<void> {
  const previous = currentRecord(request);
  const egress = egressRecord(await findInterface(request, previous?.link), chosen);
  refuseSecondPolicy(previous, egress);
  refuseEarlierResult(previous, egress);
  const record: EnforcedRecord = {
    ...(previous ?? beginRecord(request)),
    ...labelsOf(request),
    ...enforcedLink(previous),
    state: 'ready',
    egress,
  };
  try {
    const passing = previous?.link?.enforced === true ? 'refused' : 'anything';
    await enforce(record, namesElements(egress, names), { passing, replaces: previous });
    requireSameAdd(readOwnRecord(record.key), record);
    await tellAgent(egress.policy);
  } catch (error) {
    await undo(record, previous).catch((undoing: unknown) =>
      warn(`Cannot undo the ADD that failed: ${String(undoing)}`),
    );
    throw error;
  }
}

/**
 * Of two policies for one interface the last would silently take the place of the first, wider or not. What names
 * another end on the host is what a lost DEL left.
 */
function refuseSecondPolicy(previous: AttachmentRecord | undefined, { ingressInterface, port }: EgressRecord): void {
  const standing = previous?.egress;
  if (
    previous === undefined ||
    standing === undefined ||
    standing.ingressInterface !== ingressInterface ||
    standing.port !== port
  )
    return;
  throw new CniError(
    codes.conflict,
    `Cannot put a policy in force for ${describeAttachment(previous)}: it has one already`,
    'One policy holds for an attachment: keep one "egress-policy" in the list, or "egress" in "drawbridge"; send a DEL before the next ADD',
  );
}

/** The interface may have been removed and added again since its result was given: with other addresses. */
function refuseEarlierResult(previous: AttachmentRecord | undefined, { addresses }: EgressRecord): void {
  const own = (previous?.link?.addresses ?? []).map(({ address }) => addressOf(address));
  if (previous === undefined || own.length === 0 || own.some((address) => addresses.includes(address))) return;
  throw new CniError(
    codes.tryAgainLater,
    `Cannot put a policy in force for ${describeAttachment(previous)}: "prevResult" says ${addresses.join(' and ')}, and the interface has ${own.join(' and ')}`,
    'It was removed and added again meanwhile: send a DEL, then add the container again',
  );
}

/** Makes things as they were before a policy failed to come in force. */
async function undo(record: EnforcedRecord, previous: AttachmentRecord | undefined): Promise<void> {
  const { key, egress } = record;
  const found = readOwnRecord(key);
  // What another process made meanwhile is its own, and what it removed stays removed.
  if (found !== undefined && !isSameAdd(found, record)) return;
  const before = found === undefined ? undefined : previous;
  await commit(before === undefined ? { drop: key } : { put: before });
  if (previous?.egress === undefined && previous?.link?.enforced !== true)
    await closeGate(egress.ingressInterface, key);
}

/** From now on the interface that we made ourselves reaches nothing whenever its policy is not in force. */
function enforcedLink(previous: AttachmentRecord | undefined): Pick<AttachmentRecord, 'link'> {
  return previous?.link === undefined ? {} : { link: { ...previous.link, enforced: true } };
}

/** The record of this very attachment; one of an earlier namespace is a leftover. */
function currentRecord(request: AttachmentRequest): AttachmentRecord | undefined {
  const record = readOwnRecord(attachmentKey(request.id));
  return record !== undefined && record.netnsInode === beginRecord(request).netnsInode ? record : undefined;
}
