import { useEffect, useState } from 'preact/hooks';
import type { FlowRecord } from '../flows/flow-record.ts';
import { addressOf } from './address.ts';
import { placeOf, type Picture, type PlaceName } from './model.ts';
import { rowsOf, type PictureRow } from './rows.ts';

const places: readonly (readonly [PlaceName, string])[] = [
  ['internet', 'Internet'],
  ['lan', 'Private networks'],
  ['host', 'This host'],
  ['siblings', 'Siblings'],
];

const rowHeight = 52;
const left = { x: 8, width: 400 };
const right = { x: 742, width: 150 };

/** Milliseconds that a line stays lit after something went over it. */
const glow = 1200;

/** Lit lines by "row place", with what went over them. */
type Lit = ReadonlyMap<string, 'allow' | 'deny' | 'audit'>;

/** Containers to the left, places to the right, and a line where a policy lets one to the other. */
export function PictureView({
  picture,
  latest,
}: {
  readonly picture: Picture;
  readonly latest: readonly FlowRecord[];
}) {
  const rows = rowsOf(picture);
  const lit = useLit(rows, latest);
  if (rows.length === 0) return <p class="faint">No container is connected.</p>;
  const height = Math.max(rows.length * rowHeight, places.length * 70) + 16;
  const placeY = (index: number): number => (height / places.length) * (index + 0.5);
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Picture of the host">
      <svg viewBox={`0 0 900 ${height}`} class="picture" role="group" aria-label={`${rows.length} lines, four places`}>
        {rows.map((row, index) => (
          <Lines key={row.key} row={row} y={index * rowHeight + rowHeight / 2 + 8} lit={lit} placeY={placeY} />
        ))}
        {rows.map((row, index) => (
          <RowBox key={row.key} row={row} y={index * rowHeight + 8} />
        ))}
        {places.map(([name, title], index) => (
          <g key={name} class="place" transform={`translate(${right.x} ${placeY(index) - 20})`}>
            <rect width={right.width} height="40" rx="8" />
            <text x={right.width / 2} y="25" text-anchor="middle">
              {title}
            </text>
          </g>
        ))}
      </svg>
    </div>
  );
}

function RowBox({ row, y }: { readonly row: PictureRow; readonly y: number }) {
  const { title, detail, card, names, network } = row;
  const kind = card.mode === 'none' ? 'unprotected' : card.isStale ? 'stale' : '';
  const href = names.length === 1 ? addressOf('container', { name: title }) : addressOf('flows', {});
  return (
    <a href={href}>
      <g class={`row ${kind}`} transform={`translate(${left.x} ${y})`}>
        <title>{`${title} (${network}): ${detail}${card.denied > 0 ? `; ${card.denied} packets refused` : ''}`}</title>
        <rect width={left.width} height={rowHeight - 8} rx="8" />
        <text x="10" y="18" class="title">
          {shortened(title, 34)}
        </text>
        <text x="10" y="35" class="detail">
          {shortened(`${network}: ${detail}`, 60)}
        </text>
        {card.denied > 0 ? (
          <text x={left.width - 10} y="18" text-anchor="end" class="denied">
            {card.denied} refused
          </text>
        ) : null}
      </g>
    </a>
  );
}

interface LinesProps {
  readonly row: PictureRow;
  readonly y: number;
  readonly lit: Lit;
  readonly placeY: (index: number) => number;
}

function Lines({ row, y, lit, placeY }: LinesProps) {
  const from = left.x + left.width;
  return (
    <>
      {places.map(([name], index) => {
        const reach = row.card.reach[name];
        const glowing = lit.get(`${row.key} ${name}`);
        if (reach === 'closed' && glowing === undefined) return null;
        const to = placeY(index);
        return (
          <path
            key={name}
            class={`way ${reach} ${glowing === undefined ? '' : `lit ${glowing}`}`}
            d={`M${from} ${y} C${from + 160} ${y} ${right.x - 160} ${to} ${right.x} ${to}`}
          />
        );
      })}
    </>
  );
}

/** Which lines something went over lately. */
function useLit(rows: readonly PictureRow[], latest: readonly FlowRecord[]): Lit {
  const [lit, set] = useState<Lit>(new Map());
  useEffect(() => {
    const recent = latest.filter(({ time, until }) => Date.now() - Date.parse(until ?? time) < 30_000);
    if (recent.length === 0) return undefined;
    const next = new Map<string, 'allow' | 'deny' | 'audit'>();
    for (const record of recent) {
      const title = record.containerName ?? record.container.slice(0, 12);
      const row = rows.find(({ names }) => names.includes(title));
      const key = row === undefined ? undefined : `${row.key} ${placeOf(record)}`;
      // A denial is what one looks for: nothing that is allowed hides it.
      if (key !== undefined && next.get(key) !== 'deny') next.set(key, record.verdict);
    }
    set(next);
    const timer = setTimeout(() => set(new Map()), glow);
    return () => clearTimeout(timer);
  }, [latest]);
  return lit;
}

function shortened(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}
