import { drawSign } from './card.ts';
import type { Card, Network } from './picture.ts';
import { rectangle, round, text, widthOf } from './shapes.ts';
import { colours, reachWords } from './theme.ts';

/** Pixels. */
const rowHeight = 22;
const between = 24;

interface Entry {
  readonly words: string;
  readonly draw: (x: number, y: number) => string;
}

/** Rows of what colours and signs mean, of those that the picture has; no row is wider than `room`. */
export function drawLegend(
  networks: readonly Network[],
  { x, y, room }: { readonly x: number; readonly y: number; readonly room: number },
): { readonly drawn: string; readonly height: number } {
  let [left, top] = [x, y];
  const parts = entriesOf(networks.flatMap(({ containers }) => containers)).map(({ words, draw }) => {
    const width = 18 + widthOf(words, 12);
    if (left > x && left + width > x + room) [left, top] = [x, top + rowHeight];
    const part = `${draw(left, top)}${text(words, { x: left + 18, y: top + 10.5, size: 12, look: 'quiet' })}`;
    left += width + between;
    return part;
  });
  return parts.length === 0 ? { drawn: '', height: 0 } : { drawn: parts.join(''), height: top - y + rowHeight };
}

function entriesOf(cards: readonly Card[]): Entry[] {
  if (cards.length === 0) return [];
  const modes = (['allowlist', 'restricted', 'open', 'none'] as const).filter((mode) =>
    cards.some((card) => card.mode === mode),
  );
  const states = (['open', 'listed', 'closed'] as const).filter((state) =>
    cards.some(({ reach }) => Object.values(reach).includes(state)),
  );
  return [
    ...modes.map((mode) => ({
      words: colours[mode].about,
      draw: (x: number, y: number) =>
        rectangle({ x, y, width: 12, height: 12 }, 3.5, `class="${mode}-card" stroke-width="1.6"`),
    })),
    ...states.map((state) => ({
      words: reachWords[state],
      draw: (x: number, y: number) => drawSign(state, x + 6, y + 6),
    })),
    ...(cards.some(({ ports }) => ports.length > 0)
      ? [
          {
            words: 'published port of the host',
            draw: (x: number, y: number) =>
              `<path d="M${round(x)} ${round(y + 4.5)}h7v-3.5l6 5-6 5v-3.5h-7z" class="port"/>`,
          },
        ]
      : []),
  ];
}
