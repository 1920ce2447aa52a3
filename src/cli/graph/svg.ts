import { Graph, layout } from '@dagrejs/dagre';
import { drawCard, sizeOfCard, text, escape, cardWidth } from './card.ts';
import type { Network, Picture } from './model.ts';
import { colours } from './text.ts';

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Pixels: around the whole, inside a network's box, between cards, and the height of a network's title. */
const margin = 28;
const padding = 18;
const gap = 14;
const titleHeight = 58;

/** The picture as an SVG document. dagre places the boxes and the lines between them; within a network cards stand in a grid. */
export function drawSvg(picture: Picture): string {
  const { host, networks } = picture;
  const graph = new Graph();
  graph.setGraph({ rankdir: 'LR', nodesep: 34, ranksep: 84, marginx: margin, marginy: margin });
  graph.setDefaultEdgeLabel(() => ({}));
  graph.setNode('internet', { width: 112, height: 68 });
  graph.setNode('host', {
    width: Math.max(150, 24 + 8.2 * Math.max(host.name.length, ...host.addresses.map((one) => one.length))),
    height: 52 + 18 * host.addresses.length,
  });
  graph.setEdge('internet', 'host');
  networks.forEach((network, index) => {
    graph.setNode(`n${index}`, sizeOfNetwork(network));
    graph.setEdge('host', `n${index}`);
  });
  layout(graph);
  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number };
  const legend = legendLine(networks);
  const total = { width: Math.max(width, 620), height: height + (legend === '' ? 0 : 44) };
  const placed = (id: string): Box => {
    const { x, y, width: w, height: h } = graph.node(id) as Box;
    return { x: x - w / 2, y: y - h / 2, width: w, height: h };
  };
  // dagre puts boxes of one rank above each other by their middles: by their left sides no line crosses a box.
  const left = Math.min(...networks.map((_, index) => placed(`n${index}`).x));
  const boxOf = (id: string): Box => (id.startsWith('n') ? { ...placed(id), x: left } : placed(id));
  const edges = ['internet host', ...networks.map((_, index) => `host n${index}`)].map((ends) => {
    const [from = '', to = ''] = ends.split(' ');
    return curve(boxOf(from), boxOf(to));
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${round(total.width)} ${round(total.height)}" width="${round(total.width)}" height="${round(total.height)}" role="img" aria-label="Container networks of ${escape(host.name)}">`,
    `<style>text{font-family:Inter,"Segoe UI",Roboto,Helvetica,Arial,sans-serif;fill:#0f172a}.mono{font-family:"JetBrains Mono",SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}</style>`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    ...edges.map((path) => `<path d="${path}" fill="none" stroke="#94a3b8" stroke-width="2"/>`),
    drawInternet(boxOf('internet')),
    drawHost(boxOf('host'), picture.host),
    ...networks.map((network, index) => drawNetwork(boxOf(`n${index}`), network)),
    legend === '' ? '' : `<g transform="translate(${margin} ${round(height + 14)})">${legend}</g>`,
    '</svg>',
  ]
    .filter((part) => part !== '')
    .join('\n');
}

function columnsOf({ containers }: Network): number {
  return containers.length <= 3 ? 1 : Math.min(5, Math.ceil(Math.sqrt(containers.length / 1.6)));
}

/** Rows of cards with the height of each. */
function rowsOf(network: Network): { cards: Network['containers']; height: number }[] {
  const columns = columnsOf(network);
  return Array.from({ length: Math.ceil(network.containers.length / columns) }, (_, row) => {
    const cards = network.containers.slice(row * columns, (row + 1) * columns);
    return { cards, height: Math.max(...cards.map(sizeOfCard)) };
  });
}

function sizeOfNetwork(network: Network): { width: number; height: number } {
  const columns = Math.max(1, columnsOf(network));
  const rows = rowsOf(network);
  return {
    width: 2 * padding + columns * cardWidth + (columns - 1) * gap,
    height: titleHeight + padding + rows.reduce((sum, { height }) => sum + height + gap, -gap),
  };
}

function drawInternet({ x, y, width, height }: Box): string {
  return [
    `<ellipse cx="${round(x + width / 2)}" cy="${round(y + height / 2)}" rx="${round(width / 2)}" ry="${round(height / 2)}" fill="#f1f5f9" stroke="#94a3b8" stroke-width="1.5"/>`,
    text('internet', { x: x + width / 2, y: y + height / 2 + 5, size: 14, weight: 600, anchor: 'middle' }),
  ].join('');
}

function drawHost({ x, y, width, height }: Box, { name, addresses }: Picture['host']): string {
  return [
    `<rect x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}" rx="10" fill="#0f172a"/>`,
    text(name, { x: x + width / 2, y: y + 32, size: 15, weight: 700, anchor: 'middle', colour: '#ffffff' }),
    ...addresses.map((address, index) =>
      text(address, {
        x: x + width / 2,
        y: y + 53 + index * 18,
        size: 12,
        anchor: 'middle',
        colour: '#cbd5e1',
        isMono: true,
      }),
    ),
  ].join('');
}

function drawNetwork(box: Box, network: Network): string {
  const { x, y, width, height } = box;
  let top = y + titleHeight;
  const cards = rowsOf(network).flatMap(({ cards: row, height: rowHeight }) => {
    const drawn = row.map((card, column) =>
      drawCard(card, { x: round(x + padding + column * (cardWidth + gap)), y: round(top), height: rowHeight }),
    );
    top += rowHeight + gap;
    return drawn;
  });
  return [
    `<rect x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}" rx="14" fill="#f8fafc" stroke="#cbd5e1" stroke-width="1.5"/>`,
    text(network.name, { x: x + padding, y: y + 27, size: 15, weight: 700, room: width - 2 * padding }),
    text([network.bridge, ...network.gateways].join('  '), {
      x: x + padding,
      y: y + 45,
      size: 11.5,
      colour: '#475569',
      isMono: true,
      room: width - 2 * padding,
    }),
    ...cards,
  ].join('\n');
}

function legendLine(networks: readonly Network[]): string {
  const used = new Set(networks.flatMap(({ containers }) => containers.map(({ mode }) => mode)));
  let x = 0;
  return (['allowlist', 'restricted', 'open', 'none'] as const)
    .filter((mode) => used.has(mode))
    .map((mode) => {
      const { strong, about } = colours[mode];
      const drawn = `<rect x="${round(x)}" y="0" width="12" height="12" rx="3" fill="${strong}"/>${text(about, { x: x + 18, y: 10.5, size: 12, colour: '#334155' })}`;
      x += 18 + about.length * 6.6 + 22;
      return drawn;
    })
    .join('');
}

/** From the right side of one box to the left side of the other, level at both ends. */
function curve(from: Box, to: Box): string {
  const start = { x: from.x + from.width, y: from.y + from.height / 2 };
  const end = { x: to.x, y: to.y + to.height / 2 };
  const middle = (start.x + end.x) / 2;
  return `M${round(start.x)} ${round(start.y)} C${round(middle)} ${round(start.y)} ${round(middle)} ${round(end.y)} ${round(end.x)} ${round(end.y)}`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
