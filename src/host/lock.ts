import { mkdirSync, rmdirSync, statSync, utimesSync } from 'node:fs';
import { dirname } from 'node:path/posix';
import { setTimeout as sleep } from 'node:timers/promises';
import lockfile from 'proper-lockfile';
import { CniError, codes } from '../cni/errors.ts';
import { listFolder } from './files.ts';
import { getInLine, hasLine } from './lock-queue.ts';
import { isHeldByDead, readHolder, removeHolder, writeHolder, type Holder } from './lock-holder.ts';
import { runDir } from './paths.ts';
import { phase } from './trace.ts';
import { systemReason } from '../text/system-error.ts';

/*
 * /run/drawbridge/locks/<name>.lock            directory: who made it holds the lock; its mtime is renewed while held
 * /run/drawbridge/locks/<name>.holder          who holds it, see lock-holder.ts
 * /run/drawbridge/locks/<name>.queue/          who waits for it, see lock-queue.ts
 * /run/drawbridge/locks/<name>.takeover.lock   the same for the moment in which one takes it from a dead holder
 */

export interface LockOptions {
  /** Milliseconds to wait for the lock. */
  deadline?: number;
}

/**
 * Milliseconds after which a lock that its holder no longer renews is taken over, where nothing tells that the holder
 * is dead. proper-lockfile renews every half of it, and allows no less than 2000.
 */
const stale = 3_000;

/** Far above what a crowd costs one that is unlucky, and below what runtimes wait for a plugin. */
const defaultDeadline = 30_000;

/**
 * Runs `fn` while holding the lock `name` (a file name). `holder` says what for: "ADD web0 eth0".
 *
 * The lock keeps the order and saves work; it is not proof of being alone: a holder that stood still for longer
 * than the stale time loses it unawares, and proper-lockfile has a race between two that take over at once
 * (proper-lockfile#121). What must not happen twice needs a truth of its own: O_EXCL, link(2), rename(2).
 *
 * Throws {@link CniError} with code 11 and the holder's name when the deadline passes.
 */
export async function withLock<T>(
  name: string,
  holder: string,
  fn: () => T | Promise<T>,
  { deadline = defaultDeadline }: LockOptions = {},
): Promise<T> {
  const file = `${runDir}/locks/${name}`;
  const release = await phase(`wait for lock ${name}`, () => acquire(file, { name, holder, deadline }));
  try {
    return await phase(`hold lock ${name}`, fn);
  } finally {
    removeHolder(file);
    try {
      release();
    } catch {
      // Lost to somebody who found it stale: then it is no longer ours to release.
    }
  }
}

/** Takes away the locks whose holders were killed. Locks that are held stay. */
export function releaseAbandoned(): void {
  const folder = `${runDir}/locks`;
  const names = listFolder(folder).filter((name) => name.endsWith('.lock'));
  for (const name of names) {
    const file = `${folder}/${name.slice(0, -'.lock'.length)}`;
    const release = tryLock(file);
    if (release === undefined) continue;
    removeHolder(file);
    release();
  }
}

interface Waiter {
  readonly name: string;
  readonly holder: string;
  readonly deadline: number;
}

async function acquire(file: string, { name, holder, deadline }: Waiter): Promise<() => void> {
  const begin = performance.now();
  const release = hasLine(file) ? undefined : tryLock(file);
  if (release !== undefined) return held(file, holder, release);
  const place = getInLine(file);
  try {
    for (let attempt = 0; ; attempt++) {
      const waited = performance.now() - begin;
      if (waited >= deadline) throw lockedError({ name, holder, deadline }, readHolder(file));
      const before = place.before();
      await sleep(Math.min(waitBefore(attempt, before), deadline - waited));
      // The first may stand still: so the others try as well, seldom.
      if (before > 0 && attempt % impatience !== impatience - 1) continue;
      const got = tryLock(file);
      if (got !== undefined) return held(file, holder, got);
    }
  } finally {
    place.leave();
  }
}

function held(file: string, holder: string, release: () => void): () => void {
  writeHolder(file, holder);
  return release;
}

/** What proper-lockfile needs of a file system: its own choice, graceful-fs, patches all of it, which takes time. */
const fileSystem = { mkdirSync, rmdirSync, statSync, utimesSync };

/** Undefined when somebody else has the lock. Takes it from one who is dead. */
function tryLock(file: string): (() => void) | undefined {
  return isHeldByDead(file) && !takeAway(file) ? undefined : makeLock(file);
}

function makeLock(file: string): (() => void) | undefined {
  try {
    return lockfile.lockSync(file, { realpath: false, stale, onCompromised: () => {}, fs: fileSystem });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ELOCKED') return undefined;
    if (code !== 'ENOENT') throw unlockable(file, error);
    makeFolder(file);
    return makeLock(file);
  }
}

/**
 * Takes the lock away from a holder that is dead; false when somebody else is about to. One at a time: else the second
 * would take it from who took it first.
 */
function takeAway(file: string): boolean {
  const release = makeLock(`${file}.takeover`);
  if (release === undefined) return false;
  try {
    if (!isHeldByDead(file)) return true;
    // Not stale any more: else one who no longer finds who held it would take it over by its age.
    const now = Date.now() / 1000;
    utimesSync(`${file}.lock`, now, now);
    removeHolder(file);
    rmdirSync(`${file}.lock`);
    return true;
  } catch (error) {
    throw unlockable(file, error);
  } finally {
    release();
  }
}

/** Missing after each boot. */
function makeFolder(file: string): void {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
  } catch (error) {
    throw unlockable(file, error);
  }
}

function unlockable(file: string, cause: unknown): CniError {
  return new CniError(codes.ioFailure, `Cannot lock "${file}": ${systemReason(cause)}`, undefined, { cause });
}

/** Who is not the first in the line tries after so many pauses: half a second and more. */
const impatience = 16;

/**
 * Milliseconds: short at first, since the lock is held for one or two, and short for who is next; longer for those
 * behind, with chance in it so that they spread.
 */
function waitBefore(attempt: number, before: number): number {
  const longest = before === 0 ? 3 : Math.min(10 * before, 50);
  return Math.min(2 * 1.3 ** attempt, longest) * (0.5 + Math.random());
}

function lockedError({ name, holder, deadline }: Waiter, { pid, what, since }: Partial<Holder> = {}): CniError {
  const owner =
    pid === undefined ? 'another process' : `process ${pid} ("${what ?? ''}") since ${since ?? 'an unknown time'}`;
  return new CniError(
    codes.tryAgainLater,
    `Cannot lock "${name}" for "${holder}" within ${deadline} ms: ${owner} holds it`,
    `A lock whose holder died is taken over after ${stale} ms; try again`,
  );
}
