import type { Reporter, TestModule } from 'vitest/node';
import { isGreatest } from '../faults/tally.ts';

/**
 * A reporter of vitest that prints what the tests of faults counted as one table in Markdown: docs/reliability.md is
 * copied from here.
 */
export default class Counts implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const totals = new Map<string, number>();
    for (const test of modules.flatMap((module) => [...module.children.allTests()])) {
      for (const [what, count] of Object.entries(test.meta().counts ?? {})) {
        const before = totals.get(what) ?? 0;
        totals.set(what, isGreatest(what) ? Math.max(before, count) : before + count);
      }
    }
    if (totals.size === 0) return;
    const form = process.env['DRAWBRIDGE_FAULTS'] === 'long' ? 'npm run test:faults' : 'npm test';
    const rows = [...totals]
      .toSorted(([one], [other]) => one.localeCompare(other))
      .map(([what, count]) => `| ${what} | ${count.toLocaleString('en-US')} |`);
    console.log(['', `| counted | in \`${form}\` |`, '|---|---:|', ...rows, ''].join('\n'));
  }
}
