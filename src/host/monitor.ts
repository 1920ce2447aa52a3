// run() is for programs that end; a monitor goes on until it is stopped.
// oxlint-disable-next-line no-restricted-imports
import { spawn, type ChildProcess } from 'node:child_process';
import { findProgram } from './run.ts';

export interface MonitorOptions {
  /** Each line that the program prints. */
  readonly onLine: (line: string) => void;
  /** The program listens, for the first time or again: what happened before then was not seen. */
  readonly onGap: () => void;
}

export interface Monitor {
  stop(): void;
}

/** Milliseconds that a monitor has to have run to be started again at once when it ends; another one waits as long. */
const pause = 1000;
/** Milliseconds that a monitor takes to begin to listen; what happens meanwhile is found by the look after the gap. */
const settling = 100;

/** Keeps a program running that prints what changes: `nft monitor`, `ip monitor`. */
export function startMonitor(program: string, args: readonly string[], { onLine, onGap }: MonitorOptions): Monitor {
  let child: ChildProcess | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;
  start();
  return {
    stop: () => {
      isStopped = true;
      clearTimeout(timer);
      child?.kill('SIGKILL');
    },
  };

  function start(): void {
    if (isStopped) return;
    const began = performance.now();
    const started = spawn(findProgram(program) ?? program, args, {
      env: { LC_ALL: 'C', HOME: '/dev/null' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child = started;
    let rest = '';
    // What it lost is told on stderr: "ERROR: We lost some netlink events!"
    for (const stream of [started.stdout, started.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (chunk: string) => {
        const lines = `${rest}${chunk}`.split('\n');
        rest = lines.pop() ?? '';
        lines.forEach(onLine);
      });
    }
    timer = setTimeout(onGap, settling);
    started.on('error', () => {});
    started.on('close', () => {
      clearTimeout(timer);
      if (!isStopped) timer = setTimeout(start, Math.max(0, began + pause - performance.now()));
    });
  }
}
