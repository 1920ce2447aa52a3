import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Host } from '../test/helpers/private-host.ts';

const python = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3';

/** What one run of a program, or of a chain of them, took. */
export interface Run {
  /** Milliseconds of wall time. */
  readonly ms: number;
  /** Milliseconds of user and system time, children included. */
  readonly cpu: number;
  /** Kilobytes: the peaks of the programs of a chain, summed. */
  readonly rss: number;
  readonly result: unknown;
}

export type Job =
  | {
      readonly op: 'chain';
      readonly verb: string;
      readonly plugins: readonly (readonly [string, object])[];
      readonly env: Readonly<Record<string, string>>;
      readonly prev?: unknown;
    }
  | {
      readonly op: 'exec';
      readonly cmd: readonly string[];
      readonly env: Readonly<Record<string, string>>;
      readonly input?: string;
    };

export interface Driver {
  run(job: Job): Promise<Run>;
  /** Runs jobs so many at a time; `ms` is the time of all. */
  many(jobs: readonly Job[], width: number): Promise<{ ms: number; each: Run[] }>;
  stop(): Promise<void>;
}

/** Starts drive.py inside a private host: what it measures has no part of this process in it. */
export function startDriver(host: Host): Driver {
  const child = spawn(
    'nsenter',
    ['-t', String(host.pid), '-m', '-n', '-p', python, '-I', '-S', join(import.meta.dirname, 'drive.py')],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async <T>(request: object): Promise<T> => {
    child.stdin.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await answers.next();
    if (done === true) throw new Error('The driver inside the private host has ended');
    const answer = JSON.parse(value) as T & { error?: string };
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  };
  return {
    run: (job) => ask<Run>(job),
    many: (jobs, width) => ask({ op: 'many', jobs, width }),
    stop: async () => {
      child.stdin.end();
      await ended;
    },
  };
}
