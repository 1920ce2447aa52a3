import { combineErrors } from '../../cni/errors.ts';
import type { AttachmentRequest, GcRequest } from '../../cni/request.ts';
import type { PassThrough } from '../../cni/serve.ts';
import { commit } from '../../records/commit.ts';
import { attachmentKey } from '../../records/key.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { readOwnRecord } from '../../records/store.ts';
import { beginRecord } from '../attachment.ts';
import { collectAttachments } from '../collect.ts';
import { rememberedElements } from '../egress-policy/names.ts';
import { closeFirewalls, openFirewalls } from '../firewalls.ts';
import { warn } from '../warnings.ts';

/** The part of an attachment's record that is a chained drop-in's own. */
export type Section = 'published' | 'ingressPolicy' | 'shaped';

/** Those that have rules, and so need a way through foreign firewalls. */
type RuledSection = Exclude<Section, 'shaped'>;

/** The record of this very attachment; one of an earlier namespace is a leftover, and not looked at. */
export function currentRecord(request: AttachmentRequest): AttachmentRecord | undefined {
  const record = readOwnRecord(attachmentKey(request.id));
  return record !== undefined && record.netnsInode === beginRecord(request).netnsInode ? record : undefined;
}

/** Puts a section into the attachment's record and in force. After an error it is as it was before. */
export async function putSection<S extends RuledSection>(
  request: AttachmentRequest,
  section: S,
  value: NonNullable<AttachmentRecord[S]>,
): Promise<void> {
  const record = await writeSection(request, section, value);
  try {
    await openFirewalls(value.ingressInterface);
  } catch (error) {
    await removeSection(record, section).catch((undoing: unknown) =>
      warn(`Cannot undo the ADD that failed: ${String(undoing)}`),
    );
    throw error;
  }
}

/** Takes a section out of a record and of force; the record itself when nothing else is left in it. */
export async function removeSection(record: AttachmentRecord, section: RuledSection): Promise<void> {
  const value = record[section];
  if (value === undefined) return;
  await takeOut(record, section);
  // The plugin that made the bridge closes for its own.
  if (record.link === undefined) await closeFirewalls(value.ingressInterface, record.key);
}

/** Puts a section into the attachment's record and in force; the record as it then is. */
export async function writeSection<S extends Section>(
  request: AttachmentRequest,
  section: S,
  value: NonNullable<AttachmentRecord[S]>,
): Promise<AttachmentRecord> {
  const replaces = currentRecord(request);
  const next: AttachmentRecord = { ...(replaces ?? beginRecord(request)), state: 'ready', [section]: value };
  const { warnings } = await commit({ put: next }, { expiring: rememberedElements, replaces });
  warnings.forEach(warn);
  return next;
}

/** Takes a section out of a record and of force; the record itself when it has no other part. */
export async function takeOut(record: AttachmentRecord, section: Section): Promise<void> {
  const rest: AttachmentRecord = { ...record };
  delete (rest as { -readonly [Key in Section]?: AttachmentRecord[Key] })[section];
  const isEmpty = [rest.link, rest.egress, rest.published, rest.ingressPolicy, rest.shaped].every(
    (part) => part === undefined,
  );
  const { warnings } = await commit(isEmpty ? { drop: record.key } : { put: rest }, {
    expiring: rememberedElements,
    replaces: record,
  });
  warnings.forEach(warn);
}

/** Removes the sections of attachments of the network that are not in use: see the GC of the interface plugin. */
export async function collectSections(
  request: GcRequest,
  remove: (record: AttachmentRecord) => Promise<void>,
): Promise<void> {
  const errors = await collectAttachments(request, remove);
  const error = combineErrors(`collect garbage of network "${request.config.name}"`, errors);
  if (error !== undefined) throw error;
}

/** What a chained plugin that makes no interface answers. */
export function passThrough({ config }: AttachmentRequest): PassThrough {
  return { passThrough: config.fields.raw('prevResult') };
}
