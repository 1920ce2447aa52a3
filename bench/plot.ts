import { verdict, type Row } from './row.ts';

const rowHeight = 36;
const width = 1120;
/** Where the columns of numbers end, and what the bars have for themselves. */
const columns = { ours: 440, theirs: 545 } as const;
const field = { left: 670, right: 1000 } as const;
const top = 62;

const style = `
svg { background: #fff; font-family: sans-serif; font-size: 12px }
text { fill: #1f2328 } .faint { fill: #59636e } .head { font-size: 14px; font-weight: bold } .right { text-anchor: end } .middle { text-anchor: middle }
.grid { stroke: #d1d9e0 } .one { stroke: #59636e; stroke-width: 1.5 } .mark { stroke: #1f2328; stroke-width: 2 }
.beyond { fill: #1b7f3b } .reached { fill: #5aa469 } .missed { fill: #c0504d } .untold { fill: #7f8c9a }
@media (prefers-color-scheme: dark) {
  svg { background: #0d1117 } text { fill: #e6edf3 } .faint { fill: #9198a1 }
  .grid { stroke: #3d444d } .one { stroke: #9198a1 } .mark { stroke: #e6edf3 }
  .beyond { fill: #3fb950 } .reached { fill: #2f8f46 } .missed { fill: #f0655f } .untold { fill: #768390 }
}`;

/** A row with how many times faster it is, or for rates how many times more: 0.5 is half as fast. */
interface Bar {
  readonly row: Row;
  readonly factor: number;
  /** The middle half of its rounds. */
  readonly spread: readonly [number, number] | undefined;
  readonly target: number | undefined;
}

/**
 * A bar for each comparison, on a logarithmic axis of "times faster": to the right of 1 we are, to the left the peer
 * is. Beside it what both sides took; over it the middle half of its rounds as a line, and a mark where the target is.
 */
export function plot(rows: readonly Row[], about: string): string {
  const bars = rows.flatMap(barOf);
  const values = bars.flatMap(({ factor, spread = [factor, factor], target = factor }) => [factor, ...spread, target]);
  const low = Math.log(Math.min(0.5, ...values) / 1.1);
  const high = Math.log(Math.max(2, ...values) * 1.1);
  const place = (value: number): number =>
    Math.round(field.left + ((Math.log(value) - low) / (high - low)) * (field.right - field.left));
  const bottom = top + bars.length * rowHeight;
  const ticks = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].filter(
    (tick) => Math.log(tick) >= low && Math.log(tick) <= high,
  );
  const height = bottom + 44;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">`,
    `<style>${style}</style>`,
    `<text class="head" x="10" y="22">How many times faster drawbridge is, medians of the same run</text>`,
    `<text class="faint right" x="${columns.ours}" y="46">drawbridge</text>`,
    `<text class="faint right" x="${columns.theirs}" y="46">peer</text>`,
    ...ticks.flatMap((tick) => [
      `<line class="${tick === 1 ? 'one' : 'grid'}" x1="${place(tick)}" x2="${place(tick)}" y1="${top - 8}" y2="${bottom}"/>`,
      `<text class="faint middle" x="${place(tick)}" y="46">${tick}x</text>`,
    ]),
    ...bars.flatMap((bar, index) => drawBar(bar, { y: top + index * rowHeight, place })),
    `<text class="faint" x="10" y="${height - 14}">${escape(about)}</text>`,
    '</svg>',
    '',
  ].join('\n');
}

/** None where we are compared with nobody, or one side took no time that could be measured. */
function barOf(row: Row): Bar[] {
  const { ratio, spread, toReach, better = 'less' } = row;
  if (ratio === undefined || !Number.isFinite(ratio) || ratio <= 0) return [];
  const factorOf = (value: number): number => (better === 'less' ? 1 / value : value);
  const ends = spread?.map(factorOf).toSorted((one, other) => one - other);
  const [from, to] = ends ?? [];
  const isDrawable = from !== undefined && to !== undefined && from > 0 && Number.isFinite(to);
  return [
    {
      row,
      factor: factorOf(ratio),
      spread: isDrawable ? [from, to] : undefined,
      target: toReach === undefined ? undefined : factorOf(toReach),
    },
  ];
}

function drawBar(
  { row, factor, spread, target }: Bar,
  { y, place }: { y: number; place: (value: number) => number },
): string[] {
  const { what, peer, better, ours, theirs, unit } = row;
  const [from, to] = [Math.min(place(1), place(factor)), Math.max(place(1), place(factor))];
  const middle = y + 11;
  const marks = [
    place(1),
    place(factor),
    ...(spread ?? []).map(place),
    ...(target === undefined ? [] : [place(target)]),
  ];
  const isFaster = factor >= 1;
  // Beside whatever is drawn, so that nothing is written over a bar.
  const label = isFaster
    ? `<text x="${Math.max(...marks) + 7}" y="${y + 15}">${timesOf(factor)} ${better === 'more' ? 'more' : 'faster'}</text>`
    : `<text class="right" x="${Math.min(...marks) - 7}" y="${y + 15}">${timesOf(1 / factor)} ${better === 'more' ? 'less' : 'slower'}</text>`;
  return [
    `<text x="10" y="${y + 10}">${escape(what)}</text>`,
    `<text class="faint" x="10" y="${y + 24}">${escape(peer)}</text>`,
    `<text class="right" x="${columns.ours}" y="${y + 15}">${amount(ours)} ${escape(unit)}</text>`,
    `<text class="right" x="${columns.theirs}" y="${y + 15}">${theirs === undefined ? '' : `${amount(theirs)} ${escape(unit)}`}</text>`,
    `<rect class="${verdict(row) || 'untold'}" x="${from}" y="${y}" width="${Math.max(1, to - from)}" height="22"/>`,
    ...(spread === undefined
      ? []
      : [`<line class="mark" x1="${place(spread[0])}" x2="${place(spread[1])}" y1="${middle}" y2="${middle}"/>`]),
    ...(target === undefined
      ? []
      : [`<line class="mark" x1="${place(target)}" x2="${place(target)}" y1="${y - 3}" y2="${y + 25}"/>`]),
    label,
  ];
}

function timesOf(factor: number): string {
  return `${factor >= 9.95 ? Math.round(factor) : factor.toFixed(factor >= 1.995 ? 1 : 2)}x`;
}

/** Three digits. */
function amount(value: number): string {
  return value >= 99.95 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
