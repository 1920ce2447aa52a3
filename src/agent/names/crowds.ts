import type { Crowd } from './claims.ts';

interface CrowdCount extends Crowd {
  readonly source: string;
  readonly total: number;
  /** Milliseconds of a clock that nobody sets. */
  readonly at: number;
}

/** Milliseconds for which it is a problem. */
const lasting = 60_000;
/** Containers and names that are told of; those beyond are not. */
const mostCrowds = 256;

/** Who had more addresses open than one may, so that the oldest were closed. */
export class Crowds {
  readonly #crowds = new Map<string, CrowdCount>();

  note(crowd: Crowd): void {
    const source = crowd.asker?.source ?? '';
    const key = `${source} ${crowd.limit} ${crowd.asker?.wildcard ?? crowd.name}`;
    const total = (this.#crowds.get(key)?.total ?? 0) + crowd.count;
    this.#crowds.delete(key);
    this.#crowds.set(key, { ...crowd, source, total, at: performance.now() });
    for (const oldest of this.#crowds.keys()) {
      if (this.#crowds.size <= mostCrowds) return;
      this.#crowds.delete(oldest);
    }
  }

  /** One sentence for each of the last minute. */
  problems(describe: (source: string) => string): string[] {
    const since = performance.now() - lasting;
    return [...this.#crowds.values()]
      .filter(({ at }) => at > since)
      .map((crowd) => sentenceOf(crowd, crowd.source === '' ? undefined : describe(crowd.source)));
  }

  get counts(): readonly { readonly source: string; readonly limit: string; readonly count: number }[] {
    const sums = new Map<string, { source: string; limit: string; count: number }>();
    for (const { source, limit, total } of this.#crowds.values()) {
      const key = `${source} ${limit}`;
      sums.set(key, { source, limit, count: (sums.get(key)?.count ?? 0) + total });
    }
    return [...sums.values()];
  }
}

function sentenceOf({ limit, most, name, asker }: CrowdCount, container: string | undefined): string {
  const what = asker?.wildcard === undefined ? `"${name}"` : `"${asker.wildcard}"`;
  const who = container === undefined ? `The name ${what}` : `The container "${container}" by ${what}`;
  const whose = { name: 'one name', container: 'one container', wildcard: 'one wildcard' } as const;
  const bound =
    limit === 'wildcards' || limit === 'set' ? `the names of one policy together may` : `${whose[limit]} may`;
  return `${who} has ${most} addresses open, as many as ${bound}; the oldest are closed`;
}
