import type { AttachmentRecord } from './record.ts';
import { readSections } from './sections.ts';
import { matching, object, text, texts } from './sections/read-value.ts';

/** Version of the records that this program writes; it reads those before it too. */
const recordVersion = 2;

/** A record of a later version of this program, which may say what this one does not know. */
export class NewerRecordError extends TypeError {
  constructor(version: number) {
    super(`a newer drawbridge wrote it: its "version" is ${version}, this program knows 1 and ${recordVersion}`);
  }
}

/**
 * Checks that decoded JSON is a record: what is put into commands and paths later is checked value by value,
 * since a file can be cut short, old or edited.
 *
 * Throws a TypeError that names the first key that is wrong, a {@link NewerRecordError} for a later version.
 */
export function readAttachment(value: unknown): AttachmentRecord {
  const record = upgrade(object(value, 'the file'));
  const { version } = record;
  if (typeof version === 'number' && version > recordVersion) throw new NewerRecordError(version);
  if (version !== recordVersion)
    throw new TypeError(`"version" is ${JSON.stringify(version)}, this program knows 1 and ${recordVersion}`);
  for (const key of ['network', 'containerId', 'ifname', 'netns', 'netnsInode', 'createdAt']) text(record, key);
  matching(record, 'key', /^[0-9a-f]{16}$/);
  matching(record, 'state', /^(?:adding|ready)$/);
  texts(record, 'labels');
  return { ...(record as unknown as AttachmentRecord), ...readSections(record) } as AttachmentRecord;
}

/** Version 1 (drawbridge 0.1.0) called `ingressPolicy` "walls" and `link.enforced` "policed". */
function upgrade(record: Record<string, unknown>): Record<string, unknown> {
  if (record['version'] !== 1) return record;
  const { walls, link, ...rest } = record;
  const named = walls === undefined ? rest : { ...rest, ingressPolicy: walls };
  if (link === undefined) return { ...named, version: 2 };
  const { policed, ...others } = object(link, '"link"');
  return { ...named, link: policed === undefined ? others : { ...others, enforced: policed }, version: 2 };
}
