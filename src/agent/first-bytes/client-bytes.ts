/** Segments out of order that are kept; a client may have ten on the way before it is answered (RFC 6928). */
const mostAhead = 32;

/**
 * What a client sent since its SYN, put together: in any order, and twice. Two segments that say different things of
 * one place are a conflict: the server would get one of them, and nobody knows which.
 */
export class ClientBytes {
  #bytes = new Uint8Array(0);
  readonly #ahead = new Map<number, Uint8Array>();

  /** From the first one on, without a gap. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Bytes that are kept, those behind a gap too. */
  get size(): number {
    let size = this.#bytes.length;
    for (const data of this.#ahead.values()) size += data.length;
    return size;
  }

  /** Takes data that begins so many bytes behind the SYN. */
  add(offset: number, data: Uint8Array): 'added' | 'conflict' | 'too many' {
    if (this.#conflicts(offset, data)) return 'conflict';
    if (offset > this.#bytes.length) {
      const known = this.#ahead.get(offset);
      if (known !== undefined && !begins(known, data)) return 'conflict';
      if ((known?.length ?? 0) < data.length) this.#ahead.set(offset, Uint8Array.from(data));
      return this.#ahead.size > mostAhead ? 'too many' : 'added';
    }
    this.#append(offset, data);
    for (const [start, ahead] of [...this.#ahead].toSorted(([a], [b]) => a - b)) {
      if (start > this.#bytes.length) break;
      this.#ahead.delete(start);
      if (this.#conflicts(start, ahead)) return 'conflict';
      this.#append(start, ahead);
    }
    return 'added';
  }

  /** Whether data says something else than what is there, where both say something. */
  #conflicts(offset: number, data: Uint8Array): boolean {
    const known = this.#bytes.subarray(Math.min(offset, this.#bytes.length), offset + data.length);
    return !begins(known, data);
  }

  #append(offset: number, data: Uint8Array): void {
    const fresh = data.subarray(this.#bytes.length - offset);
    if (fresh.length === 0 || offset + data.length <= this.#bytes.length) return;
    const joined = new Uint8Array(this.#bytes.length + fresh.length);
    joined.set(this.#bytes);
    joined.set(fresh, this.#bytes.length);
    this.#bytes = joined;
  }
}

/** Whether one is the beginning of the other. */
function begins(one: Uint8Array, other: Uint8Array): boolean {
  const length = Math.min(one.length, other.length);
  return Buffer.compare(one.subarray(0, length), other.subarray(0, length)) === 0;
}
