import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { FlowRecord } from '../flows/flow-record.ts';

const minutes = 10;
/** Seconds that one point stands for. */
const step = 10;
const points = (minutes * 60) / step;

/** Allowed and denied packets or queries over time. */
export function Chart({ records }: { readonly records: readonly FlowRecord[] }) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const data = seriesOf(records, Date.now());
  useEffect(() => {
    const { current } = place;
    if (current === null) return undefined;
    const made = new uPlot(optionsFor(current.clientWidth), data, current);
    plot.current = made;
    const resize = (): void => made.setSize({ width: current.clientWidth, height: 140 });
    addEventListener('resize', resize);
    return () => {
      removeEventListener('resize', resize);
      made.destroy();
    };
  }, []);
  useEffect(() => plot.current?.setData(data));
  const sum = (values: readonly (number | null | undefined)[]): number =>
    values.reduce<number>((total, value) => total + (value ?? 0), 0);
  return (
    <div
      ref={place}
      class="chart"
      role="img"
      aria-label={`${sum([...data[1]])} allowed and ${sum([...data[2]])} denied in the last ${minutes} minutes`}
    />
  );
}

type Series = [number[], number[], number[]];

function seriesOf(records: readonly FlowRecord[], now: number): Series {
  const last = Math.floor(now / 1000 / step) * step;
  const times = Array.from({ length: points }, (_, index) => last - (points - 1 - index) * step);
  const allowed = times.map(() => 0);
  const denied = times.map(() => 0);
  for (const { time, verdict, count } of records) {
    const index = points - 1 - Math.floor((last + step - Date.parse(time) / 1000) / step);
    const series = verdict === 'allow' ? allowed : denied;
    if (index >= 0 && index < points) series[index] = (series[index] ?? 0) + count;
  }
  return [times, allowed, denied];
}

function optionsFor(width: number): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  const axis = { stroke: colour('--text'), grid: { stroke: colour('--line'), width: 1 } };
  return {
    width,
    height: 140,
    padding: [8, 24, 0, 0],
    cursor: { show: false },
    legend: { live: false },
    series: [
      { label: 'time' },
      { label: 'allowed', stroke: colour('--allow'), width: 2, points: { show: false } },
      { label: 'denied', stroke: colour('--deny'), width: 2, points: { show: false } },
    ],
    axes: [
      { ...axis, space: 80, incrs: [60, 120, 300], values: (_plot, times) => times.map(clockTime) },
      { ...axis, size: 40 },
    ],
    scales: { y: { range: (_plot, _low, high) => [0, Math.max(high, 4)] } },
  };
}

/** As the tables say it. */
function clockTime(seconds: number): string {
  return new Date(seconds * 1000).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', hour12: false });
}
