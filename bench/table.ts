import { verdict, type Row } from './row.ts';

/** The rows as a table of Markdown, readable as it is. */
export function tableText(rows: readonly Row[], { isShort = false }: { isShort?: boolean } = {}): string {
  const cells = [
    ['what', 'peer, same run', 'ours', "peer's", 'ratio', 'spread', 'to reach', 'beyond', '', 'measured'],
    ...rows.map((row) => [
      row.what,
      row.peer,
      figure(row.ours, row.unit),
      row.theirs === undefined ? '' : figure(row.theirs, row.unit),
      row.ratio === undefined ? '' : `${row.ratio.toFixed(2)}x`,
      row.spread === undefined ? '' : row.spread.map((end) => end.toFixed(2)).join('-'),
      row.toReach === undefined ? '' : `${Number(row.toReach.toFixed(2))}x`,
      row.beyond === undefined ? '' : `${Number(row.beyond.toFixed(2))}x`,
      verdict(row),
      row.note,
    ]),
  ];
  const widths = (cells[0] ?? []).map((_, column) => Math.max(3, ...cells.map((line) => line[column]?.length ?? 0)));
  // Nothing is padded where a machine reads it: the widths would change with every run.
  if (isShort)
    return cells.flatMap((line, place) => [`| ${line.join(' | ')} |`, ...(place === 0 ? [rule(line)] : [])]).join('\n');
  const lines = cells.map((line) => `| ${line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`);
  return [lines[0], `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...lines.slice(1)].join('\n');
}

function rule(line: readonly string[]): string {
  return `|${line.map(() => '---|').join('')}`;
}

function figure(value: number, unit: string): string {
  return `${value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toFixed(3)} ${unit}`;
}
