import type { Ends } from './segment.ts';

/** A connection that nobody asks about any more, and the name that it asked for. */
export interface SettledName {
  readonly ends: Ends;
  /** "" for one that showed none. */
  readonly name: string;
}

/** As many connections as a container may have (dataplane/catalogue/bounds.ts). */
const most = 16_384;

/** Which names connections asked for: whoever changes a policy has to know. The oldest of a container go first. */
export class SettledNames {
  readonly #bySource = new Map<string, Map<string, SettledName>>();

  note(ends: Ends, name: string): void {
    const known = this.#bySource.get(ends.source) ?? new Map<string, SettledName>();
    this.#bySource.set(ends.source, known);
    known.set(keyOf(ends), { ends, name });
    for (const key of known.keys()) {
      if (known.size <= most) return;
      known.delete(key);
    }
  }

  /** Whether a packet of either end belongs to one of them. */
  has(packet: Ends): boolean {
    const { source, destination, sourcePort, destinationPort } = packet;
    const answered = { ...packet, source: destination, destination: source };
    return (
      this.#bySource.get(source)?.has(keyOf(packet)) === true ||
      this.#bySource
        .get(destination)
        ?.has(keyOf({ ...answered, sourcePort: destinationPort, destinationPort: sourcePort })) === true
    );
  }

  forget(ends: Ends): void {
    this.#bySource.get(ends.source)?.delete(keyOf(ends));
  }

  forgetSources(isGone: (address: string) => boolean): void {
    for (const source of this.#bySource.keys()) if (isGone(source)) this.#bySource.delete(source);
  }

  /** Those that showed a name. */
  list(): SettledName[] {
    return [...this.#bySource.values()].flatMap((known) => [...known.values()].filter(({ name }) => name !== ''));
  }
}

function keyOf({ destination, sourcePort, destinationPort }: Ends): string {
  return `${destination}${String.fromCharCode(sourcePort, destinationPort)}`;
}
