// run.ts is the seam that everybody uses; this is one of the two ways behind it.
// oxlint-disable-next-line no-restricted-imports
import { spawn } from 'node:child_process';

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
 * Runs a program to its end, with as little around it as can be: a plugin starts three to six of them, and is waited for.
 * Never throws: a program that cannot be started has no exit status, and says why in `stderr`.
 */
export function spawnProgram(
  file: string,
  args: readonly string[],
  { input, env, deadline }: SpawnOptions,
): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(file, args, { env, stdio: 'pipe' });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
      // A grandchild that holds on to them would keep us waiting.
      child.stdout.destroy();
      child.stderr.destroy();
    }, deadline);
    const end = (ended: Pick<Ended, 'exitCode' | 'signal'>, why = ''): void => {
      clearTimeout(timer);
      resolve({ stdout: textOf(stdout), stderr: `${textOf(stderr)}${why}`, timedOut, ...ended });
    };
    child.stdout.on('data', (data: Buffer) => stdout.push(data));
    child.stderr.on('data', (data: Buffer) => stderr.push(data));
    child.on('error', (error) => end({}, error.message));
    child.on('close', (code, signal) => end({ exitCode: code ?? undefined, signal: signal ?? undefined }));
    // A program that does not read its input to the end may close it: how it ended says whether that was right.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

function textOf(chunks: readonly Buffer[]): string {
  return Buffer.concat(chunks).toString('utf8');
}
