/** Of each millisecond, how much of it may go into records. */
const part = 0.4;
/** Milliseconds that may go into them at once, after a quiet time. */
const atOnce = 40;

/**
 * Keeps records from taking the whole of the thread that also answers DNS and puts rules back: what comes when their
 * share of its time is used up is for the caller to count as lost. `now` is milliseconds of a clock that nobody sets.
 */
export class TimeShare {
  readonly #now: () => number;
  #left = atOnce;
  #at: number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#at = now();
  }

  /** Does the work where there is time left for it, and counts the time that it takes. False where there is none. */
  spend(work: () => void): boolean {
    const began = this.#now();
    this.#left = Math.min(atOnce, this.#left + (began - this.#at) * part);
    this.#at = began;
    if (this.#left <= 0) return false;
    work();
    this.#left -= this.#now() - began;
    return true;
  }
}
