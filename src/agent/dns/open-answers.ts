import type { UpstreamAnswer } from './release.ts';

/** Answers that are remembered. */
const mostAnswers = 10_000;
/** Milliseconds: an address is open for a minute longer than it is told for. */
const lasting = 30_000;

interface OpenAnswer {
  readonly answer: UpstreamAnswer;
  /** Milliseconds of a clock that nobody sets. */
  readonly ends: number;
}

/**
 * Answers out of the cache whose addresses a container had opened a moment ago: they are told again without asking the
 * kernel again, since one name may have a thousand of them.
 */
export class OpenAnswers {
  readonly #open = new Map<string, OpenAnswer>();
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Remembers that the addresses of an answer are open. */
  note(key: string, answer: UpstreamAnswer): void {
    this.#open.delete(key);
    this.#open.set(key, { answer, ends: this.#now() + lasting });
    for (const oldest of this.#open.keys()) {
      if (this.#open.size <= mostAnswers) return;
      this.#open.delete(oldest);
    }
  }

  /** Whether the addresses of this very answer are open. */
  has(key: string, answer: UpstreamAnswer): boolean {
    const known = this.#open.get(key);
    return known !== undefined && known.answer === answer && known.ends > this.#now();
  }
}
