import { exchange, parseServerAddress, type Question } from './exchange.ts';
import { FairQueue, type Turn } from './fair-queue.ts';
import type { Response } from './read-response.ts';
import { rcodes } from './record-types.ts';

/** No upstream gave an answer that can be passed on. */
export class UpstreamError extends Error {
  override readonly name = 'UpstreamError';
}

export interface UpstreamOptions {
  /** Milliseconds for a query with all its tries; the resolvers of glibc and musl wait for five seconds. */
  readonly deadline?: number;
  /** Milliseconds until the next server is tried. */
  readonly timeoutPerTry?: number;
  /** Queries under way at once; the others wait, those of each container in its turn. */
  readonly concurrency?: number;
  /** Milliseconds of a clock that nobody sets. */
  readonly now?: () => number;
}

/** A query that is asked, or waits for a place. */
export interface AskedQuery {
  readonly response: Promise<Response>;
  /** Somebody else wants it too: it goes when the turn of either comes. */
  join(owner: string): void;
}

/** Milliseconds for which a server that failed is asked last. */
const penalty = 30_000;
/** Milliseconds for which a server that showed that it does not speak EDNS is asked without. */
const withoutEdns = 15 * 60_000;
/** Queries with EDNS in a row that a server left unanswered while it answered those without: one may have been lost. */
const mostSilences = 2;
/** Servers that are remembered. */
const mostServers = 1000;

interface ServerState {
  failedAt: number;
  /** Until when it is asked without EDNS. */
  plainUntil: number;
  silences: number;
}

/** Asks upstream servers: one after the other, twice round, those that failed lately last. */
export class Upstreams {
  readonly #servers = new Map<string, ServerState>();
  readonly #turns: FairQueue;
  readonly #deadline: number;
  readonly #timeoutPerTry: number;
  readonly #now: () => number;

  constructor({
    deadline = 4000,
    timeoutPerTry = 1200,
    concurrency = 256,
    now = () => performance.now(),
  }: UpstreamOptions = {}) {
    this.#deadline = deadline;
    this.#timeoutPerTry = timeoutPerTry;
    this.#turns = new FairQueue(concurrency);
    this.#now = now;
  }

  /**
   * The first answer that says something of the name: records, none, or no such name. Its response rejects with
   * {@link UpstreamError} and every server's reason when there is none within the deadline. `owner` is who asks.
   */
  ask(question: Question, servers: readonly string[], owner: string): AskedQuery {
    const ends = this.#now() + this.#deadline;
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    const turn: Turn = {
      hasBegun: false,
      run: () => this.#askAll(question, servers, ends).then(resolve, reject),
    };
    if (servers.length === 0)
      reject(new UpstreamError(`Cannot ask for "${question.name}": there is no upstream server`));
    else this.#turns.add(owner, turn);
    return {
      response: promise,
      join: (other) => {
        if (!turn.hasBegun) this.#turns.add(other, turn);
      },
    };
  }

  async #askAll(question: Question, servers: readonly string[], ends: number): Promise<Response> {
    const reasons = new Map<string, string>();
    for (const server of [...this.#inOrder(servers), ...this.#inOrder(servers)]) {
      const left = ends - this.#now();
      if (left <= 0) break;
      const outcome = await this.#try(question, server, Math.min(left, this.#timeoutPerTry));
      if (typeof outcome !== 'string') return outcome;
      reasons.set(server, outcome);
    }
    const list = [...reasons].map(([server, reason]) => `${server}: ${reason}`).join('; ');
    throw new UpstreamError(`Cannot ask for "${question.name}": ${list || 'the queue was too long'}`);
  }

  async #try(question: Question, server: string, deadline: number): Promise<Response | string> {
    const state = this.#stateOf(server);
    try {
      const { response, edns } = await exchange(question, parseServerAddress(server), {
        deadline,
        edns: this.#now() >= state.plainUntil,
      });
      state.silences = edns === 'silent' ? state.silences + 1 : 0;
      if (edns === 'refused' || state.silences >= mostSilences) state.plainUntil = this.#now() + withoutEdns;
      if (response.rcode === rcodes.noError || response.rcode === rcodes.nxDomain) {
        state.failedAt = -Infinity;
        return response;
      }
      // It works, and another server may know better: not a reason to ask it last for other names.
      return `it answered with code ${response.rcode}`;
    } catch (error) {
      state.failedAt = this.#now();
      return error instanceof Error ? error.message : String(error);
    }
  }

  #stateOf(server: string): ServerState {
    const known = this.#servers.get(server);
    if (known !== undefined) return known;
    const state = { failedAt: -Infinity, plainUntil: -Infinity, silences: 0 };
    this.#servers.set(server, state);
    for (const oldest of this.#servers.keys()) {
      if (this.#servers.size <= mostServers) break;
      this.#servers.delete(oldest);
    }
    return state;
  }

  #inOrder(servers: readonly string[]): string[] {
    const now = this.#now();
    const isLate = (server: string): number => (now - this.#stateOf(server).failedAt < penalty ? 1 : 0);
    return servers.toSorted((one, other) => isLate(one) - isLate(other));
  }
}
