import type { RefusedQueries } from '../dns/process/messages.ts';

/** A name that was refused to a container, in all since its agent began. */
export interface RefusedName {
  /** Address of the container. */
  readonly source: string;
  /** "" for those beyond the names that are kept of one container. */
  readonly name: string;
  readonly types: readonly string[];
  readonly why: string;
  readonly count: number;
  /** Milliseconds since 1970. */
  readonly firstAt: number;
  readonly lastAt: number;
}

/** Queries that were refused just now; `isNew` for a name that was not kept before. */
export interface RefusalEvent extends RefusedQueries {
  readonly isNew: boolean;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** Names that are kept of one container; further ones are counted together. */
const mostNames = 256;
/** Types that are told of one name. */
const mostTypes = 8;

/** Names that DNS refused, by container: what a denial is under a list of names. */
export class RefusedNames {
  readonly #bySource = new Map<string, Map<string, RefusedName>>();
  readonly #listeners = new Set<(event: RefusalEvent) => void>();

  note(refused: readonly RefusedQueries[]): void {
    const at = Date.now();
    for (const one of refused) {
      const own = this.#bySource.get(one.source) ?? new Map<string, RefusedName>();
      this.#bySource.set(one.source, own);
      const name = own.has(one.name) || own.size < mostNames ? one.name : '';
      const known = own.get(name);
      own.set(name, {
        source: one.source,
        name,
        why: one.why,
        types: [...new Set([...(known?.types ?? []), one.type])].slice(0, mostTypes),
        count: (known?.count ?? 0) + one.count,
        firstAt: known?.firstAt ?? at,
        lastAt: at,
      });
      for (const listener of this.#listeners) listener({ ...one, name, at, isNew: known === undefined });
    }
  }

  /** Calls back for each container, name and type that was refused, ten times a second at most. Returns its end. */
  onRefused(listener: (event: RefusalEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  countOf(source: string, name: string): number {
    return this.#bySource.get(source)?.get(name)?.count ?? 0;
  }

  /** All queries of a container, by its addresses. */
  countOfAll(sources: readonly string[]): number {
    const own = sources.flatMap((source) => [...(this.#bySource.get(source)?.values() ?? [])]);
    return own.reduce((sum, { count }) => sum + count, 0);
  }

  list(): readonly RefusedName[] {
    return [...this.#bySource.values()].flatMap((own) => [...own.values()]);
  }

  /** Forgets containers that are gone. */
  keep(sources: { has(source: string): boolean }): void {
    for (const source of this.#bySource.keys()) if (!sources.has(source)) this.#bySource.delete(source);
  }
}
