import type { Imports } from './imports.ts';
import { layerOf, type Layer, type LayerTable } from './violations.ts';

/** A layer and the layers below it that its files import. */
export interface LayerArrows {
  readonly layer: Layer;
  readonly below: readonly Layer[];
}

/** Which layer imports which, from the highest to the lowest, as the files of src say it. Exceptions are left out. */
export function arrowsOf({ layers }: LayerTable, imports: Imports): LayerArrows[] {
  return layers.map((layer, at) => {
    const own = [...imports].filter(([file]) => layerOf(layers, file) === layer).flatMap(([, targets]) => [...targets]);
    const reached = new Set(own.map((file) => layerOf(layers, file)));
    return { layer, below: layers.slice(at + 1).filter((other) => reached.has(other)) };
  });
}

const width = 960;
const box = { left: 24, width: 560, height: 46, gap: 14 };

/**
 * The picture docs/layers.svg: a box for each layer, the highest first, and a dot in its row for each that it imports.
 */
export function drawLayers(table: LayerTable, imports: Imports): string {
  const rows = arrowsOf(table, imports);
  const top = 48;
  const y = (at: number): number => top + at * (box.height + box.gap);
  const column = (at: number): number => box.left + box.width + 24 + at * 21;
  const height = y(rows.length) + 8;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="Layers of src: a layer imports only layers below it">`,
    '<style>',
    'svg{font:13px system-ui,sans-serif;color-scheme:light dark}',
    '.paper{fill:#fff}.box{fill:#f2f5f9;stroke:#8aa0b8}.name{font-weight:600;fill:#1b2733}.about{fill:#52616f}.rooms{font:11px ui-monospace,monospace;fill:#52616f}',
    '.line{stroke:#b9c6d3}.from{fill:#2f6fb5}.to{fill:none;stroke:#2f6fb5;stroke-width:2}',
    '@media (prefers-color-scheme:dark){.paper{fill:#12171d}.box{fill:#1d2630;stroke:#4b6074}.name{fill:#e6edf3}.about,.rooms{fill:#9fb0c0}.line{stroke:#3a4a59}.from{fill:#6cb0f5}.to{stroke:#6cb0f5}}',
    '</style>',
    `<rect class="paper" width="${width}" height="${height}"/>`,
    `<text class="about" x="${box.left}" y="30">Each layer imports only layers below it: a column leads from one (full) to those that it imports (rings).</text>`,
    ...rows.flatMap(({ layer, below }, at) => [
      `<rect class="box" x="${box.left}" y="${y(at)}" width="${box.width}" height="${box.height}" rx="6"/>`,
      `<text class="name" x="${box.left + 14}" y="${y(at) + 19}">${escape(layer.name)}<tspan class="rooms" dx="12">${escape(roomsText(layer))}</tspan></text>`,
      `<text class="about" x="${box.left + 14}" y="${y(at) + 37}">${escape(layer.about)}</text>`,
      ...columnOf(
        at,
        below.map((one) => table.layers.indexOf(one)),
        { x: column(at), y },
      ),
    ]),
    '</svg>',
  ]
    .join('\n')
    .concat('\n');
}

function columnOf(
  from: number,
  targets: readonly number[],
  { x, y }: { readonly x: number; readonly y: (at: number) => number },
): string[] {
  const middle = (at: number): number => y(at) + box.height / 2;
  const last = targets.at(-1);
  if (last === undefined) return [];
  return [
    `<line class="line" x1="${x}" y1="${middle(from)}" x2="${x}" y2="${middle(last)}"/>`,
    `<circle class="from" cx="${x}" cy="${middle(from)}" r="5"/>`,
    ...targets.map((to) => `<circle class="to" cx="${x}" cy="${middle(to)}" r="4"/>`),
  ];
}

/** The rooms of a layer, as many as fit beside its name. */
function roomsText({ name, rooms }: Layer): string {
  const fits = (text: string): boolean => name.length + text.length < 76;
  const all = rooms.join(', ');
  if (fits(all)) return all;
  const most = rooms.findLastIndex((_, at) => fits(`${rooms.slice(0, at + 1).join(', ')}, …`));
  return [...rooms.slice(0, most + 1), '…'].join(', ');
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
