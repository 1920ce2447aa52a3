import { AnswerCache } from './cache.ts';
import type { Question } from './exchange.ts';
import type { UpstreamAnswer } from './release.ts';
import { Upstreams, UpstreamError, type AskedQuery } from './upstreams.ts';

export interface LookupResult {
  readonly answer: UpstreamAnswer;
  /** The same as it came, always the same object. */
  readonly stored: UpstreamAnswer;
  readonly from: 'upstream' | 'cache' | 'stale';
}

/**
 * Milliseconds for which a failing upstream is not asked again for a name that has a stale answer (RFC 8767, section
 * 5).
 */
const recheck = 30_000;

/** Names whose failure is remembered; a container may ask for any number. */
const mostFailed = 10_000;

interface LookupUnderWay {
  readonly result: Promise<LookupResult>;
  readonly asked: AskedQuery;
}

/**
 * Looks names up: in the cache, then upstream, then in what is stale. Queries for one name, type and list
 * of servers that come while one is under way share its answer. `now` is milliseconds of a clock that nobody sets.
 */
export class Lookup {
  readonly #underWay = new Map<string, LookupUnderWay>();
  readonly #failedAt = new FailedNames();
  readonly #cache: AnswerCache;
  readonly #upstreams: Upstreams;
  readonly #now: () => number;

  constructor({
    cache = new AnswerCache(),
    upstreams = new Upstreams(),
    now = () => performance.now(),
  }: { cache?: AnswerCache; upstreams?: Upstreams; now?: () => number } = {}) {
    this.#cache = cache;
    this.#upstreams = upstreams;
    this.#now = now;
  }

  /**
   * `owner` is who asks: each has a share of the places upstream. Throws {@link UpstreamError} when no server answers
   * and nothing is known.
   */
  async find(question: Question, servers: readonly string[], owner: string): Promise<LookupResult> {
    const key = `${question.name} ${question.type} ${servers.join(' ')}`;
    const known = this.#cache.get(key, this.#now());
    if (known !== undefined && !known.isStale) return { ...known, from: 'cache' };
    if (known !== undefined && this.#failedAt.isSince(key, this.#now() - recheck)) return { ...known, from: 'stale' };
    try {
      return await this.#shared(key, question, servers, owner);
    } catch (error) {
      if (known === undefined || !(error instanceof UpstreamError)) throw error;
      this.#failedAt.note(key, this.#now());
      return { ...known, from: 'stale' };
    }
  }

  /** Whether it was asked before, so that asking again tells nobody anything new. */
  wasAsked(question: Question, servers: readonly string[]): boolean {
    return this.#cache.get(`${question.name} ${question.type} ${servers.join(' ')}`, this.#now()) !== undefined;
  }

  /** Names that are remembered. */
  get size(): number {
    return this.#cache.size;
  }

  #shared(key: string, question: Question, servers: readonly string[], owner: string): Promise<LookupResult> {
    const underWay = this.#underWay.get(key);
    if (underWay !== undefined) {
      underWay.asked.join(owner);
      return underWay.result;
    }
    const asked = this.#upstreams.ask(question, servers, owner);
    const result = this.#fetch(key, asked, owner).finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, { asked, result });
    return result;
  }

  async #fetch(key: string, { response }: AskedQuery, owner: string): Promise<LookupResult> {
    const { rcode, answers, soa } = await response;
    const answer = { rcode, answers, ...(soa === undefined ? {} : { soa }) };
    this.#failedAt.forget(key);
    this.#cache.set(key, answer, { now: this.#now(), owner });
    return { answer, stored: answer, from: 'upstream' };
  }
}

/** When names failed last, the oldest first. */
class FailedNames {
  readonly #at = new Map<string, number>();

  note(key: string, now: number): void {
    this.#at.delete(key);
    this.#at.set(key, now);
    for (const oldest of this.#at.keys()) {
      if (this.#at.size <= mostFailed) break;
      this.#at.delete(oldest);
    }
  }

  isSince(key: string, then: number): boolean {
    return (this.#at.get(key) ?? -Infinity) > then;
  }

  forget(key: string): void {
    this.#at.delete(key);
  }
}
