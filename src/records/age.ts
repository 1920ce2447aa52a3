import { uptime } from '../host/uptime.ts';
import type { AttachmentRecord } from './record.ts';

type RecordDate = Pick<AttachmentRecord, 'createdAt' | 'createdUptime'>;

/**
 * When a record was made, in milliseconds since boot. Records do not outlive a boot. One of before 0.2.0 tells it by
 * wall time alone, and was made long ago where that lies in the future.
 */
export function madeAt({ createdAt, createdUptime }: RecordDate): number {
  if (createdUptime !== undefined) return createdUptime;
  const age = Date.now() - Date.parse(createdAt);
  return age >= 0 ? uptime() - age : Number.NEGATIVE_INFINITY;
}

/** Milliseconds since a record was made. */
export function ageOf(record: RecordDate): number {
  return uptime() - madeAt(record);
}

/** The oldest first. Two that tell wall time alone are compared by it: the two clocks are never read at one moment. */
export function byAge(one: RecordDate, other: RecordDate): number {
  const isByWall = one.createdUptime === undefined && other.createdUptime === undefined;
  const [a, b] = isByWall ? [Date.parse(one.createdAt), Date.parse(other.createdAt)] : [madeAt(one), madeAt(other)];
  return a < b ? -1 : a > b ? 1 : 0;
}
