import Table from 'cli-table3';
import type { Terminal } from './terminal.ts';

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
  /** Narrowest width that it may be shortened to when the table is wider than the terminal; never when absent. */
  readonly narrowest?: number;
}

/** A table without lines, two spaces between columns, no wider than the terminal where columns can be shortened. */
export function printTable(
  { out, paint, width }: Terminal,
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  indent = 0,
): void {
  const widths = fit(columns, rows, width - indent);
  const table = new Table({
    head: columns.map(({ title }) => paint.faint(title)),
    chars: noLines,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
    colAligns: columns.map(({ align }) => align ?? 'left'),
    colWidths: widths.map((one) => one + 2),
    wordWrap: true,
    wrapOnWordBoundary: false,
  });
  table.push(...rows.map((row) => [...row]));
  for (const line of table.toString().split('\n')) out(`${' '.repeat(indent)}${line.trimEnd()}`);
}

const noLines = Object.fromEntries(
  [
    'top',
    'top-mid',
    'top-left',
    'top-right',
    'bottom',
    'bottom-mid',
    'bottom-left',
    'bottom-right',
    'left',
    'left-mid',
    'mid',
    'mid-mid',
    'right',
    'right-mid',
    'middle',
  ].map((name) => [name, '']),
);

/** Colour codes take no room. */
function visibleLength(text: string): number {
  return text.replaceAll(/\x1b\[\d*m/g, '').length;
}

function fit(columns: readonly Column[], rows: readonly (readonly string[])[], width: number): number[] {
  const widths = columns.map(({ title }, index) =>
    Math.max(title.length, ...rows.map((row) => Math.max(...(row[index] ?? '').split('\n').map(visibleLength)))),
  );
  const total = (): number => widths.reduce((sum, one) => sum + one + 2, -2);
  while (total() > width) {
    const [widest] = columns
      .map(({ narrowest }, index) => ({
        index,
        room: (widths[index] ?? 0) - (narrowest ?? Infinity),
        width: widths[index] ?? 0,
      }))
      .filter(({ room }) => room > 0)
      .toSorted((one, other) => other.width - one.width);
    if (widest === undefined) break;
    widths[widest.index] = widest.width - 1;
  }
  return widths;
}
