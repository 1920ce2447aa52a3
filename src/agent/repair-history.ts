import type { RepairReport } from '../repair/repairer.ts';

/** A look that put something back. */
export interface LastRepair {
  /** ISO 8601. */
  readonly at: string;
  /** What was put back, one sentence each. */
  readonly what: readonly string[];
  readonly milliseconds: number;
}

/** Remembers the last repairs, and what each resource's last look failed with. */
export class RepairHistory {
  #count = 0;
  #last: readonly LastRepair[] = [];
  readonly #failures = new Map<string, string>();

  add({ resource, repaired, problem, took }: RepairReport): void {
    if (problem === undefined) {
      this.#count += 1;
      this.#last = [
        { at: new Date().toISOString(), what: repaired, milliseconds: Math.round(took) },
        ...this.#last,
      ].slice(0, 20);
      this.#failures.delete(resource);
    } else this.#failures.set(resource, problem instanceof Error ? problem.message : JSON.stringify(problem));
  }

  /** The last look at it found everything in place. */
  well(resource: string): void {
    this.#failures.delete(resource);
  }

  get count(): number {
    return this.#count;
  }

  get last(): readonly LastRepair[] {
    return this.#last;
  }

  get problems(): readonly string[] {
    return [...this.#failures.values()];
  }
}
