// run.ts is the seam that everybody uses; this is one of the two ways behind it.
// oxlint-disable-next-line no-restricted-imports
import type { SpawnSyncReturns } from 'node:child_process';

/** How a program ended. */
export interface ProgramExit {
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
  /** Exit status; undefined when the program did not start or was killed. */
  readonly exitCode?: number | undefined;
  readonly signal?: string | undefined;
  /** The errno of a program that could not be started: "ETXTBSY". Empty where the system does not tell it. */
  readonly startError?: string | undefined;
}

export interface SpawnOptions {
  readonly input: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Milliseconds, after which it is killed with SIGKILL. */
  readonly deadline: number;
}

/**
 * Runs a program to its end while this process goes on. Never throws: a program that cannot be started has no exit
 * status, and says why in `stderr`.
 *
 * node:child_process takes a millisecond to load and its streams two more; the executable's runtime has a way of its
 * own, which is built in. Under Node the process stands still meanwhile.
 */
export async function spawnProgram(file: string, args: readonly string[], options: SpawnOptions): Promise<ProgramExit> {
  const { Bun: runtime } = globalThis as { Bun?: Runtime };
  return runtime === undefined ? spawnProgramNow(file, args, options) : spawnBeside(runtime, [file, ...args], options);
}

/** What this uses of Bun (bun.com/docs/runtime/child-process). */
interface Runtime {
  spawn(command: readonly string[], options: object): Child;
  readableStreamToText(stream: unknown): Promise<string>;
}

interface Child {
  readonly stdout: unknown;
  readonly stderr: unknown;
  readonly exited: Promise<unknown>;
  /** Null when it was killed. */
  readonly exitCode: number | null;
  readonly signalCode: string | null;
}

async function spawnBeside(
  runtime: Runtime,
  command: readonly string[],
  { input, env, deadline }: SpawnOptions,
): Promise<ProgramExit> {
  const begin = performance.now();
  let child: Child;
  try {
    child = runtime.spawn(command, {
      stdin: new TextEncoder().encode(input),
      stdout: 'pipe',
      stderr: 'pipe',
      env,
      timeout: deadline,
      killSignal: 'SIGKILL',
    });
  } catch (error) {
    const { message, code = '' } = error as NodeJS.ErrnoException;
    return { stdout: '', stderr: message, timedOut: false, startError: code };
  }
  const outputs = Promise.all([child.stdout, child.stderr].map((output) => runtime.readableStreamToText(output)));
  await child.exited;
  const { exitCode, signalCode: signal } = child;
  const [stdout = '', stderr = ''] = await (signal === null ? outputs : Promise.race([outputs, nothingAfter(100)]));
  return {
    stdout,
    stderr,
    timedOut: signal === 'SIGKILL' && performance.now() - begin >= deadline,
    exitCode: exitCode ?? undefined,
    signal: signal ?? undefined,
    startError: exitCode === null && signal === null ? '' : undefined,
  };
}

/** Who was killed may have left children that hold its outputs open. */
function nothingAfter(milliseconds: number): Promise<string[]> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds, []));
}

/** As {@link spawnProgram}, while this process stands still. */
export function spawnProgramNow(
  file: string,
  args: readonly string[],
  { input, env, deadline }: SpawnOptions,
): ProgramExit {
  const { spawnSync } = process.getBuiltinModule('node:child_process');
  const { stdout, stderr, status, signal, error }: Partial<SpawnSyncReturns<string>> = spawnSync(file, args, {
    input,
    env,
    timeout: deadline,
    killSignal: 'SIGKILL',
    encoding: 'utf8',
    maxBuffer: Number.POSITIVE_INFINITY,
  });
  const { code = '', message = '' } = (error ?? {}) as Partial<NodeJS.ErrnoException>;
  const isStarted = status !== null || signal !== null;
  return {
    stdout: stdout ?? '',
    stderr: isStarted ? (stderr ?? '') : message,
    timedOut: code === 'ETIMEDOUT',
    startError: isStarted ? undefined : code,
    exitCode: status ?? undefined,
    signal: signal ?? undefined,
  };
}

/** Runs a program on the terminal of this process, and returns its exit status: -1 when it cannot be started. */
export function spawnForeground(file: string, args: readonly string[]): number {
  const { spawnSync } = process.getBuiltinModule('node:child_process');
  return spawnSync(file, args, { stdio: 'inherit' }).status ?? -1;
}
