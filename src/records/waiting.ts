import { ageOf } from './age.ts';
import type { AttachmentRecord } from './record.ts';
import { enforcedInterfacesOf } from './sections.ts';

/**
 * Whether an attachment waits for the policy of a plugin that follows in its list. Until that comes, between two ADDs
 * or for ever, its container reaches nothing.
 */
export function waitsForPolicy(record: AttachmentRecord): boolean {
  const { state, unfinished, egress } = record;
  const isMade = state === 'ready' && unfinished !== true;
  return isMade && egress === undefined && enforcedInterfacesOf(record).length > 0;
}

/** Milliseconds after its ADD in which the policy of a container comes, be the host as slow as it may. */
const patience = 10_000;

/** Whether it has waited so long that nobody brings its policy any more. */
export function waitsForEver(record: AttachmentRecord): boolean {
  return waitsForPolicy(record) && ageOf(record) > patience;
}
