import type { QueryReport } from '../dns/answer-query.ts';

/** An address that a container was told for a name. */
export interface ToldName {
  readonly address: string;
  readonly name: string;
}

/** Addresses that are kept for one container, the oldest go; and names of one of them. */
const mostAddresses = 4096;
const mostNames = 16;
/** Addresses whose last name is kept. */
const mostLatest = 10_000;

/** What addresses were called in the answers that each container got. */
export class ToldNames {
  /** The latest name of an address, the oldest first. */
  readonly #latest = new Map<string, string>();
  readonly #bySource = new Map<string, Map<string, Set<string>>>();

  note({ source, verdict, name, addresses }: QueryReport): void {
    if (verdict !== 'answered' || addresses.length === 0) return;
    const own = this.#bySource.get(source) ?? new Map<string, Set<string>>();
    this.#bySource.set(source, own);
    for (const { address } of addresses) {
      const names = own.get(address) ?? new Set();
      own.delete(address);
      own.set(address, names);
      names.delete(name);
      names.add(name);
      for (const oldest of names) if (names.size > mostNames) names.delete(oldest);
      this.#latest.delete(address);
      this.#latest.set(address, name);
    }
    dropOldest(own, mostAddresses);
    dropOldest(this.#latest, mostLatest);
  }

  /** What an address was called in the last answer that had it, whoever got it. */
  nameOf(address: string): string | undefined {
    return this.#latest.get(address);
  }

  /** Names for which the container with a source address was told an address, the latest last. */
  namesOf(source: string, address: string): readonly string[] {
    return [...(this.#bySource.get(source)?.get(address) ?? [])];
  }

  /** Forgets containers that are gone. */
  keep(sources: { has(source: string): boolean }): void {
    for (const source of this.#bySource.keys()) if (!sources.has(source)) this.#bySource.delete(source);
  }

  list(): ToldName[] {
    const all = new Map<string, ToldName>();
    for (const own of this.#bySource.values())
      for (const [address, names] of own) for (const name of names) all.set(`${address} ${name}`, { address, name });
    return [...all.values()];
  }
}

function dropOldest(map: Map<string, unknown>, most: number): void {
  for (const oldest of map.keys()) {
    if (map.size <= most) return;
    map.delete(oldest);
  }
}
