/** How much may be under way at once, so that no container can use up what all share. */
export interface AdmissionLimits {
  readonly total: number;
  readonly perSource: number;
}

/**
 * Counts what is under way, in all and by source address. One source may have no more than is left for others: however
 * many take all they can, one that comes new finds a place.
 */
export class Admission {
  readonly #bySource = new Map<string, number>();
  readonly #limits: AdmissionLimits;
  #total = 0;

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  /** False when the source, or all together, have as much under way as they may; else leave() must follow. */
  enter(source: string): boolean {
    const own = this.#bySource.get(source) ?? 0;
    if (own >= Math.min(this.#limits.perSource, this.#limits.total - this.#total)) return false;
    this.#total += 1;
    this.#bySource.set(source, own + 1);
    return true;
  }

  leave(source: string): void {
    const own = this.#bySource.get(source) ?? 0;
    this.#total -= 1;
    if (own <= 1) this.#bySource.delete(source);
    else this.#bySource.set(source, own - 1);
  }

  get total(): number {
    return this.#total;
  }
}
