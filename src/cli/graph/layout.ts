import { Graph, layout } from '@dagrejs/dagre';
import { headerHeight } from './header.ts';
import type { Picture } from './picture.ts';
import { placesOf, sizeOfHost, sizeOfPlace } from './places.ts';
import { sizeOfPanel } from './panel.ts';
import { round, type Box } from './shapes.ts';

/** Where everything stands. */
export interface Arrangement {
  readonly width: number;
  readonly height: number;
  /** Columns of cards in a network's box, at most. */
  readonly columns: number;
  readonly boxOf: (id: string) => Box;
  /** Paths of the lines between boxes. */
  readonly edges: readonly string[];
}

/** Width to height of a screen; a picture near it is seen whole. */
const wished = 1.55;

/** Pixels around the whole. */
export const margin = 26;

/**
 * Tries cards and networks in one to a few columns and takes the arrangement nearest to the shape of a screen. dagre
 * places boxes and leads the lines to networks of later columns between those of earlier ones.
 */
export function arrange(picture: Picture): Arrangement {
  const most = Math.max(1, ...picture.networks.map(({ containers }) => containers.length));
  const candidates = [1, 2, 3, 4, 5, 6]
    .slice(0, most)
    .flatMap((columns) =>
      [1, 2, 3, 4]
        .slice(0, Math.max(1, Math.ceil(picture.networks.length / 2)))
        .map((ranks) => ({ ...place(picture, columns, ranks), ranks })),
    );
  // One column of networks reads best: more columns have to save much height.
  const cost = ({ width, height, ranks }: (typeof candidates)[number]): number =>
    Math.abs(Math.log(width / height / wished)) + 0.1 * (ranks - 1);
  const [best] = candidates.toSorted((one, other) => cost(one) - cost(other));
  if (best === undefined) throw new RangeError('there is always one column');
  return best;
}

function place(picture: Picture, columns: number, ranks: number): Arrangement {
  const { networks } = picture;
  const graph = new Graph();
  graph.setGraph({ rankdir: 'LR', nodesep: 30, edgesep: 26, ranksep: 64, marginx: margin, marginy: margin });
  graph.setDefaultEdgeLabel(() => ({}));
  const places = placesOf(picture);
  for (const one of places) graph.setNode(one.id, sizeOfPlace(one, places));
  graph.setNode('host', sizeOfHost(picture));
  graph.setEdge('internet', 'host');
  graph.setEdge('lan', 'host');
  const rankOf = (index: number): number => index % ranks;
  networks.forEach((network, index) => {
    graph.setNode(`n${index}`, sizeOfPanel(network, columns));
    graph.setEdge('host', `n${index}`, { minlen: 1 + rankOf(index) });
  });
  layout(graph, { disableOptimalOrderHeuristic: true });
  const placed = (id: string): Box => {
    const { x, y, width, height } = graph.node(id) as Box;
    return { x: x - width / 2, y: y - height / 2 + headerHeight, width, height };
  };
  // dagre puts boxes of one rank above each other by their middles; by their left sides no line crosses a box.
  const lefts = Array.from({ length: ranks }, (_, rank) =>
    Math.min(...networks.flatMap((__, index) => (rankOf(index) === rank ? placed(`n${index}`).x : []))),
  );
  const boxOf = (id: string): Box => {
    const box = placed(id);
    return /^n\d/.test(id) ? { ...box, x: lefts[rankOf(Number(id.slice(1)))] ?? box.x } : box;
  };
  const rights = lefts.map((_, rank) =>
    Math.max(
      ...networks.flatMap((__, index) => {
        const { x, width } = boxOf(`n${index}`);
        return rankOf(index) === rank ? x + width : [];
      }),
    ),
  );
  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number };
  return {
    width,
    height: height + headerHeight,
    columns,
    boxOf,
    edges: [
      ...['internet', 'lan'].map((id) => path([rightOf(boxOf(id)), leftOf(boxOf('host'))])),
      ...networks.map((_, index) => {
        const { points = [] } = graph.edge('host', `n${index}`) as { points?: Point[] };
        const between = lefts.slice(0, rankOf(index)).flatMap((left, rank) => {
          const right = rights[rank] ?? left;
          const passed = points.find(({ x }) => x > left && x < right);
          return passed === undefined
            ? []
            : [
                { x: left, y: passed.y + headerHeight },
                { x: right, y: passed.y + headerHeight },
              ];
        });
        return path([rightOf(boxOf('host')), ...between, leftOf(boxOf(`n${index}`))]);
      }),
    ],
  };
}

interface Point {
  readonly x: number;
  readonly y: number;
}

function rightOf({ x, y, width, height }: Box): Point {
  return { x: x + width, y: y + height / 2 };
}

function leftOf({ x, y, height }: Box): Point {
  return { x, y: y + height / 2 };
}

/** Through all points, level at each. */
function path(points: readonly Point[]): string {
  return points
    .map(({ x, y }, index) => {
      const before = points[index - 1];
      if (before === undefined) return `M${round(x)} ${round(y)}`;
      const middle = round((before.x + x) / 2);
      return `C${middle} ${round(before.y)} ${middle} ${round(y)} ${round(x)} ${round(y)}`;
    })
    .join('');
}
