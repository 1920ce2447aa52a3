import type { Concern } from '../watch/nft-event.ts';

/** Looks after one thing: compares, puts back, and returns what it put back. */
export type Repair = () => Promise<readonly string[]>;

export interface RepairerOptions {
  readonly repairs: Readonly<Record<Concern, Repair>>;
  readonly report: (report: RepairReport) => void;
  /** A look found everything in place. */
  readonly well?: (concern: Concern) => void;
}

/** A look that found something to put back, or failed. */
export interface RepairReport {
  readonly concern: Concern;
  readonly repaired: readonly string[];
  readonly problem?: unknown;
  /** Milliseconds from when the loss was noticed. */
  readonly took: number;
}

/** Milliseconds: a transaction is told line by line, and programs run in rows. */
const together = 20;

/** Milliseconds between looks: other firewalls are listed whole, and some programs rewrite them every second. */
const leastPause: Readonly<Record<Concern, number>> = { tables: 100, timed: 100, chains: 500, links: 100, firewalls: 700 };

/** Milliseconds; where somebody undoes what is put back, again and again, each look waits twice as long as the one before. */
const longestBackOff = 30_000;

/** Milliseconds: every program that a look runs has a deadline of half a minute at most. */
const stuckAfter = 120_000;

/** In this order: rules first, since without them all is shut by the gate. */
const order: readonly Concern[] = ['tables', 'timed', 'links', 'firewalls', 'chains'];

/**
 * Decides when to look: soon after something changed, once for many changes, never two at a time. What a repair
 * changes is seen as a change too; the look that it leads to finds everything in place, and that is the end of it.
 */
export class Repairer {
  readonly #options: RepairerOptions;
  /** When the first change was noticed that has not been looked at. */
  readonly #noticed = new Map<Concern, number>();
  readonly #lookedAt = new Map<Concern, number>();
  readonly #inARow = new Map<Concern, number>();
  #timer: NodeJS.Timeout | undefined;
  #working: Promise<void> | undefined;
  #isStopped = false;
  #beganAt = 0;

  constructor(options: RepairerOptions) {
    this.#options = options;
  }

  /** Something changed: looks soon. */
  notice(concerns: readonly Concern[]): void {
    if (this.#isStopped || concerns.length === 0) return;
    const now = performance.now();
    for (const concern of concerns) if (!this.#noticed.has(concern)) this.#noticed.set(concern, now);
    this.#plan();
  }

  /** Looks at everything now; settles when that is done. */
  async lookNow(): Promise<void> {
    await this.#working;
    const now = performance.now();
    for (const concern of order) this.#noticed.set(concern, now);
    this.#lookedAt.clear();
    await this.#begin();
  }

  /** A look that began long ago has not ended: the watchdog is to know. */
  get isStuck(): boolean {
    return this.#working !== undefined && performance.now() - this.#beganAt > stuckAfter;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#working;
  }

  #plan(): void {
    if (this.#working !== undefined || this.#isStopped) return;
    const now = performance.now();
    const due = [...this.#noticed.keys()].map((concern) => this.#dueAt(concern));
    if (due.length === 0) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#begin(), Math.max(0, Math.min(...due) - now));
  }

  #dueAt(concern: Concern): number {
    const noticed = this.#noticed.get(concern) ?? 0;
    const backOff = Math.min(2 ** (this.#inARow.get(concern) ?? 0), longestBackOff / leastPause[concern]);
    return Math.max(noticed + together, (this.#lookedAt.get(concern) ?? -Infinity) + leastPause[concern] * backOff);
  }

  async #begin(): Promise<void> {
    if (this.#working === undefined) this.#beganAt = performance.now();
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
      this.#plan();
    });
    await this.#working;
  }

  async #work(): Promise<void> {
    for (const concern of order) {
      const noticed = this.#noticed.get(concern);
      if (noticed === undefined || this.#dueAt(concern) > performance.now() + 1) continue;
      this.#noticed.delete(concern);
      await this.#look(concern, noticed);
    }
  }

  async #look(concern: Concern, noticed: number): Promise<void> {
    const { repairs, report, well } = this.#options;
    try {
      const repaired = await repairs[concern]();
      this.#inARow.set(concern, repaired.length === 0 ? 0 : (this.#inARow.get(concern) ?? 0) + 1);
      if (repaired.length > 0) report({ concern, repaired, took: performance.now() - noticed });
      else well?.(concern);
    } catch (problem) {
      this.#inARow.set(concern, (this.#inARow.get(concern) ?? 0) + 1);
      this.#noticed.set(concern, performance.now());
      report({ concern, repaired: [], problem, took: performance.now() - noticed });
    }
    this.#lookedAt.set(concern, performance.now());
  }
}
