import { withLock } from '../../host/lock.ts';
import { writeHints } from '../../records/hints.ts';
import type { AttachmentRecord } from '../../records/record.ts';

/**
 * Puts back hints that somebody took away: without them ADD and DEL would not see who else has a port, or a policy. Nobody tells
 * of them, so this is for a thorough look. Throws code 5 when one cannot be written, 11 when the lock is not to be had.
 */
export async function repairHints(records: () => readonly AttachmentRecord[]): Promise<void> {
  await withLock('tables', 'hints', () => records().forEach((record) => writeHints(record)));
}
