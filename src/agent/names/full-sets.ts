import { emptyFullSets, type TablesSource } from '../../repair/tables.ts';

/** Milliseconds between two of these, where somebody goes on to fill a set. */
const pause = 10_000;

/** Writes the tables anew where a set is full of addresses that are not ours, and calls back when that was done. */
export class FullSets {
  readonly #source: TablesSource;
  readonly #onEmptied: () => void;
  #last = -Infinity;

  constructor(source: TablesSource, onEmptied: () => void) {
    this.#source = source;
    this.#onEmptied = onEmptied;
  }

  /** Nothing again and again. */
  async empty(): Promise<void> {
    if (performance.now() - this.#last < pause) return;
    this.#last = performance.now();
    await emptyFullSets(this.#source);
    this.#onEmptied();
  }
}
