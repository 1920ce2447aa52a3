/** The part of docs/benchmarks.md that the last run writes. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { reasons } from './reasons.ts';
import { verdict, type Row } from './row.ts';
import { tableText } from './table.ts';

const file = join(import.meta.dirname, '../docs/benchmarks.md');
const begin = '<!-- written by "npm run bench -- --docs" -->';
const end = '<!-- end of what the benchmark wrote -->';

/** Markdown: the table, the machine, and why what was missed was missed. */
export function report(rows: readonly Row[], about: string): string {
  const missed = rows.filter((row) => verdict(row) === 'missed');
  return [
    tableText(rows, { isShort: true }),
    `Measured on ${about}. The ratio is that of the medians, the spread the middle half of the single rounds' ratios. Times and CPU: less is better; rates (/s, Mbit/s): more.`,
    ...missed.map(({ id, what, peer }) => `- Missed: ${what} (${peer}). ${reasons[id] ?? 'Not explained yet.'}`),
  ].join('\n\n');
}

/** Puts a report between its two marks. Throws when the page does not have them. */
export function writePage(text: string): void {
  const whole = readFileSync(file, 'utf8');
  const [from, to] = [whole.indexOf(begin), whole.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`docs/benchmarks.md lacks the lines ${begin} and ${end}`);
  writeFileSync(file, `${whole.slice(0, from + begin.length)}\n\n${text}\n\n${whole.slice(to)}`);
}
