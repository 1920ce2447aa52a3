// run.ts is the seam that everybody uses; this is one of the two ways behind it.
// oxlint-disable-next-line no-restricted-imports
import { spawn, spawnSync } from 'node:child_process';

/** How a program ended. */
export interface Ended {
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
  /** Exit status; undefined when the program did not start or was killed. */
  readonly exitCode?: number | undefined;
  readonly signal?: string | undefined;
}

export interface SpawnOptions {
  readonly input: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Milliseconds, after which it is killed with SIGKILL. */
  readonly deadline: number;
}

/**
 * Runs a program to its end while this process stands still, which costs the least: streams and events take more
 * time to load and to run than the children of a plugin do. Never throws: a program that cannot be started has no exit
 * status, and says why in `stderr`.
 */
export function spawnProgram(file: string, args: readonly string[], { input, env, deadline }: SpawnOptions): Ended {
  const { stdout, stderr, status, signal, error } = spawnSync(file, args, {
    input,
    env,
    timeout: deadline,
    killSignal: 'SIGKILL',
    encoding: 'utf8',
    maxBuffer: Number.POSITIVE_INFINITY,
  });
  return {
    stdout: stdout ?? '',
    stderr: status === null && signal === null ? (error?.message ?? '') : (stderr ?? ''),
    timedOut: (error as NodeJS.ErrnoException | undefined)?.code === 'ETIMEDOUT',
    exitCode: status ?? undefined,
    signal: signal ?? undefined,
  };
}

/**
 * Starts a program without input whose output nobody reads, and says whether it succeeded. It runs while this process
 * goes on, also while that waits for another program.
 */
export function startProgram(
  file: string,
  args: readonly string[],
  { env, deadline }: Omit<SpawnOptions, 'input'>,
): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(file, args, { env, stdio: 'ignore', timeout: deadline, killSignal: 'SIGKILL' });
    child.on('error', () => resolve(false));
    child.on('exit', (status) => resolve(status === 0));
  });
}
