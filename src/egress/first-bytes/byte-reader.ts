/** Reads numbers and slices one after the other. Each method returns undefined when the bytes end before. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /** Big-endian, of one to four bytes. */
  number(size: 1 | 2 | 3 | 4): number | undefined {
    const bytes = this.take(size);
    return bytes?.reduce((value, byte) => value * 256 + byte, 0);
  }

  take(size: number): Uint8Array | undefined {
    if (this.left < size) return undefined;
    this.#at += size;
    return this.#bytes.subarray(this.#at - size, this.#at);
  }

  /** A vector of TLS: its length in `size` bytes, then that many bytes. */
  vector(size: 1 | 2 | 3): Uint8Array | undefined {
    const length = this.number(size);
    return length === undefined ? undefined : this.take(length);
  }
}

export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
