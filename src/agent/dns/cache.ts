import type { UpstreamAnswer } from './release.ts';
import type { ResourceRecord } from './read-response.ts';

/** What is kept of a name and type, besides the answer. */
interface Entry {
  readonly answer: UpstreamAnswer;
  readonly storedAt: number;
  /** Seconds. */
  readonly ttl: number;
  readonly size: number;
  /** Who asked for it first. */
  readonly owner: string;
}

export interface CachedAnswer {
  readonly answer: UpstreamAnswer;
  /** As it was stored, always the same object. */
  readonly stored: UpstreamAnswer;
  /** True when its TTL has run out: only for when upstream fails (RFC 8767). */
  readonly isStale: boolean;
}

export interface CacheLimits {
  readonly entries: number;
  /** Bytes of RDATA and names, roughly. */
  readonly bytes: number;
  /** Seconds past its TTL that an answer is kept for. */
  readonly stale: number;
}

/**
 * RFC 8767 suggests one to three days; addresses of names are remembered elsewhere for longer
 * (egress/names-lifetimes.ts).
 */
const usualLimits: CacheLimits = { entries: 10_000, bytes: 16 * 1024 * 1024, stale: 24 * 60 * 60 };

/** Seconds; an upstream may say a week. */
const longestTtl = 60 * 60;
/** Seconds; RFC 2308 allows three hours for "no such name". */
const longestNegativeTtl = 5 * 60;
/** RFC 8767, section 4. */
const staleTtl = 30;

/** What one container's questions keep, the least recently used first. */
interface Share {
  readonly keys: Set<string>;
  bytes: number;
}

/**
 * Answers of upstream by key. When there is no room, the least recently used of whoever has most go first, so that one
 * container cannot push out what others asked for. Times are milliseconds of a clock that nobody sets.
 */
export class AnswerCache {
  readonly #entries = new Map<string, Entry>();
  readonly #shares = new Map<string, Share>();
  readonly #limits: CacheLimits;
  #bytes = 0;

  constructor(limits: Partial<CacheLimits> = {}) {
    this.#limits = { ...usualLimits, ...limits };
  }

  /** The answer with what is left of its TTLs. */
  get(key: string, now: number): CachedAnswer | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    const age = Math.max(0, Math.floor((now - entry.storedAt) / 1000));
    this.#drop(key, entry);
    if (age >= entry.ttl + this.#limits.stale) return undefined;
    this.#put(key, entry);
    const isStale = age >= entry.ttl;
    const left = ({ ttl }: ResourceRecord): number => (isStale ? staleTtl : Math.max(0, ttl - age));
    const { answers, soa } = entry.answer;
    return {
      isStale,
      stored: entry.answer,
      answer: {
        ...entry.answer,
        answers: answers.map((record) => ({ ...record, ttl: left(record) })),
        ...(soa === undefined ? {} : { soa: { ...soa, ttl: left(soa) } }),
      },
    };
  }

  /** Keeps an answer for as long as it says; one with a TTL of 0 only for when upstream fails. */
  set(key: string, answer: UpstreamAnswer, { now, owner }: { now: number; owner: string }): void {
    const known = this.#entries.get(key);
    if (known !== undefined) this.#drop(key, known);
    this.#put(key, { answer, storedAt: now, ttl: ttlOf(answer), size: sizeOf(key, answer), owner });
    while (this.#entries.size > this.#limits.entries || this.#bytes > this.#limits.bytes) {
      const oldest = this.#largestShare()?.keys.values().next().value;
      const entry = oldest === undefined ? undefined : this.#entries.get(oldest);
      if (oldest === undefined || entry === undefined) break;
      this.#drop(oldest, entry);
    }
  }

  get size(): number {
    return this.#entries.size;
  }

  #largestShare(): Share | undefined {
    let largest: Share | undefined;
    for (const share of this.#shares.values())
      if (largest === undefined || share.bytes > largest.bytes) largest = share;
    return largest;
  }

  #put(key: string, entry: Entry): void {
    this.#entries.set(key, entry);
    this.#bytes += entry.size;
    const share = this.#shares.get(entry.owner) ?? { keys: new Set(), bytes: 0 };
    this.#shares.set(entry.owner, share);
    share.keys.add(key);
    share.bytes += entry.size;
  }

  #drop(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#bytes -= entry.size;
    const share = this.#shares.get(entry.owner);
    share?.keys.delete(key);
    if (share !== undefined) share.bytes -= entry.size;
    if (share?.keys.size === 0) this.#shares.delete(entry.owner);
  }
}

function ttlOf({ answers, soa }: UpstreamAnswer): number {
  if (answers.length === 0) return Math.min(soa?.ttl ?? 0, longestNegativeTtl);
  return answers.reduce((shortest, { ttl }) => Math.min(shortest, ttl), longestTtl);
}

function sizeOf(key: string, { answers }: UpstreamAnswer): number {
  return answers.reduce((sum, { name, rdata }) => sum + name.length + rdata.length + 100, key.length + 200);
}
