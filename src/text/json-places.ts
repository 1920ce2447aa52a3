/** A place of a text; both from 1. */
export interface TextPlace {
  readonly line: number;
  readonly column: number;
}

/** Where an entry of a JSON text stands: an object's by its key, any other by its value. */
export interface JsonPlace extends TextPlace {
  readonly value: unknown;
  readonly valueAt: TextPlace;
}

/**
 * Finds the places of all values of a JSON text by their paths, "plugins[1].allow[0]"; an object's entry stands where
 * its key does. The text is to be sound JSON: what is not is passed over as well as can be.
 */
export function findPlaces(text: string): Map<string, JsonPlace> {
  const places = new Map<string, JsonPlace>();
  const token = /"(?:[^"\\]|\\.)*"|[{}[\]:,]|[^\s{}[\]:,"]+/gy;
  const space = /\s*/gy;
  let at = 0;

  const peek = (): { text: string; start: number } => {
    space.lastIndex = at;
    space.exec(text);
    token.lastIndex = space.lastIndex;
    const found = token.exec(text)?.[0] ?? '';
    return { text: found, start: space.lastIndex };
  };
  const next = (): { text: string; start: number } => {
    const found = peek();
    at = found.start + found.text.length;
    return found;
  };
  const read = (path: string, place?: number): unknown => {
    const { text: first, start } = next();
    const value = first === '{' ? readObject(path) : first === '[' ? readList(path) : readScalar(first);
    places.set(path, { ...lineAndColumn(text, place ?? start), value, valueAt: lineAndColumn(text, start) });
    return value;
  };
  const readObject = (path: string): Record<string, unknown> => {
    const value: Record<string, unknown> = {};
    while (peek().text.startsWith('"')) {
      const { text: key, start } = next();
      const name = String(readScalar(key));
      if (next().text !== ':') break;
      value[name] = read(path === '' ? name : `${path}.${name}`, start);
      if (peek().text === ',') next();
    }
    if (peek().text === '}') next();
    return value;
  };
  const readList = (path: string): unknown[] => {
    const value: unknown[] = [];
    while (!['', ']', '}'].includes(peek().text)) {
      value.push(read(`${path}[${value.length}]`));
      if (peek().text === ',') next();
    }
    if (peek().text === ']') next();
    return value;
  };
  read('');
  return places;
}

function readScalar(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function lineAndColumn(text: string, offset: number): TextPlace {
  const before = text.slice(0, offset).split('\n');
  return { line: before.length, column: (before.at(-1) ?? '').length + 1 };
}
