import { combineErrors } from '../cni/errors.ts';
import { applyBatch, BatchError } from './ip.ts';
import { removeVeth } from './veth.ts';
import { run, CommandError } from './run.ts';

/** Lines for `ip` and `tc`: see `planShaping` in links/shaping.ts, which makes them. */
export interface ShapingSteps {
  readonly links: readonly string[];
  readonly queues: readonly string[];
}

/**
 * Makes the queues. An interface that a lost DEL left under the same name is replaced. After an error nothing is left;
 * `undo` are the lines that remove the queues.
 */
export async function shape(
  { links, queues }: ShapingSteps,
  { ifb, undo }: { ifb: string | undefined; undo: readonly string[] },
): Promise<void> {
  try {
    await addLink(links, ifb);
    await applyBatch(queues, { program: 'tc' });
  } catch (error) {
    // What the first line found in the way is not ours to remove.
    const isUntouched = error instanceof BatchError && error.index === 0;
    await unshape(isUntouched ? [] : undo, ifb).catch(() => undefined);
    throw error;
  }
}

async function addLink(lines: readonly string[], ifb: string | undefined): Promise<void> {
  try {
    await applyBatch(lines);
  } catch (error) {
    if (ifb === undefined || !(error instanceof BatchError && error.reason === 'exists')) throw error;
    await removeVeth(ifb);
    await applyBatch(lines);
  }
}

/**
 * Removes queues; what is gone is success. `lines` go first, so that a container which still runs sends past the
 * interface that goes, and not into it. Every step is tried, and all errors are thrown.
 */
export async function unshape(lines: readonly string[], ifb: string | undefined): Promise<void> {
  const errors: unknown[] = [];
  for (const one of lines) {
    await applyBatch([one], { program: 'tc' }).catch((error: unknown) => {
      if (!(error instanceof BatchError && error.reason === 'missing')) errors.push(error);
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
    show(['filter', 'show', 'dev', name, 'parent', 'ffff:']),
  ]);
  return { queues, filters };
}

async function show(args: readonly string[]): Promise<unknown[]> {
  try {
    const { stdout } = await run('tc', ['-json', '-raw', ...args]);
    return stdout.trim() === '' ? [] : (JSON.parse(stdout) as unknown[]);
  } catch (error) {
    if (error instanceof CommandError && error.stderr.includes('Cannot find device')) return [];
    throw error;
  }
}
