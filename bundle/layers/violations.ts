import type { Imports } from './imports.ts';

/** The table src/layers.json: from the highest layer to the lowest. */
export interface LayerTable {
  readonly layers: readonly Layer[];
  /** Arrows that run up today. The list only shrinks: one that is not needed is a violation too. */
  readonly exceptions: readonly { readonly from: string; readonly to: string; readonly because: string }[];
}

export interface Layer {
  readonly name: string;
  readonly about: string;
  /** Folders and files of src. A file belongs to the layer that names the longest part of its path. */
  readonly rooms: readonly string[];
}

/** Says what breaks the rule "arrows point down, without circles", a sentence for each; none when all is well. */
export function findViolations({ layers, exceptions }: LayerTable, imports: Imports): string[] {
  const placed = new Map([...imports.keys()].map((file) => [file, layerOf(layers, file)]));
  const rooms = layers.flatMap((layer) => layer.rooms);
  const files = [...imports.keys()];
  const runsUp = [...imports].flatMap(([from, targets]) =>
    [...targets]
      .filter((to) => rank(layers, placed.get(to)) < rank(layers, placed.get(from)))
      .map((to) => ({ from, to })),
  );
  const isExcepted = (arrow: { from: string; to: string }): boolean =>
    exceptions.some(({ from, to }) => from === arrow.from && to === arrow.to);
  return [
    ...files
      .filter((file) => placed.get(file) === undefined)
      .map((file) => `"${file}" is in no layer of src/layers.json`),
    ...rooms
      .filter((room) => !files.some((file) => isIn(room, file)))
      .map((room) => `src/layers.json names "${room}", which has no file`),
    ...runsUp
      .filter((arrow) => !isExcepted(arrow))
      .map(
        ({ from, to }) =>
          `"${from}" (layer "${placed.get(from)?.name}") imports "${to}" (layer "${placed.get(to)?.name}"), which is above it`,
      ),
    ...exceptions
      .filter(({ from, to }) => !runsUp.some((arrow) => arrow.from === from && arrow.to === to))
      .map(({ from, to }) => `the exception from "${from}" to "${to}" is not needed any more: take it out`),
    ...circles(imports).map((circle) => `these files import each other in a circle: ${circle.join(', ')}`),
  ];
}

/** The layer that a file belongs to; undefined when no room of the table has it. */
export function layerOf(layers: readonly Layer[], file: string): Layer | undefined {
  let longest = '';
  let found: Layer | undefined;
  for (const layer of layers)
    for (const room of layer.rooms)
      if (isIn(room, file) && room.length > longest.length) [longest, found] = [room, layer];
  return found;
}

function isIn(room: string, file: string): boolean {
  return file === room || file.startsWith(`${room}/`);
}

/** A file without a layer is told of by itself, and runs nowhere. */
function rank(layers: readonly Layer[], layer: Layer | undefined): number {
  return layer === undefined ? Number.NaN : layers.indexOf(layer);
}

/** Groups of files that reach each other (Tarjan's strongly connected components of more than one file). */
function circles(imports: Imports): string[][] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const open: string[] = [];
  const found: string[][] = [];
  const visit = (file: string): void => {
    const at = index.size;
    index.set(file, at);
    low.set(file, at);
    open.push(file);
    for (const next of imports.get(file) ?? []) {
      if (!index.has(next)) visit(next);
      if (open.includes(next)) low.set(file, Math.min(low.get(file) ?? at, low.get(next) ?? at));
    }
    if (low.get(file) !== at) return;
    const group = open.splice(open.indexOf(file));
    if (group.length > 1 || imports.get(file)?.has(file) === true) found.push(group.toSorted());
  };
  for (const file of imports.keys()) if (!index.has(file)) visit(file);
  return found;
}
