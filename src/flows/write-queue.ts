import { systemReason } from '../text/system-error.ts';

export interface WriteQueueOptions<Item> {
  /** Writes several at once; what it throws is the problem, and they are lost. Never called twice at a time. */
  readonly write: (items: readonly Item[]) => Promise<void>;
  /** Sum of `sizeOf` of what may wait. */
  readonly most: number;
  readonly sizeOf: (item: Item) => number;
}

/** Milliseconds in which items are gathered into one write. */
const gathering = 200;

/**
 * Gathers items for a writer that may be slow. Whoever appends waits for nothing; what there is no room for is lost.
 */
export class WriteQueue<Item> {
  readonly #options: WriteQueueOptions<Item>;
  #waiting: Item[] = [];
  #size = 0;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  /** The write that has not taken its items yet. */
  #next: Promise<void> | undefined;
  #lost = 0;
  #problem: string | undefined;

  constructor(options: WriteQueueOptions<Item>) {
    this.#options = options;
  }

  /** Items that there was no room for, or that could not be written. */
  get lost(): number {
    return this.#lost;
  }

  /** Why the last write failed. */
  get problem(): string | undefined {
    return this.#problem;
  }

  append(item: Item): void {
    const size = this.#options.sizeOf(item);
    if (this.#size + size > this.#options.most) {
      this.#lost += 1;
      return;
    }
    this.#waiting.push(item);
    this.#size += size;
    this.#timer ??= setTimeout(() => void this.flush(), gathering);
  }

  /** Settles when everything that was appended so far is written, or lost. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#next ??= this.#writing.then(async () => {
      this.#next = undefined;
      await this.#write();
    });
    this.#writing = this.#next;
    await this.#writing;
  }

  async #write(): Promise<void> {
    const items = this.#waiting;
    this.#waiting = [];
    this.#size = 0;
    if (items.length === 0) return;
    try {
      await this.#options.write(items);
      this.#problem = undefined;
    } catch (error) {
      this.#lost += items.length;
      this.#problem = systemReason(error);
    }
  }
}
