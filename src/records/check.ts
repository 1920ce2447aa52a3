import { findLacking } from '../dataplane/check.ts';
import { desired } from './desired.ts';
import { rivalsOf } from './index-files.ts';
import type { AttachmentRecord } from './record.ts';

/**
 * Compares what the kernel holds for an attachment with what its record says, and names what is missing or different;
 * empty when all is there. Throws code 100 when nft cannot be run.
 */
export async function findMissing(record: AttachmentRecord): Promise<string[]> {
  return findLacking(desired(record), rivalsOf(record).map(desired));
}
