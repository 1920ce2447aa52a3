import { rememberedNames } from '../../repair/survey/known-names.ts';

/** Milliseconds for which the files of names are not read again. */
const lasting = 30_000;

/** Names that policies list, by the addresses that they had: for a container that asked another server than ours. */
export class RememberedNames {
  #names: ReadonlyMap<string, readonly string[]> = new Map();
  #readAt = -Infinity;

  find(address: string): string | undefined {
    const now = performance.now();
    if (now - this.#readAt > lasting) {
      this.#names = rememberedNames();
      this.#readAt = now;
    }
    return this.#names.get(address)?.[0];
  }
}
