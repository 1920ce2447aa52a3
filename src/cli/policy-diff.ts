import type { Invocation } from './command.ts';
import { unfold } from './policy/entries.ts';
import { findPolicy } from './policy/source.ts';
import { printJson, type Terminal } from './terminal.ts';

interface Difference {
  readonly key: string;
  readonly removed: readonly string[];
  readonly added: readonly string[];
}

/** How two policies differ in what they do, whatever words they are written in. Exit status 1 when they do. */
export async function run(
  { operands: [one = '', other = ''], options }: Invocation,
  terminal: Terminal,
): Promise<number> {
  const [before, after] = await Promise.all([findPolicy(one), findPolicy(other)]);
  const old = unfold(before.policy);
  const differences = [...unfold(after.policy)].flatMap(([key, value]) => difference(key, old.get(key) ?? [], value));
  if (options['json'] === true) printJson(terminal, differences);
  else print([before.title, after.title], differences, terminal);
  return differences.length === 0 ? 0 : 1;
}

function difference(key: string, old: string | readonly string[], value: string | readonly string[]): Difference[] {
  const before = typeof old === 'string' ? [old] : old;
  const after = typeof value === 'string' ? [value] : value;
  const removed = before.filter((entry) => !after.includes(entry));
  const added = after.filter((entry) => !before.includes(entry));
  return removed.length + added.length === 0 ? [] : [{ key, removed, added }];
}

function print(
  [before, after]: readonly [string, string],
  differences: readonly Difference[],
  { out, paint }: Terminal,
): void {
  if (differences.length === 0) return out(`${before} and ${after} do the same.`);
  out(paint.bad(`- ${before}`));
  out(paint.good(`+ ${after}`));
  for (const { key, removed, added } of differences) {
    out(paint.strong(key));
    for (const entry of removed) out(paint.bad(`  - ${entry}`));
    for (const entry of added) out(paint.good(`  + ${entry}`));
  }
}
