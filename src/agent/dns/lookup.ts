import { AnswerCache } from './cache.ts';
import type { Question } from './exchange.ts';
import type { UpstreamAnswer } from './release.ts';
import { Upstreams, UpstreamError } from './upstreams.ts';

export interface LookupResult {
  readonly answer: UpstreamAnswer;
  readonly from: 'upstream' | 'cache' | 'stale';
}

/**
 * Milliseconds for which a failing upstream is not asked again for a name that has a stale answer (RFC 8767, section
 * 5).
 */
const recheck = 30_000;

/**
 * Looks names up: in the cache, then upstream, then in what is stale. Queries for one name, type and list
 * of servers that come while one is under way share its answer.
 */
export class Lookup {
  readonly #underWay = new Map<string, Promise<LookupResult>>();
  readonly #failedAt = new Map<string, number>();
  readonly #cache: AnswerCache;
  readonly #upstreams: Upstreams;
  readonly #now: () => number;

  constructor({
    cache = new AnswerCache(),
    upstreams = new Upstreams(),
    now = Date.now,
  }: { cache?: AnswerCache; upstreams?: Upstreams; now?: () => number } = {}) {
    this.#cache = cache;
    this.#upstreams = upstreams;
    this.#now = now;
  }

  /** Throws {@link UpstreamError} when no server answers and nothing is known. */
  async find(question: Question, servers: readonly string[]): Promise<LookupResult> {
    const key = `${question.name} ${question.type} ${servers.join(' ')}`;
    const known = this.#cache.get(key, this.#now());
    if (known !== undefined && !known.isStale) return { answer: known.answer, from: 'cache' };
    const isFailing = this.#now() - (this.#failedAt.get(key) ?? -Infinity) < recheck;
    if (known !== undefined && isFailing) return { answer: known.answer, from: 'stale' };
    const asked = this.#underWay.get(key) ?? this.#ask(key, question, servers);
    try {
      return await asked;
    } catch (error) {
      if (known === undefined || !(error instanceof UpstreamError)) throw error;
      this.#failedAt.set(key, this.#now());
      return { answer: known.answer, from: 'stale' };
    }
  }

  /** Names that are remembered. */
  get size(): number {
    return this.#cache.size;
  }

  #ask(key: string, question: Question, servers: readonly string[]): Promise<LookupResult> {
    const asked = this.#fetch(key, question, servers).finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, asked);
    return asked;
  }

  async #fetch(key: string, question: Question, servers: readonly string[]): Promise<LookupResult> {
    const { rcode, answers, soa } = await this.#upstreams.ask(question, servers);
    const answer = { rcode, answers, ...(soa === undefined ? {} : { soa }) };
    this.#failedAt.delete(key);
    this.#cache.set(key, answer, this.#now());
    return { answer, from: 'upstream' };
  }
}
