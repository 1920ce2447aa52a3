import { listReadable, replaceFile } from './files.ts';
import { readFileSync, statSync, utimesSync } from 'node:fs';
import { sha256 } from '../digest/sha256.ts';
import { CniError, codes } from '../cni/errors.ts';
import { stateDir } from './paths.ts';
import { bootId } from './uptime.ts';
import { systemReason } from '../text/system-error.ts';

/*
 * /var/lib/drawbridge/boot/<first 16 hex of sha256(subject)>.json
 *   { "subject": "...", "bootId": "..." }: the boot in which the subject was last used; the file's mtime says when.
 */

/** Where times lie around the last boot, in milliseconds since 1970. */
export interface BootTimes {
  readonly now: number;
  /** When the machine booted, by the clock as it is set now. */
  readonly booted: number;
  /** The same by the clock as it was set then; absent when nothing tells it. */
  readonly bootedThen?: number;
  /** When the subject was last used in an earlier boot, by the clock of that boot; absent when it was not. */
  readonly lastUsed?: number;
}

/**
 * Tells whether `subject` is used for the first time since the machine booted; if so, with the times
 * that {@link isFromBeforeBoot} needs, else undefined. The caller clears up and then calls {@link stampBoot}.
 */
export function firstUseSinceBoot(subject: string): BootTimes | undefined {
  const stamp = readStamp(subject);
  if (stamp?.bootId === bootId()) return undefined;
  const times = readTimes();
  return stamp === undefined ? times : { ...times, lastUsed: stamp.usedAt };
}

/** Everything that was used in an earlier boot and not since. */
export function subjectsOfEarlierBoots(): string[] {
  return listStamps().flatMap((file) => {
    try {
      const stamp = JSON.parse(readFileSync(`${stateDir}/boot/${file}`, 'utf8')) as {
        subject?: unknown;
        bootId?: unknown;
      };
      return typeof stamp.subject === 'string' && stamp.bootId !== bootId() ? [stamp.subject] : [];
    } catch {
      return [];
    }
  });
}

function listStamps(): string[] {
  return listReadable(`${stateDir}/boot`).filter((name) => /^[0-9a-f]{16}\.json$/.test(name));
}

/** Remembers that `subject` is used now, in this boot. Throws {@link CniError} with code 5 when it cannot. */
export function stampBoot(subject: string): void {
  const file = stampFile(subject);
  try {
    replaceFile(file, JSON.stringify({ subject, bootId: bootId() }), { mode: 0o644, folderMode: 0o755 });
  } catch (cause) {
    throw new CniError(
      codes.ioFailure,
      `Cannot write "${file}": ${systemReason(cause)}`,
      'It tells leases of an earlier boot from those of this one: make room or the folder writable',
      { cause },
    );
  }
}

/**
 * Renews the time of a stamp of this boot: to now, or to `ahead` milliseconds later for one who is about to use the
 * subject and may be killed at it. Never throws: without it, only reboots of less than a minute are told worse.
 */
export function renewStamp(subject: string, ahead = 0): void {
  // One more, since a Date holds whole milliseconds and the times of files do not.
  const then = new Date(Date.now() + ahead + 1);
  try {
    utimesSync(stampFile(subject), then, then);
  } catch {}
}

/** Milliseconds by which clocks and the moments of a boot may differ and still be the same. */
const tolerance = 60_000;

/**
 * Whether something made at `madeAt` is from an earlier boot. In doubt it is not: a file too many costs an
 * address, a file too few gives one twice.
 *
 * Hosts without a battery-backed clock begin each boot in the past and set the clock later. So what this boot
 * made lies after its beginning by the one clock or by the other, and no further than the machine is up. What lies
 * there and is no younger than the last use in an earlier boot (a fast reboot) is told by that, unless the clock was
 * set forward since the boot or is still behind: then times of the two boots do not compare.
 */
export function isFromBeforeBoot(madeAt: number, { now, booted, bootedThen, lastUsed }: BootTimes): boolean {
  const uptime = now - booted;
  const beginnings = bootedThen === undefined ? [booted] : [booted, bootedThen];
  const mayBeOfThisBoot = beginnings.some(
    (begin) => begin - tolerance <= madeAt && madeAt <= begin + uptime + tolerance,
  );
  if (!mayBeOfThisBoot) return true;
  const wasSetForward = bootedThen !== undefined && bootedThen < booted - tolerance;
  return lastUsed !== undefined && madeAt <= lastUsed && lastUsed <= now && !wasSetForward;
}

/** "btime" of /proc/stat follows every setting of the clock; the birth of the tmpfs on /run was noted once, at boot. */
function readTimes(): BootTimes {
  const now = Date.now();
  const btime = /^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1];
  const booted = btime === undefined ? 0 : Number(btime) * 1000;
  const bootedThen = statSync('/run', { throwIfNoEntry: false })?.birthtimeMs ?? 0;
  // Zero where the filesystem keeps no birth times (tmpfs before Linux 5.18).
  return bootedThen > 0 ? { now, booted, bootedThen } : { now, booted };
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

function stampFile(subject: string): string {
  return `${stateDir}/boot/${sha256(subject).slice(0, 16)}.json`;
}
