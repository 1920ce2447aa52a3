import { expect, test } from 'vitest';
import { plot } from '../../bench/plot.ts';
import type { Row } from '../../bench/row.ts';

function row(what: string, ours: number, theirs: number, more: Partial<Row> = {}): Row {
  const ratio = ours / theirs;
  return {
    id: what,
    what,
    peer: 'bridge',
    unit: 'ms',
    ours,
    theirs,
    ratio,
    spread: [ratio * 0.9, ratio * 1.2],
    note: '',
    ...more,
  };
}

const rows = [
  row('ADD', 42, 67, { toReach: 0.7 }),
  row('CHECK', 21, 11, { toReach: 1 }),
  row('a hundred', 1800, 31_000, { toReach: 0.5 }),
  row('throughput', 38, 37, { unit: 'Gbit/s', better: 'more', toReach: 0.95 }),
  row('nothing measured', 1, 0),
];

interface Part {
  readonly from: number;
  readonly to: number;
}

/** Bars, and the words beside them, from left to right; a character is at most eight pixels wide. */
function partsOf(svg: string): { bars: Part[]; labels: (Part & { text: string })[] } {
  const bars = [...svg.matchAll(/<rect class="\w+" x="(\d+)" y="\d+" width="(\d+)"/g)].map(([, x, width]) => ({
    from: Number(x),
    to: Number(x) + Number(width),
  }));
  const labels = [...svg.matchAll(/<text( class="right")? x="(\d+)" y="\d+">([\d.]+x \w+)</g)].map(
    ([, right, x, text = '']) => {
      const wide = text.length * 8;
      const from = right === undefined ? Number(x) : Number(x) - wide;
      return { from, to: from + wide, text };
    },
  );
  return { bars, labels };
}

test('bench.svg says how many times faster each is, beside its bar and never over it', () => {
  const { bars, labels } = partsOf(plot(rows, 'a machine'));
  expect(labels.map(({ text }) => text)).toEqual(['1.60x faster', '1.91x slower', '17x faster', '1.03x more']);
  expect(bars).toHaveLength(4);
  for (const [index, { from, to }] of labels.entries()) {
    const bar = bars[index];
    expect(bar !== undefined && (to <= bar.from || from >= bar.to)).toBe(true);
    expect(from).toBeGreaterThan(545);
    expect(to).toBeLessThan(1120);
  }
});

test('bench.svg has what both sides took, on an axis on which twice as fast is as far as half as fast', () => {
  const svg = plot(rows, 'a machine with <two> processors');
  for (const text of [
    '42.0 ms',
    '67.0 ms',
    '1,800 ms',
    '31,000 ms',
    '38.0 Gbit/s',
    'a machine with &lt;two> processors',
  ])
    expect(svg).toContain(`>${text}<`);
  const place = (tick: string): number => Number(new RegExp(`x="(\\d+)" y="46">${tick}x<`).exec(svg)?.[1]);
  expect(Math.abs(place('2') - place('1') - (place('1') - place('0.5')))).toBeLessThanOrEqual(1);
  expect(svg).toContain('prefers-color-scheme: dark');
});
