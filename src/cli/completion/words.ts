import type { Command, Option } from '../command.ts';

/** First words of the commands that a shell offers, and the second ones of those that have some. */
export function groups(offered: readonly Command[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const { name } of offered) {
    const [first = '', second] = name.split(' ');
    found.set(first, [...(found.get(first) ?? []), ...(second === undefined ? [] : [second])]);
  }
  return found;
}

/** What a group of commands is about: the summaries of its members. */
export function summaryOf(first: string, offered: readonly Command[]): string {
  const own = offered.filter(({ name }) => name.split(' ', 1)[0] === first);
  return own.length === 1 ? (own[0]?.summary ?? '') : own.map(({ name }) => name.slice(first.length + 1)).join(', ');
}

/** The command that prints what an option or operand takes; undefined when none does. */
export function sourceOf(kind: Option['completes']): string | undefined {
  return kind === 'containers' || kind === 'policies' ? `drawbridge complete ${kind} 2>/dev/null` : undefined;
}
