import { interfacePart, tableNames, type Element, type Part, type Verdict } from '../nft/element.ts';

/** Decoded JSON becomes an element, as an index entry holds it (index-files.ts). Undefined for what is none. */
export function readElement(json: unknown): Element | undefined {
  const { table, set, key, value } = (json ?? {}) as Partial<Record<string, unknown>>;
  const known = tableNames.find((name) => name === table);
  const parts = readParts(key);
  if (known === undefined || !isWord(set) || parts === undefined) return undefined;
  if (value === undefined) return { table: known, set, key: parts };
  const leadsTo = readVerdict(value) ?? readParts(value);
  return leadsTo === undefined ? undefined : { table: known, set, key: parts, value: leadsTo };
}

/** In entries of 0.1.0 parts were one text of nft: `"drawbridge0" . "drawbridge0"`. */
function readParts(json: unknown): Part[] | undefined {
  const parts = typeof json === 'string' ? json.split(' . ').map(fromText) : Array.isArray(json) ? json : [];
  const read = parts.map(readPart);
  return read.length > 0 && read.every((part) => part !== undefined) ? read : undefined;
}

function fromText(text: string): unknown {
  const name = /^"(.+)"$/.exec(text)?.[1];
  return name === undefined ? text : { interface: name };
}

function readPart(json: unknown): Part | undefined {
  if (typeof json === 'number') return json;
  if (typeof json === 'string') return /^[\w.:/-]+$/.test(json) ? json : undefined;
  const name = (json as { interface?: unknown } | null)?.interface;
  try {
    return typeof name === 'string' ? interfacePart(name) : undefined;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** In entries of 0.1.0 it was a text of nft: `jump egress_out`. */
function readVerdict(json: unknown): Verdict | undefined {
  const [, verb = '', chain = ''] = typeof json === 'string' ? (/^(goto|jump) (\w+)$/.exec(json) ?? []) : [];
  const { goto, jump } = (chain === '' ? (json ?? {}) : { [verb]: chain }) as Partial<Record<string, unknown>>;
  if (isWord(goto)) return { goto };
  return isWord(jump) ? { jump } : undefined;
}

function isWord(text: unknown): text is string {
  return typeof text === 'string' && /^\w+$/.test(text);
}
