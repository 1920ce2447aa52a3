import { withLock } from '../host/lock.ts';
import { writeIndex } from '../records/index-files.ts';
import type { AttachmentRecord } from '../records/record.ts';

/**
 * Puts back index entries that somebody took away: without them ADD and DEL would not see who else has a port, or a
 * policy. Nobody tells of them, so this is for a thorough look. Throws code 5 when one cannot be written, 11 when the
 * lock is not to be had.
 */
export async function repairIndex(records: () => readonly AttachmentRecord[]): Promise<void> {
  await withLock('tables', 'index entries', () => records().forEach((record) => writeIndex(record)));
}
