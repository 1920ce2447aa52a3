import { isMap, isScalar, isSeq, LineCounter, parseDocument, type Node } from 'yaml';
import type { JsonPlace } from './json-places.ts';
import type { JsonProblem } from './json-problem.ts';

/** What a YAML text says, and where. */
export interface YamlText {
  readonly value: unknown;
  /** As {@link findPlaces} (json-places.ts) has those of JSON. */
  readonly places: Map<string, JsonPlace>;
}

/**
 * Reads one document of YAML 1.2 (core schema), or finds the first thing that is wrong with it: a key that is there
 * twice, a tag, an alias. An alias could make a short text endless, and nothing in a policy is said twice.
 */
export function readYaml(text: string): YamlText | JsonProblem {
  try {
    return readDocument(text);
  } catch (error) {
    if (error instanceof RangeError) return { line: 1, column: 1, problem: tooDeep };
    throw error;
  }
}

const tooDeep = 'objects and lists are nested too deep';

function readDocument(text: string): YamlText | JsonProblem {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, schema: 'core', uniqueKeys: true, prettyErrors: false });
  const problemAt = (offset: number, problem: string): JsonProblem => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col), problem };
  };
  const [wrong] = [...document.errors, ...document.warnings];
  if (wrong !== undefined) return problemAt(wrong.pos[0], yamlWords(wrong.code, wrong.message));
  const places = new Map<string, JsonPlace>();
  let found: JsonProblem | undefined;
  const read = (node: unknown, path: string, at?: number): unknown => {
    const start = (node as Node | null)?.range?.[0] ?? at ?? 0;
    const value = valueOf(node, path, start);
    const [place, valueAt] = [at ?? start, start].map((offset) => {
      const { line, col } = lines.linePos(offset);
      return { line: Math.max(1, line), column: Math.max(1, col) };
    });
    if (place !== undefined && valueAt !== undefined) places.set(path, { ...place, value, valueAt });
    return value;
  };
  const valueOf = (node: unknown, path: string, start: number): unknown => {
    if (node === null || node === undefined) return null;
    if (isScalar(node)) return node.value;
    if (isSeq(node)) return node.items.map((item, index) => read(item, `${path}[${index}]`));
    if (isMap(node))
      return Object.fromEntries(
        node.items.map(({ key, value }) => {
          const name = isScalar(key) ? String(key.value) : '';
          if (!isScalar(key)) found ??= problemAt(start, 'a key that is no text stands there');
          return [name, read(value, path === '' ? name : `${path}.${name}`, (key as Node | null)?.range?.[0])];
        }),
      );
    found ??= problemAt(start, 'there is an alias, and a policy takes none: put a name that begins with "*" in quotes');
    return null;
  };
  const value = read(document.contents, '');
  return found ?? { value, places };
}

/** The library's words begin in capitals, and show the line once more. */
function yamlWords(code: string, message: string): string {
  // The library goes down into lists by calls, and tells where the stack ended.
  if (/call stack/i.test(message)) return tooDeep;
  if (code === 'DUPLICATE_KEY') return 'the key is there a second time';
  const [first = ''] = message.split('\n', 1);
  return `it is no YAML: ${first.charAt(0).toLowerCase()}${first.slice(1)}`;
}
