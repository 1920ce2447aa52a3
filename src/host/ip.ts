import { LinkError } from './link-error.ts';
import { CommandError, findProgram, run, runNow, type RunResult } from './run.ts';
import { readToolError } from './tool-error.ts';

export interface Where {
  /** Path of a network namespace; absent means that of this process. */
  readonly netns?: string;
}

/**
 * Runs `ip -json …` (or `tc -json …`) and returns what it printed; undefined when it says that the interface does not
 * exist.
 */
export async function showJson(
  args: readonly string[],
  { netns, program = 'ip' }: Where & { program?: 'ip' | 'tc' } = {},
): Promise<unknown> {
  try {
    return jsonOf(await runIn(netns, program, ['-json', ...args]));
  } catch (error) {
    return unlessMissing(error, netns);
  }
}

/** As {@link showJson} of `ip` in the namespace of this process, which stands still meanwhile. */
export function showJsonNow(args: readonly string[]): unknown {
  try {
    return jsonOf(runNow('ip', ['-json', ...args]));
  } catch (error) {
    return unlessMissing(error, undefined);
  }
}

function jsonOf({ stdout }: RunResult): unknown {
  return stdout.trim() === '' ? [] : JSON.parse(stdout);
}

/** An interface that is not there is an answer. Throws everything else. */
function unlessMissing(error: unknown, netns: string | undefined): undefined {
  if (!(error instanceof CommandError) || error.exitCode === undefined) throw error;
  const said = readToolError(error);
  if (said.reason === 'missing') return undefined;
  throw said.reason === 'netns' ? LinkError.ofTool(said, { commands: [], netns }) : error;
}

/**
 * Runs a program in a network namespace, in the mount namespace of this process: paths and programs are the
 * host's, and below /proc/sys/net/ it finds the namespace's values.
 */
export async function runIn(
  netns: string | undefined,
  program: string,
  args: readonly string[],
  input = '',
): Promise<RunResult> {
  if (netns === undefined) return run(program, args, { input });
  // nsenter looks for the program in PATH alone, which a runtime may have left empty.
  return run('nsenter', [`--net=${netns}`, '--', findProgram(program) ?? program, ...args], { input });
}
