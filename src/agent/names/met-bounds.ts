import { metMinutes } from '../../egress/bounds.ts';

/** A bound of names that a container met, as the socket tells it. */
export interface NameBoundReport {
  /** Address of the container. */
  readonly source: string;
  readonly bound: 'names' | 'addresses';
  /** Queries, or addresses, that were over. */
  readonly packets: number;
  /** Seconds since the last one. */
  readonly ago: number;
}

/** Containers that are told of; those beyond are not. */
const mostTold = 1024;

/** Which containers asked for more names than one may, as the kernel's sets have it of packets. */
export class MetBounds {
  readonly #met = new Map<string, Omit<NameBoundReport, 'ago'> & { readonly at: number }>();

  note(source: string, bound: NameBoundReport['bound'], packets: number): void {
    const key = `${source} ${bound}`;
    const known = this.#met.get(key);
    this.#met.delete(key);
    this.#met.set(key, { source, bound, packets: (known?.packets ?? 0) + packets, at: performance.now() });
    for (const oldest of this.#met.keys()) {
      if (this.#met.size <= mostTold) return;
      this.#met.delete(oldest);
    }
  }

  list(): NameBoundReport[] {
    const now = performance.now();
    return [...this.#met.values()]
      .map(({ at, ...one }) => ({ ...one, ago: (now - at) / 1000 }))
      .filter(({ ago }) => ago < metMinutes * 60);
  }
}
