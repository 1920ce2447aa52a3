import type { Terminal } from './terminal.ts';
import { wrap } from './wrap.ts';

/** What mends something: commands ready to be pasted, or words when `isAdvice`. */
export interface Remedy {
  readonly remedy: string;
  readonly isAdvice?: boolean | undefined;
}

/** Prints a remedy so that a command is known as one: "Run: …". Several lines stand at the edge, to be pasted. */
export function printRemedy({ remedy, isAdvice }: Remedy, { out, paint, width }: Terminal, column: number): void {
  const text = remedy.trim();
  const indent = ' '.repeat(column);
  if (isAdvice === true) return out(`${indent}${wrap(`Do: ${text}`, width - column, indent)}`);
  if (!text.includes('\n')) return out(`${indent}Run: ${paint.link(text)}`);
  out(`${indent}Run:`);
  for (const line of text.split('\n')) out(paint.link(line));
}
