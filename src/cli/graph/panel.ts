import { count } from '../../repair/survey/words.ts';
import { cardWidth, drawCard, sizeOfCard } from './card.ts';
import { membersOf } from './fold.ts';
import type { Network } from './picture.ts';
import { escapeLines, rectangle, round, text, widthOf, type Box } from './shapes.ts';

/** Pixels: inside a network's box, between cards, of the title, and of the bridge beside the cards. */
const padding = 18;
const gap = 22;
const titleHeight = 74;
const busWidth = 26;
/** By how much the bridge stands out above its cards. */
const busRise = 13;

/** Width and height of a network's box whose cards stand in so many columns at most. */
export function sizeOfPanel(network: Network, columns: number): { width: number; height: number } {
  const used = Math.max(1, Math.min(columns, network.containers.length));
  const rows = rowsOf(network, columns);
  return {
    width: 2 * padding + busWidth + used * cardWidth + (used - 1) * gap,
    height: titleHeight + padding + rows.reduce((sum, { height }) => sum + height + gap, -gap),
  };
}

/** A network: its name and bridge, and its containers as ports of that bridge. */
export function drawPanel(box: Box, network: Network, columns: number): string {
  const { x, y, width, height } = box;
  const left = x + padding + busWidth;
  let top = y + titleHeight;
  const wires: string[] = [];
  const cards = rowsOf(network, columns).flatMap(({ cards: row, height: rowHeight }) => {
    const at = top;
    wires.push(...(columns > 1 && network.containers.length > 1 ? rail(row.length, x, at) : [stub(x, at)]));
    top += rowHeight + gap;
    return row.map((card, column) =>
      drawCard(card, { x: left + column * (cardWidth + gap), y: at, width: cardWidth, height: rowHeight }),
    );
  });
  const size = count(network.containers.flatMap(membersOf).length, 'container');
  return [
    rectangle(box, 14, 'class="panel frame" stroke-width="1.4"'),
    `<title>${escapeLines([network.name, network.bridge, ...network.gateways, size])}</title>`,
    `<path d="M${round(x)} ${round(y + height / 2)}h${padding + 2}" class="edge" stroke-width="2"/>`,
    ...wires,
    rectangle(
      { x: x + padding, y: y + titleHeight - busRise, width: 5, height: height - titleHeight + busRise - padding },
      2.5,
      'class="bus"',
    ),
    text(network.name, {
      x: x + padding,
      y: y + 29,
      size: 16,
      weight: 700,
      look: 'words',
      room: width - 2 * padding - widthOf(size, 12) - 12,
    }),
    text(size, { x: x + width - padding, y: y + 29, size: 12, anchor: 'end', look: 'quiet' }),
    text([network.bridge, ...network.gateways].join('  '), {
      x: x + padding,
      y: y + 46,
      size: 11.5,
      look: 'mono quiet',
      room: width - 2 * padding,
    }),
    ...cards,
  ].join('\n');
}

/** Rows of cards with the height of each. */
function rowsOf(network: Network, columns: number): { cards: Network['containers']; height: number }[] {
  return Array.from({ length: Math.ceil(network.containers.length / columns) }, (_, row) => {
    const cards = network.containers.slice(row * columns, (row + 1) * columns);
    return { cards, height: Math.max(...cards.map(sizeOfCard)) };
  });
}

/** From the bridge to the card beside it. */
function stub(x: number, top: number): string {
  return `<path d="M${round(x + padding + 2)} ${round(top + 19)}h${busWidth - 2}" class="edge" stroke-width="1.6"/>`;
}

/** From the bridge above a row of cards, and down to each of them. */
function rail(cards: number, x: number, top: number): string[] {
  const y = round(top - busRise + 2);
  const centre = (column: number): number => x + padding + busWidth + column * (cardWidth + gap) + cardWidth / 2;
  return [
    `<path d="M${round(x + padding + 2)} ${y}H${round(centre(cards - 1))}" class="edge" stroke-width="1.6"/>`,
    ...Array.from(
      { length: cards },
      (_, column) => `<path d="M${round(centre(column))} ${y}v${busRise - 2}" class="edge" stroke-width="1.6"/>`,
    ),
  ];
}
