/** What the tests of faults counted; test/reporters/counts.ts adds it up at the end of a run and prints it. */
import type { TestContext } from 'vitest';

declare module 'vitest' {
  interface TaskMeta {
    counts?: Record<string, number>;
  }
}

/** Leaves counts with the test that is running: "points killed", 39. Those of all tests are added up. */
export function count({ task }: Pick<TestContext, 'task'>, counts: Readonly<Record<string, number>>): void {
  const rounded = Object.entries(counts).map(([what, number]) => [what, Math.round(number)]);
  task.meta.counts = { ...task.meta.counts, ...(Object.fromEntries(rounded) as Record<string, number>) };
}

/** Of counts that begin with "longest" the greatest is printed, not the sum. */
export function isGreatest(what: string): boolean {
  return what.startsWith('longest');
}
