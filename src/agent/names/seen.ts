import type { QueryReport } from '../dns/answer-query.ts';

/** An address that a container was told for a name. */
export interface SeenName {
  readonly address: string;
  readonly name: string;
}

/** Addresses that are kept; a host with containers talks to fewer in the time that denials are remembered. */
const most = 10_000;

/** What addresses were called, by the answers that containers got: for those who want to read names. */
export class SeenNames {
  /** The oldest first. */
  readonly #names = new Map<string, string>();

  note({ verdict, name, addresses }: QueryReport): void {
    if (verdict !== 'answered') return;
    for (const { address } of addresses) {
      this.#names.delete(address);
      this.#names.set(address, name);
    }
    for (const address of this.#names.keys()) {
      if (this.#names.size <= most) return;
      this.#names.delete(address);
    }
  }

  /** What an address was called last; undefined where nobody was told it. */
  nameOf(address: string): string | undefined {
    return this.#names.get(address);
  }

  list(): SeenName[] {
    return [...this.#names].map(([address, name]) => ({ address, name }));
  }
}
