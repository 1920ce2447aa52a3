import type { Resource, Scope, ChangeEvent } from './change-event.ts';

/** Looks after one thing: compares what is named of it, puts back, and returns what it put back. */
export type Repair = (scope: Scope) => Promise<readonly string[]>;

export interface RepairerOptions {
  readonly repairs: Readonly<Record<Resource, Repair>>;
  readonly report: (report: RepairReport) => void;
  /** A look found everything in place. */
  readonly well?: (resource: Resource) => void;
}

/** A look that found something to put back, or failed. */
export interface RepairReport {
  readonly resource: Resource;
  readonly repaired: readonly string[];
  readonly problem?: unknown;
  /** Milliseconds from when the loss was noticed. */
  readonly took: number;
}

/**
 * Milliseconds: a transaction is told line by line, and programs run in rows. Where a table goes, its rules are told of
 * first; by then it is known that they went with it.
 */
const together: Readonly<Record<Resource, number>> = {
  tables: 10,
  expiring: 40,
  chains: 40,
  networks: 40,
  links: 10,
  firewalls: 10,
};

/** Milliseconds between looks: other firewalls are listed whole, and some programs rewrite them every second. */
const leastPause: Readonly<Record<Resource, number>> = {
  tables: 50,
  expiring: 50,
  chains: 200,
  networks: 50,
  links: 50,
  firewalls: 300,
};

/**
 * Where somebody undoes what is put back, again and again, each look past this many waits twice as long as the one
 * before.
 */
const patience = 3;
/** Milliseconds. */
const longestBackOff = 30_000;

/** Milliseconds: every program that a look runs has a deadline of half a minute at most. */
const stuckAfter = 120_000;

/** One resource. Times are those of performance.now(). */
class Watch {
  /** When the first change was noticed that has not been looked at. */
  noticed: number | undefined;
  /** What of it may be lost. */
  scope: 'all' | Set<string> = new Set();
  lookedAt = -Infinity;
  beganAt = 0;
  /** Looks in a row that had something to put back, or failed: the same thing, as far as that is known. */
  inARow = 0;
  /** What the last of them were about. */
  last: Scope = 'all';
  timer: NodeJS.Timeout | undefined;
  working: Promise<void> | undefined;
}

/**
 * Decides when to look: soon after something changed, once for many changes, never twice at a time at one thing. What a
 * repair changes is seen as a change too; the look that it leads to finds everything in place, and that is the end of
 * it.
 */
export class Repairer {
  readonly #options: RepairerOptions;
  readonly #watches: ReadonlyMap<Resource, Watch>;
  #isStopped = false;

  constructor(options: RepairerOptions) {
    this.#options = options;
    this.#watches = new Map((Object.keys(options.repairs) as Resource[]).map((resource) => [resource, new Watch()]));
  }

  /** Something changed: looks soon. */
  notice(changes: readonly ChangeEvent[]): void {
    for (const { resource, of } of changes) {
      const watch = this.#watchOf(resource);
      watch.noticed ??= performance.now();
      if (of === undefined) watch.scope = 'all';
      else if (watch.scope !== 'all') watch.scope.add(of);
      this.#plan(resource, watch);
    }
  }

  /**
   * Looks at these now, one after the other, whatever was tried in vain before; settles when that is done. Without a
   * list: at everything.
   */
  async lookNow(resources: readonly Resource[] = [...this.#watches.keys()]): Promise<void> {
    for (const resource of resources) {
      const watch = this.#watchOf(resource);
      await watch.working;
      watch.noticed ??= performance.now();
      watch.scope = 'all';
      await this.#begin(resource, watch);
    }
  }

  /** A look that began long ago has not ended: the watchdog is to know. */
  get isStuck(): boolean {
    return [...this.#watches.values()].some(
      ({ working, beganAt }) => working !== undefined && performance.now() - beganAt > stuckAfter,
    );
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const { timer } of this.#watches.values()) clearTimeout(timer);
    await Promise.all([...this.#watches.values()].map(async ({ working }) => working));
  }

  #plan(resource: Resource, watch: Watch): void {
    if (watch.working !== undefined || watch.timer !== undefined || watch.noticed === undefined || this.#isStopped)
      return;
    const pause = Math.min(leastPause[resource] * 2 ** Math.max(0, watch.inARow - patience), longestBackOff);
    const dueAt = Math.max(watch.noticed + together[resource], watch.lookedAt + pause);
    watch.timer = setTimeout(() => void this.#begin(resource, watch), Math.max(0, dueAt - performance.now()));
  }

  async #begin(resource: Resource, watch: Watch): Promise<void> {
    if (this.#isStopped) return;
    clearTimeout(watch.timer);
    watch.timer = undefined;
    watch.working ??= this.#look(resource, watch).finally(() => {
      watch.working = undefined;
      this.#plan(resource, watch);
    });
    await watch.working;
  }

  async #look(resource: Resource, watch: Watch): Promise<void> {
    const { repairs, report, well } = this.#options;
    // Those that are inside of the tables: while these are being put back there is nothing to compare.
    if (resource === 'expiring' || resource === 'chains' || resource === 'networks')
      await this.#watchOf('tables').working;
    const noticed = watch.noticed ?? performance.now();
    const { scope } = watch;
    watch.noticed = undefined;
    watch.scope = new Set();
    watch.beganAt = performance.now();
    const took = (): number => performance.now() - noticed;
    try {
      const repaired = await repairs[resource](scope);
      const isUndone = watch.inARow > 0 && haveCommon(scope, watch.last);
      watch.inARow = repaired.length === 0 ? 0 : isUndone ? watch.inARow + 1 : 1;
      watch.last = scope;
      if (repaired.length > 0) report({ resource, repaired, took: took() });
      else well?.(resource);
    } catch (problem) {
      watch.inARow += 1;
      watch.noticed = performance.now();
      watch.scope = watch.last = 'all';
      report({ resource, repaired: [], problem, took: took() });
    }
    watch.lookedAt = performance.now();
  }

  #watchOf(resource: Resource): Watch {
    const watch = this.#watches.get(resource);
    if (watch === undefined) throw new RangeError(`Nobody looks after "${resource}"`);
    return watch;
  }
}

function haveCommon(one: Scope, other: Scope): boolean {
  return one === 'all' || other === 'all' || [...one].some((word) => other.has(word));
}
