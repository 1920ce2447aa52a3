import type { Terminal } from './terminal.ts';
import { breakText, columnsOf } from './wrap.ts';

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
  /** Narrowest width that it may be shortened to when the table is wider than the terminal; never when absent. */
  readonly narrowest?: number;
}

/** Columns between two cells. */
const gap = 2;

/** A table without lines, no wider than the terminal where columns can be shortened. Cells may be painted. */
export function printTable(
  { out, paint, width }: Pick<Terminal, 'out' | 'paint' | 'width'>,
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  indent = 0,
): void {
  const widths = fit(columns, rows, width - indent);
  const head = columns.map(({ title }) => paint.faint(title));
  for (const row of [head, ...rows]) {
    const cells = row.map((cell, index) => breakText(cell, widths[index] ?? 0));
    const height = Math.max(...cells.map(({ length }) => length));
    for (let line = 0; line < height; line++) {
      const parts = cells.map((cell, index) => pad(cell[line] ?? '', widths[index] ?? 0, columns[index]?.align));
      out(`${' '.repeat(indent)}${parts.join(' '.repeat(gap))}`.trimEnd());
    }
  }
}

function pad(text: string, width: number, align: Column['align']): string {
  const room = ' '.repeat(Math.max(0, width - columnsOf(text)));
  return align === 'right' ? room + text : text + room;
}

function fit(columns: readonly Column[], rows: readonly (readonly string[])[], width: number): number[] {
  const widths = columns.map(({ title }, index) =>
    Math.max(title.length, ...rows.map((row) => Math.max(...(row[index] ?? '').split('\n').map(columnsOf)))),
  );
  const total = (): number => widths.reduce((sum, one) => sum + one + gap, -gap);
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
