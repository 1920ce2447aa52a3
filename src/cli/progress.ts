import type { Terminal } from './terminal.ts';

/** Fewer steps than this pass faster than a person reads. */
const fewest = 20;

/** Milliseconds between two drawings. */
const pause = 80;

/** Shows on stderr how far something is, on terminals only; to be called before each step, and once at the end. */
export function makeProgress(what: string, total: number, { isWatched, width }: Terminal): (done: number) => void {
  if (!isWatched || total < fewest) return () => {};
  let last = 0;
  return (done) => {
    const now = performance.now();
    if (done < total && now - last < pause) return;
    last = now;
    const room = Math.max(10, Math.min(40, width - what.length - 20));
    const filled = Math.round((done / total) * room);
    const line = `${what} [${'#'.repeat(filled)}${'-'.repeat(room - filled)}] ${done}/${total}`;
    process.stderr.write(done === total ? `\r${' '.repeat(line.length)}\r` : `\r${line}`);
  };
}
