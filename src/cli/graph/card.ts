import { count } from '../survey/words.ts';
import type { Card } from './model.ts';
import { colours } from './text.ts';

/** Pixels. */
export const cardWidth = 258;
const lineHeight = 17;
const head = 34;

/** More than this are counted, not shown. */
const mostPorts = 4;

/** Height of a container's card in pixels. */
export function sizeOfCard(card: Card): number {
  return head + linesOf(card).length * lineHeight + 14;
}

/** A container: its name on the colour of its mode, then its addresses, ports and policy. */
export function drawCard(
  card: Card,
  { x, y, height }: { readonly x: number; readonly y: number; readonly height: number },
): string {
  const { strong, pale } = colours[card.mode];
  const isDashed = card.isStale ? ' stroke-dasharray="5 4"' : '';
  const title = card.ifname === 'eth0' ? card.name : `${card.name} ${card.ifname}`;
  const badge = card.denied === 0 ? '' : drawBadge(`${card.denied} denied`, x + cardWidth - 10, y + 8);
  return [
    `<g><rect x="${x}" y="${y}" width="${cardWidth}" height="${height}" rx="9" fill="${pale}" stroke="${strong}" stroke-width="1.5"${isDashed}/>`,
    `<rect x="${x}" y="${y}" width="6" height="${height}" rx="3" fill="${strong}"/>`,
    text(title, { x: x + 18, y: y + 23, size: 14, weight: 700, room: cardWidth - (card.denied === 0 ? 32 : 110) }),
    badge,
    ...linesOf(card).map(({ words, isMono, colour }, index) =>
      text(words, {
        x: x + 18,
        y: y + head + 10 + index * lineHeight,
        size: 12,
        isMono,
        colour: colour ?? '#334155',
        room: cardWidth - 30,
      }),
    ),
    '</g>',
  ].join('');
}

interface TextStyle {
  readonly x: number;
  readonly y: number;
  readonly size: number;
  readonly weight?: number;
  readonly anchor?: 'middle' | 'end';
  readonly colour?: string;
  readonly isMono?: boolean;
  /** Pixels: longer text ends with an ellipsis. */
  readonly room?: number;
}

/** One line of text. */
export function text(
  words: string,
  { x, y, size, weight, anchor, colour, isMono = false, room = Infinity }: TextStyle,
): string {
  const most = Math.floor(room / (size * (isMono ? 0.61 : 0.56)));
  const shown = words.length > most ? `${words.slice(0, Math.max(1, most - 1))}…` : words;
  const attributes = [
    `x="${Math.round(x * 10) / 10}"`,
    `y="${Math.round(y * 10) / 10}"`,
    `font-size="${size}"`,
    ...(weight === undefined ? [] : [`font-weight="${weight}"`]),
    ...(anchor === undefined ? [] : [`text-anchor="${anchor}"`]),
    ...(colour === undefined ? [] : [`style="fill:${colour}"`]),
    ...(isMono ? ['class="mono"'] : []),
  ];
  return `<text ${attributes.join(' ')}>${escape(shown)}</text>`;
}

/** Text that is safe in XML: names of containers are anybody's words. */
export function escape(words: string): string {
  return words
    .replaceAll(/[\x00-\x08\x0b\x0c\x0e-\x1f]/g, '?')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

function linesOf({
  addresses,
  ports,
  policy,
  mode,
  isStale,
}: Card): { words: string; isMono: boolean; colour?: string }[] {
  const shown = ports.slice(0, mostPorts);
  const more = ports.length - shown.length;
  return [
    ...addresses.map((words) => ({ words, isMono: true })),
    ...shown.map((words) => ({ words: words.replace('->', ' → '), isMono: true, colour: '#0369a1' })),
    ...(more > 0 ? [{ words: `and ${count(more, 'more port')}`, isMono: false, colour: '#0369a1' }] : []),
    { words: policy, isMono: false, colour: colours[mode].strong },
    ...(isStale ? [{ words: 'not as its record says', isMono: false, colour: '#b91c1c' }] : []),
  ];
}

function drawBadge(words: string, right: number, top: number): string {
  const width = 14 + words.length * 6.2;
  return `<rect x="${Math.round(right - width)}" y="${top}" width="${Math.round(width)}" height="18" rx="9" fill="#b91c1c"/>${text(words, { x: right - width / 2, y: top + 13, size: 11, weight: 600, anchor: 'middle', colour: '#ffffff' })}`;
}
