import { exchange, parseServerAddress, type Question } from './exchange.ts';
import type { Response } from './read-response.ts';
import { rcodes } from './record-types.ts';
import { Semaphore } from './semaphore.ts';

/** No upstream gave an answer that can be passed on. */
export class UpstreamError extends Error {
  override readonly name = 'UpstreamError';
}

export interface UpstreamOptions {
  /** Milliseconds for a query with all its tries; the resolvers of glibc and musl wait for five seconds. */
  readonly deadline?: number;
  /** Milliseconds until the next server is tried. */
  readonly timeoutPerTry?: number;
  /** Queries under way at once; the others wait. */
  readonly concurrency?: number;
}

/** Milliseconds for which a server that failed is asked last. */
const penalty = 30_000;

/** Asks upstream servers: one after the other, twice round, those that failed lately last. */
export class Upstreams {
  readonly #failedAt = new Map<string, number>();
  readonly #turns: Semaphore;
  readonly #deadline: number;
  readonly #timeoutPerTry: number;

  constructor({ deadline = 4000, timeoutPerTry = 1200, concurrency = 256 }: UpstreamOptions = {}) {
    this.#deadline = deadline;
    this.#timeoutPerTry = timeoutPerTry;
    this.#turns = new Semaphore(concurrency);
  }

  /**
   * The first answer that says something of the name: records, none, or no such name. Throws
   * {@link UpstreamError} with every server's reason when there is none within the deadline.
   */
  async ask(question: Question, servers: readonly string[]): Promise<Response> {
    if (servers.length === 0) throw new UpstreamError(`Cannot ask for "${question.name}": there is no upstream server`);
    const ends = Date.now() + this.#deadline;
    return this.#turns.through(async () => {
      const reasons = new Map<string, string>();
      for (const server of [...this.#inOrder(servers), ...this.#inOrder(servers)]) {
        const left = ends - Date.now();
        if (left <= 0) break;
        const outcome = await this.#try(question, server, Math.min(left, this.#timeoutPerTry));
        if (typeof outcome !== 'string') return outcome;
        reasons.set(server, outcome);
      }
      const list = [...reasons].map(([server, reason]) => `${server}: ${reason}`).join('; ');
      throw new UpstreamError(`Cannot ask for "${question.name}": ${list || 'the queue was too long'}`);
    });
  }

  async #try(question: Question, server: string, deadline: number): Promise<Response | string> {
    try {
      const response = await exchange(question, parseServerAddress(server), deadline);
      if (response.rcode === rcodes.noError || response.rcode === rcodes.nxDomain) {
        this.#failedAt.delete(server);
        return response;
      }
      // It works, and another server may know better: not a reason to ask it last for other names.
      return `it answered with code ${response.rcode}`;
    } catch (error) {
      this.#failedAt.set(server, Date.now());
      return error instanceof Error ? error.message : String(error);
    }
  }

  #inOrder(servers: readonly string[]): string[] {
    const now = Date.now();
    const isLate = (server: string): number => (now - (this.#failedAt.get(server) ?? -Infinity) < penalty ? 1 : 0);
    return servers.toSorted((one, other) => isLate(one) - isLate(other));
  }
}
