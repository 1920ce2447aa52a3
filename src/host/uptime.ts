import { readFileSync } from 'node:fs';

/** A moment as a file keeps it, for readers of this boot and of later ones. */
export interface Stamp {
  /** The boot's id (/proc/sys/kernel/random/boot_id). */
  readonly boot: string;
  /** Milliseconds since that boot. */
  readonly uptime: number;
  /** Milliseconds since 1970. */
  readonly wall: number;
}

/** Milliseconds since the machine booted, its sleep included: every process of a boot sees the same, nobody sets it. */
export function uptime(): number {
  return Number.parseFloat(readFileSync('/proc/uptime', 'latin1')) * 1000;
}

export function stampNow(): Stamp {
  return { boot: bootId(), uptime: uptime(), wall: Date.now() };
}

/**
 * The moment of a stamp in milliseconds since this boot: below zero when it was in an earlier one, told by wall time.
 * Undefined when it lies in the future: the clock was set back since, or somebody wrote the file, and nothing tells how
 * long ago it was.
 */
export function sinceBoot(stamp: Stamp, now: Stamp = stampNow()): number | undefined {
  if (stamp.boot === now.boot) return stamp.uptime > now.uptime ? undefined : stamp.uptime;
  return stamp.wall > now.wall ? undefined : now.uptime - (now.wall - stamp.wall);
}

let knownBootId: string | undefined;

export function bootId(): string {
  knownBootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return knownBootId;
}
