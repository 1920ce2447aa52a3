import { combineErrors } from '../../cni/errors.ts';
import type { AttachmentRequest, GcRequest } from '../../cni/request.ts';
import type { PassThrough } from '../../cni/serve.ts';
import { commit } from '../../records/commit.ts';
import { attachmentKey } from '../../records/key.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { removeSection } from '../../records/remove.ts';
import type { SectionName } from '../../records/sections/section.ts';
import { readOwnRecord } from '../../records/store.ts';
import { beginRecord } from '../attachment.ts';
import { collectAttachments } from '../collect.ts';
import { openLoopback } from '../../records/loopback.ts';
import { openFirewalls } from '../../records/firewalls.ts';
import { warn } from '../../cni/warn.ts';

/** Parts of a record that have rules, and so need a way through foreign firewalls. */
type RuledSection = 'published' | 'ingressPolicy';

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
    openLoopback(record);
    await openFirewalls(value.ingressInterface);
  } catch (error) {
    await removeSection(record, section).catch((undoing: unknown) =>
      warn(`Cannot undo the ADD that failed: ${String(undoing)}`),
    );
    throw error;
  }
}

/** Puts a section into the attachment's record and in force; the record as it then is. */
export async function writeSection<S extends SectionName>(
  request: AttachmentRequest,
  section: S,
  value: NonNullable<AttachmentRecord[S]>,
): Promise<AttachmentRecord> {
  const replaces = currentRecord(request);
  const next: AttachmentRecord = { ...(replaces ?? beginRecord(request)), state: 'ready', [section]: value };
  const { warnings } = await commit({ put: next }, { replaces });
  warnings.forEach(warn);
  return next;
}

/** Removes the sections of attachments of the network that are not in use: see the GC of the interface plugin. */
export async function collectSections(request: GcRequest, name: SectionName): Promise<void> {
  const errors = await collectAttachments(request, async (record) => removeSection(record, name));
  const error = combineErrors(`collect garbage of network "${request.config.name}"`, errors);
  if (error !== undefined) throw error;
}

/** What a chained plugin that makes no interface answers. */
export function passThrough({ config }: AttachmentRequest): PassThrough {
  return { passThrough: config.fields.raw('prevResult') };
}
