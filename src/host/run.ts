import { accessSync, constants, realpathSync } from 'node:fs';
import { CniError, codes } from '../cni/errors.ts';
import { visibleLines } from '../text/visible.ts';
import { spawnForeground, spawnProgram, spawnProgramNow, type ProgramExit, type SpawnOptions } from './spawn.ts';
import { begin } from './trace.ts';

/** Where programs are looked for after PATH: a runtime may start a plugin with an empty one. */
const usualFolders = ['/usr/sbin', '/usr/bin', '/sbin', '/bin', '/usr/local/sbin', '/usr/local/bin'];

/** Longest time in milliseconds that a child may take before it is killed, unless the caller says otherwise. */
const defaultDeadline = 30_000;

export interface RunOptions {
  /** What the child reads on stdin. */
  input?: string;
  /** Milliseconds; the child is killed with SIGKILL when they have passed. */
  deadline?: number;
  /** Environment of the child, added to ours. */
  env?: Record<string, string>;
}

export interface RunResult {
  stdout: string;
  stderr: string;
}

/** A program that ended with a failure, did not end in time, or could not be started. */
export class CommandError extends CniError {
  readonly stderr: string;
  readonly stdout: string;
  /** Exit status; undefined when the program did not start or was killed. */
  readonly exitCode: number | undefined;
  /** As of {@link ProgramExit}. */
  readonly startError: string | undefined;

  constructor(
    message: string,
    { stderr, stdout, exitCode, startError }: Pick<ProgramExit, 'stderr' | 'stdout' | 'exitCode' | 'startError'>,
  ) {
    super(codes.commandFailed, message, stderr.trim().slice(0, 2000));
    this.stderr = stderr;
    this.stdout = stdout;
    this.exitCode = exitCode;
    this.startError = startError;
  }
}

/**
 * Runs a program without a shell and returns what it printed. With {@link runNow} the only place that starts a process.
 *
 * Throws {@link CommandError} when it fails, hangs past its deadline or is not installed.
 */
export async function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const { file, command, spawn } = prepare(program, args, options);
  const end = begin(program, () => ({ command, input: spawn.input }));
  const done = await start(file, args, spawn);
  end();
  return outputOf(command, done, spawn.deadline);
}

/** As {@link run}, while this process stands still: for callers that need an answer at once. */
export function runNow(program: string, args: readonly string[], options: RunOptions = {}): RunResult {
  const { file, command, spawn } = prepare(program, args, options);
  const end = begin(program, () => ({ command, input: spawn.input }));
  const done = spawnProgramNow(file, args, spawn);
  end();
  return outputOf(command, done, spawn.deadline);
}

interface PreparedRun {
  readonly file: string;
  readonly command: string;
  readonly spawn: SpawnOptions;
}

function prepare(program: string, args: readonly string[], { input, deadline, env }: RunOptions): PreparedRun {
  const file = findProgram(program);
  if (file === undefined) {
    throw new CommandError(`Cannot run "${program}": it is not installed in ${searchFolders().join(', ')}`, {
      stderr: '',
      stdout: '',
    });
  }
  const command = [program, ...args].join(' ');
  tell(command, () => input ?? '');
  return {
    file,
    command,
    spawn: { input: input ?? '', deadline: deadline ?? defaultDeadline, env: { ...process.env, LC_ALL: 'C', ...env } },
  };
}

function outputOf(command: string, done: ProgramExit, deadline: number): RunResult {
  if (done.exitCode !== 0 || done.timedOut) throw new CommandError(failureMessage(command, done, deadline), done);
  return { stdout: done.stdout, stderr: done.stderr };
}

/** Runs a program that a person talks to, on their terminal; returns its exit status, -1 when it cannot be started. */
export function runForeground(program: string, args: readonly string[]): number {
  return spawnForeground(findProgram(program) ?? program, args);
}

/** With DRAWBRIDGE_VERBOSE=1, tells on stderr what is about to be done. */
export function tell(command: string, input: () => string = () => ''): void {
  if (process.env['DRAWBRIDGE_VERBOSE'] === '1') process.stderr.write(visibleLines(`[#] ${command}\n${input()}`));
}

/**
 * Returns when everything that waits for nothing has begun: programs that other steps start run while the caller goes
 * on to what keeps this process, such as a request to the kernel.
 */
export function whatCanBeStarted(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Full path of a program, from PATH and then the usual folders; undefined when it is in none of them. */
export function findProgram(program: string): string | undefined {
  if (program.includes('/')) return program;
  return searchFolders()
    .map((folder) => `${folder}/${program}`)
    .find((file) => fileOf(file) !== undefined);
}

/** Full paths of all programs of that name, in the order in which they are looked for; of one file one path. */
export function findPrograms(program: string): string[] {
  const byFile = new Map<string, string>();
  for (const folder of searchFolders()) {
    const path = `${folder}/${program}`;
    const file = fileOf(path);
    if (file !== undefined && !byFile.has(file)) byFile.set(file, path);
  }
  return [...byFile.values()];
}

/** The file that a path leads to, where it is a program. */
function fileOf(path: string): string | undefined {
  try {
    accessSync(path, constants.X_OK);
    const file = realpathSync(path);
    // A PATH that leads to the plugins has us under the name of iproute2's "bridge" too.
    return file === process.execPath ? undefined : file;
  } catch {
    return undefined;
  }
}

function searchFolders(): string[] {
  const path = (process.env['PATH'] ?? '').split(':').filter((folder) => folder.startsWith('/'));
  return [...new Set([...path, ...usualFolders])];
}

/**
 * The executable has a way of its own to start children: execa takes 4 ms of CPU time for each and as much again to
 * load (ARCHITECTURE.md). Besides, it gives a child its input as a file in memory, and execa as a socket, which nft
 * 1.0.9 and 0.9.8 refuse to read. Under Node, only what a plugin starts is started that way.
 */
async function start(file: string, args: readonly string[], options: SpawnOptions): Promise<ProgramExit> {
  return isPluginRun() || process.versions['bun'] !== undefined
    ? spawnProgram(file, args, options)
    : startWithExeca(file, args, options);
}

/** Whether a container runtime has started this process for one verb, and waits for it. */
export function isPluginRun(): boolean {
  return (process.env['CNI_COMMAND'] ?? '') !== '';
}

async function startWithExeca(
  file: string,
  args: readonly string[],
  { input, deadline, env }: SpawnOptions,
): Promise<ProgramExit> {
  const { execa } = await import('execa');
  const done = await execa(file, args, {
    input,
    timeout: deadline,
    killSignal: 'SIGKILL',
    reject: false,
    stripFinalNewline: false,
    extendEnv: false,
    env,
  });
  const { stdout, stderr, timedOut, exitCode, signal } = done;
  const isStarted = exitCode !== undefined || signal !== undefined;
  return {
    stdout,
    stderr: isStarted ? stderr : (done.originalMessage ?? stderr),
    timedOut,
    exitCode,
    signal,
    startError: isStarted ? undefined : (done.code ?? ''),
  };
}

function failureMessage(
  command: string,
  { timedOut, exitCode, signal, stderr }: ProgramExit,
  deadline: number,
): string {
  if (timedOut) return `Cannot run "${command}": it did not end within ${deadline} ms`;
  if (signal !== undefined) return `Cannot run "${command}": it was killed by ${signal}`;
  const firstLine = stderr.trim().split('\n', 1)[0] ?? '';
  return `Cannot run "${command}": exit status ${exitCode ?? 'unknown'}${firstLine === '' ? '' : `: ${firstLine}`}`;
}
