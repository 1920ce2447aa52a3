import { verdict, type Row } from './row.ts';

const rowHeight = 34;
const left = 470;
const width = 1000;

/**
 * A bar for each ratio, the middle half of its rounds as a line, and a mark where the target is. Left of 1 is better,
 * or right of it where more is.
 */
export function plot(rows: readonly Row[], about: string): string {
  const shown = rows.filter((row) => row.ratio !== undefined);
  const most = Math.max(
    1.25,
    ...shown
      .flatMap(({ ratio = 0, spread, toReach = 0 }) => [ratio, spread?.[1] ?? 0, toReach])
      .filter(Number.isFinite),
  );
  const place = (value: number): number => left + ((width - left - 40) * Math.min(value, most)) / most;
  const height = shown.length * rowHeight + 70;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    `<text x="10" y="20" font-size="14">drawbridge / peer, medians of the same run</text>`,
    ...shown.flatMap((row, index) => bar(row, { top: 40 + index * rowHeight, place })),
    `<line x1="${place(1)}" x2="${place(1)}" y1="34" y2="${height - 28}" stroke="#444" stroke-dasharray="3 3"/>`,
    `<text x="10" y="${height - 10}" fill="#666">${escape(about)}</text>`,
    '</svg>',
    '',
  ].join('\n');
}

function bar(row: Row, { top, place }: { top: number; place: (value: number) => number }): string[] {
  const { ratio = 0, spread, toReach, better = 'less' } = row;
  const colours: Record<string, string> = { beyond: '#1b7f3b', reached: '#5aa469', missed: '#c0504d', '': '#7f8c9a' };
  const middle = top + 11;
  return [
    `<text x="10" y="${top + 10}">${escape(row.what)}</text>`,
    `<text x="10" y="${top + 24}" fill="#666">${escape(row.peer)}${better === 'more' ? ' (more is better)' : ''}</text>`,
    `<rect x="${place(0)}" y="${top}" width="${place(ratio) - place(0)}" height="22" fill="${colours[verdict(row)] ?? ''}"/>`,
    spread === undefined
      ? ''
      : `<line x1="${place(spread[0])}" x2="${place(spread[1])}" y1="${middle}" y2="${middle}" stroke="black"/>`,
    toReach === undefined
      ? ''
      : `<line x1="${place(toReach)}" x2="${place(toReach)}" y1="${top - 3}" y2="${top + 25}" stroke="black" stroke-width="2"/>`,
    `<text x="${place(0) + 5}" y="${top + 15}" fill="white">${ratio.toFixed(2)}x</text>`,
  ].filter((text) => text !== '');
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
