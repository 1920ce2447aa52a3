/** So much in a second or a minute, and how much at once after a rest. */
export interface Rate {
  /** Of each second. */
  readonly perSecond: number;
  readonly burst: number;
}

interface Bucket {
  tokens: number;
  filledAt: number;
  readonly rate: Rate;
}

/** Buckets that are looked through for full ones when there are more. */
const many = 4096;

/** Token buckets by key; a full one is forgotten, since a new one is full too. */
export class Rates {
  readonly #buckets = new Map<string, Bucket>();
  readonly #now: () => number;
  #mostBuckets = many;

  /** `now`: milliseconds of a clock that nobody sets. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Takes one of a bucket; false when it is empty. */
  take(key: string, rate: Rate): boolean {
    const bucket = this.#filled(key, rate);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  /** Takes more of a bucket than there may be: the next have to wait for it. */
  charge(key: string, rate: Rate, amount: number): void {
    this.#filled(key, rate).tokens -= amount;
  }

  /** Milliseconds until there is one to take; 0 when there is. */
  wait(key: string, rate: Rate): number {
    const { tokens } = this.#filled(key, rate);
    return tokens >= 1 ? 0 : Math.ceil(((1 - tokens) / rate.perSecond) * 1000);
  }

  #filled(key: string, rate: Rate): Bucket {
    const now = this.#now();
    const known = this.#buckets.get(key);
    const bucket = known?.rate.burst === rate.burst ? known : { tokens: rate.burst, filledAt: now, rate };
    bucket.tokens = Math.min(rate.burst, bucket.tokens + ((now - bucket.filledAt) / 1000) * rate.perSecond);
    bucket.filledAt = now;
    if (known !== bucket) {
      this.#buckets.set(key, bucket);
      if (this.#buckets.size > this.#mostBuckets) this.#forgetFull(now);
    }
    return bucket;
  }

  #forgetFull(now: number): void {
    for (const [key, { tokens, filledAt, rate }] of this.#buckets)
      if (tokens + ((now - filledAt) / 1000) * rate.perSecond >= rate.burst) this.#buckets.delete(key);
    this.#mostBuckets = Math.max(many, 2 * this.#buckets.size);
  }
}
