import { mkdirSync, readFileSync, renameSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { stateDir } from './paths.ts';

/*
 * /var/lib/drawbridge/boot/<first 16 hex of sha256(subject)>.json
 *   { "subject": "...", "bootId": "..." }: the boot in which the subject was last used; the file's mtime says when.
 */

/** Where times lie around the last boot, in milliseconds since 1970 by the clock of their time. */
export interface BootTimes {
  readonly now: number;
  /** The earliest time that this boot can have begun at. */
  readonly bootedAt: number;
  /** When the subject was last used in an earlier boot, if that is known. */
  readonly lastUsed?: number;
}

/**
 * Tells whether `subject` is used for the first time since the machine booted; if so, with the times
 * that {@link isFromBeforeBoot} needs, else undefined. The caller clears up and then calls {@link stampBoot}.
 */
export function firstUseSinceBoot(subject: string): BootTimes | undefined {
  const stamp = readStamp(subject);
  if (stamp?.bootId === bootId()) return undefined;
  const times = { now: Date.now(), bootedAt: earliestBoot() };
  return stamp === undefined ? times : { ...times, lastUsed: stamp.usedAt };
}

/** Remembers that `subject` is used now, in this boot. */
export function stampBoot(subject: string): void {
  const file = stampFile(subject);
  const temporary = `${file}.${process.pid}`;
  mkdirSync(`${stateDir}/boot`, { recursive: true, mode: 0o755 });
  writeFileSync(temporary, JSON.stringify({ subject, bootId: bootId() }));
  renameSync(temporary, file);
}

/** Renews the time of a stamp of this boot. */
export function renewStamp(subject: string): void {
  // One more, since a Date holds whole milliseconds and the times of files do not.
  const now = new Date(Date.now() + 1);
  utimesSync(stampFile(subject), now, now);
}

/** A clock that was set after the boot began moves the boot's time by as much as it was set; by less than this it drifts. */
const drift = 60_000;

/**
 * Whether something made at `madeAt` is from an earlier boot. In doubt it is not: a file too many costs
 * an address, a file too few gives one twice.
 *
 * Hosts without a battery-backed clock begin each boot in the past: then the last use seems to lie ahead, and
 * nothing in between can be told from what this boot made.
 */
export function isFromBeforeBoot(madeAt: number, { now, bootedAt, lastUsed }: BootTimes): boolean {
  if (madeAt < bootedAt - drift) return true;
  if (lastUsed === undefined) return false;
  return lastUsed <= now ? madeAt <= lastUsed : now < madeAt && madeAt <= lastUsed;
}

/**
 * The kernel's boot time (/proc/stat, "btime") follows every setting of the clock, so on its own it may
 * lie after what this boot made. The birth of the tmpfs on /run was written down by the clock of that moment.
 */
function earliestBoot(): number {
  const btime = Number(/^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1] ?? 0) * 1000;
  const born = statSync('/run').birthtimeMs;
  // Zero where the filesystem keeps no birth times (tmpfs before Linux 5.18).
  return born > 0 ? Math.min(btime, born) : btime;
}

function readStamp(subject: string): { bootId: unknown; usedAt: number } | undefined {
  try {
    const file = stampFile(subject);
    const stamp = JSON.parse(readFileSync(file, 'utf8')) as { bootId?: unknown };
    return { bootId: stamp.bootId, usedAt: statSync(file).mtimeMs };
  } catch {
    return undefined;
  }
}

let knownBootId: string | undefined;

function bootId(): string {
  knownBootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return knownBootId;
}

function stampFile(subject: string): string {
  return `${stateDir}/boot/${createHash('sha256').update(subject).digest('hex').slice(0, 16)}.json`;
}
