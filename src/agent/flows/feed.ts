/** Items that a slow reader is kept for; later ones are lost to it. */
const mostWaiting = 10_000;

/** Hands items to whoever reads them as they come. A reader that is too slow loses some; nobody waits for it. */
export class Feed<Item> {
  readonly #readers = new Set<FeedReader<Item>>();

  get isRead(): boolean {
    return this.#readers.size > 0;
  }

  push(item: Item): void {
    for (const reader of this.#readers) reader.push(item);
  }

  /** From now on. Whoever is done calls `return`, as "for await" does. */
  read(): AsyncIterableIterator<Item> {
    const reader = new FeedReader<Item>(() => this.#readers.delete(reader));
    this.#readers.add(reader);
    return reader;
  }

  close(): void {
    for (const reader of this.#readers) void reader.return();
  }
}

class FeedReader<Item> implements AsyncIterableIterator<Item> {
  readonly #leave: () => void;
  #waiting: Item[] = [];
  #wake: ((result: IteratorResult<Item>) => void) | undefined;
  #isDone = false;

  constructor(leave: () => void) {
    this.#leave = leave;
  }

  push(item: Item): void {
    const wake = this.#wake;
    this.#wake = undefined;
    if (wake !== undefined) wake({ done: false, value: item });
    else if (this.#waiting.length < mostWaiting) this.#waiting.push(item);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Item>> {
    const value = this.#waiting.shift();
    if (value !== undefined) return { done: false, value };
    if (this.#isDone) return { done: true, value: undefined };
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  async return(): Promise<IteratorResult<Item>> {
    this.#isDone = true;
    this.#leave();
    this.#wake?.({ done: true, value: undefined });
    return { done: true, value: undefined };
  }
}
