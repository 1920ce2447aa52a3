import { combineErrors } from '../cni/errors.ts';
import type { LinkCommand } from '../links/command.ts';
import type { ShapingSteps } from '../links/shaping.ts';
import { applyCommands } from './apply.ts';
import { LinkError } from './link-error.ts';
import { removeVeth } from './veth.ts';
import { run, CommandError } from './run.ts';
import { readToolError } from './tool-error.ts';

/**
 * Makes the queues. An interface that a lost DEL left under the same name is replaced. After an error nothing is left;
 * `undo` removes the queues.
 */
export async function shape(
  { links, queues }: ShapingSteps,
  { ifb, undo }: { ifb: string | undefined; undo: readonly LinkCommand[] },
): Promise<void> {
  try {
    await addLink(links, ifb);
    await applyCommands(queues);
  } catch (error) {
    // What the first command found in the way is not ours to remove.
    const isUntouched = error instanceof LinkError && error.index === 0;
    await unshape(isUntouched ? [] : undo, ifb).catch(() => undefined);
    throw error;
  }
}

async function addLink(commands: readonly LinkCommand[], ifb: string | undefined): Promise<void> {
  try {
    await applyCommands(commands);
  } catch (error) {
    if (ifb === undefined || !(error instanceof LinkError && error.reason === 'exists')) throw error;
    await removeVeth(ifb);
    await applyCommands(commands);
  }
}

/**
 * Removes queues; what is gone is success. `commands` go first, so that a container which still runs sends past the
 * interface that goes, and not into it. Every step is tried, and all errors are thrown.
 */
export async function unshape(commands: readonly LinkCommand[], ifb: string | undefined): Promise<void> {
  const errors: unknown[] = [];
  for (const command of commands) {
    await applyCommands([command]).catch((error: unknown) => {
      if (!(error instanceof LinkError && error.reason === 'missing')) errors.push(error);
    });
  }
  if (ifb !== undefined) await removeVeth(ifb).catch((error: unknown) => errors.push(error));
  const error = combineErrors('remove the limits', errors);
  if (error !== undefined) throw error;
}

/** What `tc -json` shows of an interface; nothing when there is no such interface. */
export async function showQueues(name: string): Promise<{ queues: unknown[]; filters: unknown[] }> {
  const [queues, filters] = await Promise.all([
    show(['qdisc', 'show', 'dev', name]),
    show(['filter', 'show', 'dev', name, 'ingress']),
  ]);
  return { queues, filters };
}

async function show(args: readonly string[]): Promise<unknown[]> {
  try {
    const { stdout } = await run('tc', ['-json', '-raw', ...args]);
    return stdout.trim() === '' ? [] : (JSON.parse(stdout) as unknown[]);
  } catch (error) {
    if (error instanceof CommandError && readToolError(error).reason === 'missing') return [];
    throw error;
  }
}
