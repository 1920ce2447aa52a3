import type { Policy } from '../egress/policy.ts';
import type { Invocation } from './command.ts';
import { unfold } from './policy/entries.ts';
import { findPolicy } from './policy/source.ts';
import { printJson, type Terminal } from './terminal.ts';

export interface Difference {
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
  const differences = differencesOf(before.policy, after.policy);
  if (options['json'] === true) printJson(terminal, differences);
  else printDifferences([before.title, after.title], differences, terminal);
  return differences.length === 0 ? 0 : 1;
}

/** How one policy differs from another in what it does, key by key. */
export function differencesOf(one: Policy, other: Policy): Difference[] {
  const old = unfold(one);
  return [...unfold(other)].flatMap(([key, value]) => difference(key, old.get(key) ?? [], value));
}

function difference(key: string, old: string | readonly string[], value: string | readonly string[]): Difference[] {
  const before = typeof old === 'string' ? [old] : old;
  const after = typeof value === 'string' ? [value] : value;
  const removed = before.filter((entry) => !after.includes(entry));
  const added = after.filter((entry) => !before.includes(entry));
  return removed.length + added.length === 0 ? [] : [{ key, removed, added }];
}

export function printDifferences(
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
