import { listReadable } from './files.ts';
import { existsSync, mkdirSync, rmdirSync, unlinkSync, writeFileSync } from 'node:fs';

/*
 * /run/drawbridge/locks/<name>.queue/<since>-<pid>   empty: that process waits, since then
 */

/** How many are before somebody in the line, and how to leave it. */
export interface Place {
  readonly before: () => number;
  readonly leave: () => void;
}

/**
 * Gets in the line of those who wait for the lock `file`, at its end, so that in a crowd nobody is passed by again and
 * again. Correctness does not depend on it: a process that cannot get in line, or ignores the line, does no harm. Never
 * throws.
 */
export function getInLine(file: string): Place {
  const folder = folderOf(file);
  const name = `${now()}-${process.pid}`;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o755 });
    writeFileSync(`${folder}/${name}`, '', { mode: 0o644 });
  } catch {}
  return {
    before: () => living(folder).filter((other) => other < name).length,
    leave: () => {
      remove(folder, name);
      removeFolder(folder);
    },
  };
}

/** Whether somebody waits for the lock `file` already. */
export function hasLine(file: string): boolean {
  return living(folderOf(file)).length > 0;
}

function folderOf(file: string): string {
  return `${file}.queue`;
}

/** In the order in which they came. Who was killed while waiting is taken out of the line. */
function living(folder: string): string[] {
  const names = listReadable(folder);
  const dead = names.filter((name) => !existsSync(`/proc/${name.split('-')[1] ?? ''}`));
  for (const name of dead) remove(folder, name);
  if (dead.length > 0 && dead.length === names.length) removeFolder(folder);
  return names.filter((name) => !dead.includes(name)).toSorted();
}

/**
 * Microseconds since 1970, texts of one length, which sort as numbers. Bun's hrtime begins with each process, so it
 * tells no order; a clock that is set meanwhile costs some their turn.
 */
function now(): string {
  return String(Math.round((performance.timeOrigin + performance.now()) * 1000)).padStart(16, '0');
}

function remove(folder: string, name: string): void {
  try {
    unlinkSync(`${folder}/${name}`);
  } catch {}
}

/** Fails while others wait. */
function removeFolder(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {}
}
