import { readFileSync, readlinkSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { startTime } from './process.ts';

/*
 * <lock>.holder   JSON of who holds the lock, written once it has it and removed before it gives it back
 */

/** Who has a lock: shown to those who wait for it in vain, and enough to see whether it lives. */
export interface Holder {
  readonly pid: number;
  readonly what: string;
  readonly since: string;
  /** When the process began, in clock ticks, as /proc tells it: tells it from a later one of the same number. */
  readonly began: string;
  /** Namespaces in which `pid` and `began` mean something. */
  readonly namespaces: string;
  /** Inode of the lock's folder: what is said here is about that one, and not about one that somebody made after it. */
  readonly lock: number;
}

/** Says who has the lock `file`. Never throws: who is not known is taken for alive. */
export function writeHolder(file: string, what: string): void {
  try {
    const { began, namespaces } = ourselves();
    const holder: Holder = {
      pid: process.pid,
      what,
      since: new Date().toISOString(),
      began,
      namespaces,
      lock: statSync(`${file}.lock`).ino,
    };
    writeFileSync(`${file}.holder`, JSON.stringify(holder), { mode: 0o644 });
  } catch {}
}

export function removeHolder(file: string): void {
  try {
    unlinkSync(`${file}.holder`);
  } catch {}
}

/** What is known of who holds the lock `file`. */
export function readHolder(file: string): Partial<Holder> | undefined {
  try {
    const holder = JSON.parse(readFileSync(`${file}.holder`, 'utf8')) as Partial<Holder> | null;
    return holder ?? undefined;
  } catch {
    return undefined;
  }
}

/**
 * Whether the lock `file` is held by a process that has ended. In doubt it is not: its holder may be of another
 * PID namespace, or may not have said yet who it is.
 */
export function isHeldByDead(file: string): boolean {
  const holder = readHolder(file);
  if (holder === undefined || !Number.isInteger(holder.pid) || holder.namespaces !== ourselves().namespaces)
    return false;
  return startTime(holder.pid ?? 0) !== holder.began && inodeOf(`${file}.lock`) === holder.lock;
}

let known: Pick<Holder, 'began' | 'namespaces'> | undefined;

/** The time namespace is there because /proc counts the beginning of a process from the boot that it shows. */
function ourselves(): Pick<Holder, 'began' | 'namespaces'> {
  known ??= {
    began: startTime('self') ?? '',
    namespaces: ['pid', 'time'].map((kind) => readlinkSync(`/proc/self/ns/${kind}`)).join(' '),
  };
  return known;
}

function inodeOf(folder: string): number | undefined {
  return statSync(folder, { throwIfNoEntry: false })?.ino;
}
