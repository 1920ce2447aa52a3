import { arrange, margin } from './layout.ts';
import { drawHeader } from './header.ts';
import { drawLegend } from './legend.ts';
import type { Picture } from './picture.ts';
import { drawPanel } from './panel.ts';
import { drawHost, drawPlace, placesOf } from './places.ts';
import { escape, round } from './shapes.ts';
import { styleSheet } from './theme.ts';

/** Narrowest picture, in pixels. */
const narrowest = 560;

/** The picture as an SVG document, in the reader's light or dark. */
export function drawSvg(picture: Picture): string {
  const { host, networks } = picture;
  const { width: own, height: above, columns, boxOf, edges } = arrange(picture);
  const width = Math.max(own, narrowest);
  const legend = drawLegend(networks, { x: margin, y: above, room: width - 2 * margin });
  const height = above + (legend.height === 0 ? 0 : legend.height + margin - 10);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${round(width)} ${round(height)}" width="${round(width)}" height="${round(height)}" role="img" aria-label="Container networks of ${escape(host.name)}">`,
    `<style>${styleSheet()}</style>`,
    '<rect width="100%" height="100%" rx="12" class="page"/>',
    drawHeader(picture, { x: margin, y: 0, room: width - 2 * margin }),
    ...edges.map((line) => `<path d="${line}" class="edge" stroke-width="2"/>`),
    ...placesOf(picture).map((place) => drawPlace(place, boxOf(place.id))),
    drawHost(picture, boxOf('host')),
    ...networks.map((network, index) => drawPanel(boxOf(`n${index}`), network, columns)),
    legend.drawn,
    '</svg>',
  ]
    .filter((part) => part !== '')
    .join('\n');
}
