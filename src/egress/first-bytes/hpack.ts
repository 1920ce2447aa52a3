import { codeLengths, staticHeaders } from './hpack-tables.ts';

type Header = readonly [name: string, value: string];

/** Bytes of the dynamic table before settings were exchanged (RFC 9113, 6.5.2). */
const tableSize = 4096;
/** Each entry counts that much more than its text (RFC 7541, 4.1). */
const entryOverhead = 32;
/** Headers of a request that are looked at, at most. */
const mostHeaders = 256;

/**
 * Decodes the header block of the first request on a connection (RFC 7541): the dynamic table is empty before it.
 * Undefined for a block that is malformed.
 */
export function decodeHeaders(block: Uint8Array): Header[] | undefined {
  try {
    return readBlock(new BlockReader(block));
  } catch (error) {
    if (error instanceof MalformedError) return undefined;
    throw error;
  }
}

class MalformedError extends Error {}

function readBlock(reader: BlockReader): Header[] {
  const headers: Header[] = [];
  const dynamic: Header[] = [];
  while (!reader.isAtEnd) {
    if (headers.length >= mostHeaders) throw new MalformedError();
    const first = reader.peek();
    if ((first & 0x80) !== 0) headers.push(lookUp(reader.integer(7), dynamic));
    else if ((first & 0x40) !== 0) {
      const header = readLiteral(reader, 6, dynamic);
      headers.push(header);
      remember(dynamic, header);
    } else if ((first & 0x20) !== 0) {
      if (reader.integer(5) > tableSize) throw new MalformedError();
      // A new size empties what does not fit; a client that shrinks its table before its first request has none to
      // lose.
      dynamic.length = 0;
    } else headers.push(readLiteral(reader, 4, dynamic));
  }
  return headers;
}

function lookUp(index: number, dynamic: readonly Header[]): Header {
  const header = index <= staticHeaders.length ? staticHeaders[index - 1] : dynamic[index - staticHeaders.length - 1];
  if (header === undefined) throw new MalformedError();
  return header;
}

function readLiteral(reader: BlockReader, prefix: number, dynamic: readonly Header[]): Header {
  const index = reader.integer(prefix);
  const name = index === 0 ? reader.string() : lookUp(index, dynamic)[0];
  return [name, reader.string()];
}

function remember(dynamic: Header[], header: Header): void {
  dynamic.unshift(header);
  let size = 0;
  const kept = dynamic.findIndex(([name, value]) => {
    size += name.length + value.length + entryOverhead;
    return size > tableSize;
  });
  if (kept !== -1) dynamic.length = kept;
}

class BlockReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  peek(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new MalformedError();
    return byte;
  }

  /** An integer whose first bits are the low ones of the next byte (RFC 7541, 5.1). */
  integer(prefix: number): number {
    const most = 2 ** prefix - 1;
    const first = this.#next() & most;
    if (first < most) return first;
    let value = most;
    for (let shift = 0; shift <= 21; shift += 7) {
      const byte = this.#next();
      value += (byte & 0x7f) * 2 ** shift;
      if ((byte & 0x80) === 0) return value;
    }
    throw new MalformedError();
  }

  string(): string {
    const isCoded = (this.peek() & 0x80) !== 0;
    const length = this.integer(7);
    const bytes = this.#bytes.subarray(this.#at, this.#at + length);
    if (bytes.length < length) throw new MalformedError();
    this.#at += length;
    return Buffer.from(isCoded ? decodeHuffman(bytes) : bytes).toString('latin1');
  }

  #next(): number {
    const byte = this.peek();
    this.#at += 1;
    return byte;
  }
}

const endOfString = 256;
let codes: ReadonlyMap<string, number> | undefined;

function decodeHuffman(bytes: Uint8Array): number[] {
  codes ??= makeCodes();
  const decoded: number[] = [];
  let code = '';
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit -= 1) {
      code += String((byte >> bit) & 1);
      const value = codes.get(code);
      if (value === endOfString) throw new MalformedError();
      if (value === undefined) continue;
      decoded.push(value);
      code = '';
    }
  }
  // What is left over is the beginning of the code of the end, shorter than a byte (RFC 7541, 5.2).
  if (code.length > 7 || code.includes('0')) throw new MalformedError();
  return decoded;
}

function makeCodes(): Map<string, number> {
  const symbols = Array.from(codeLengths, (length, symbol) => ({ symbol, length: Number.parseInt(length, 36) }));
  const made = new Map<string, number>();
  let next = 0;
  let last = 0;
  for (const { symbol, length } of symbols.toSorted((a, b) => a.length - b.length || a.symbol - b.symbol)) {
    next *= 2 ** (length - last);
    last = length;
    made.set(next.toString(2).padStart(length, '0'), symbol);
    next += 1;
  }
  return made;
}
