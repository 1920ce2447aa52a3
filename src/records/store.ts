/**
 * Records of attachments: what is on disk.
 *
 *   /run/drawbridge/                        0700; dies at reboot with the kernel objects that it describes
 *     attachments/<key>.json                0600; one attachment (records/record.ts), written whole and renamed
 *     attachments/.<key>.json.<pid>.<n>       a record that is being written; left by a crash, nobody reads it
 *     ports/ addresses/ shared/             index entries that spare a reader all the records (records/index-files.ts)
 */
import { opendirSync, rmSync } from 'node:fs';
import { CniError, codes } from '../cni/errors.ts';
import { isMissing, listFolder } from '../host/files.ts';
import { runDir } from '../host/paths.ts';
import { readText, writeWhole } from '../host/state-file.ts';
import { attachmentKey } from './key.ts';
import { NewerRecordError, readAttachment } from './parse.ts';
import type { AttachmentRecord } from './record.ts';
import { systemReason } from '../text/system-error.ts';

/** A file in place of a record that cannot be read as one: cut short, of another version, or not ours. */
export interface BrokenRecord {
  readonly key: string;
  readonly file: string;
  readonly why: string;
  /** A later version of this program wrote it: it is right, and not ours to change. */
  readonly isNewer: boolean;
  /** What it says nevertheless, when it is JSON. */
  readonly json?: unknown;
}

/** Writes the record of an attachment, so that a reader sees the old one or the new one, whole. Throws code 5. */
export function writeRecord(record: AttachmentRecord, run: string = runDir): void {
  const file = recordFile(record.key, run);
  writeWhole(
    file,
    `${JSON.stringify(record, null, 1)}\n`,
    `Cannot write the record of container ${JSON.stringify(record.containerId)} to "${file}"`,
  );
}

/** The record with a key; undefined when there is none, a {@link BrokenRecord} when the file is not one. */
export function readRecord(key: string, run: string = runDir): AttachmentRecord | BrokenRecord | undefined {
  const file = recordFile(key, run);
  const text = readText(file);
  if (text === undefined) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(text);
    const record = readAttachment(json);
    if (record.key !== key || attachmentKey(record) !== key)
      throw new TypeError(`its name does not belong to container ${JSON.stringify(record.containerId)}`);
    return record;
  } catch (error) {
    const why = systemReason(error);
    return { key, file, why, isNewer: error instanceof NewerRecordError, ...(json === undefined ? {} : { json }) };
  }
}

/** As {@link readRecord}, for a reader who treats a broken record as a missing one. */
export function readSoundRecord(key: string, run: string = runDir): AttachmentRecord | undefined {
  const record = readRecord(key, run);
  return record === undefined || isBroken(record) ? undefined : record;
}

/**
 * The record of the attachment that a verb is about: as {@link readSoundRecord}, but one that a newer drawbridge wrote
 * is not taken for none. Throws code 102 for it.
 */
export function readOwnRecord(key: string, run: string = runDir): AttachmentRecord | undefined {
  const record = readRecord(key, run);
  if (record === undefined) return undefined;
  if (!isBroken(record)) return record;
  refuseNewer(record);
  return undefined;
}

/** Throws code 102 for the record of a later version. */
export function refuseNewer({ file, why, isNewer }: BrokenRecord): void {
  if (!isNewer) return;
  throw new CniError(
    codes.conflict,
    `Cannot use the record "${file}": ${why}`,
    'Nothing of its container was changed; install the newer drawbridge again, and let that one do it',
  );
}

export function isBroken(record: AttachmentRecord | BrokenRecord): record is BrokenRecord {
  return 'why' in record;
}

/** Removes a record; one that is not there is removed. */
export function removeRecord(key: string, run: string = runDir): void {
  rmSync(recordFile(key, run), { force: true });
}

/** All records, and the files that are not records. */
export interface RecordList {
  readonly records: readonly AttachmentRecord[];
  readonly broken: readonly BrokenRecord[];
}

/** Lists them in the order of their keys. */
export function listRecords(run: string = runDir): RecordList {
  const found = listKeys(run).map((key) => readRecord(key, run));
  const present = found.filter((record) => record !== undefined);
  return {
    records: present.filter((record): record is AttachmentRecord => !isBroken(record)),
    broken: present.filter(isBroken),
  };
}

/** Whether there is any record but the one with this key. Looks at two names at most, whatever the number. */
export function hasOtherRecord(key: string, run: string = runDir): boolean {
  try {
    using folder = openFolder(`${run}/attachments`);
    for (let entry = folder.readSync(); entry !== null; entry = folder.readSync()) {
      if (isRecordName(entry.name) && entry.name !== `${key}.json`) return true;
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  return false;
}

function recordFile(key: string, run: string): string {
  return `${run}/attachments/${key}.json`;
}

function listKeys(run: string): string[] {
  try {
    return listFolder(`${run}/attachments`)
      .filter(isRecordName)
      .map((name) => name.slice(0, -'.json'.length))
      .toSorted();
  } catch (error) {
    throw new CniError(codes.ioFailure, `Cannot list the records in "${run}/attachments"`, systemReason(error), {
      cause: error,
    });
  }
}

function isRecordName(name: string): boolean {
  return name.endsWith('.json') && !name.startsWith('.');
}

function openFolder(path: string): ReturnType<typeof opendirSync> & Disposable {
  const folder = opendirSync(path);
  return Object.assign(folder, { [Symbol.dispose]: () => folder.closeSync() });
}
