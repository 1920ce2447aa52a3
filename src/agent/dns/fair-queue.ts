/** A task that waits for a place. */
export interface Turn {
  /** Called once, when there is a place; the place is free again when it settles. Never rejects. */
  readonly run: () => Promise<void>;
  hasBegun: boolean;
}

/**
 * Places for tasks of several owners. While there are free ones an owner gets as many as would be left for others: one
 * alone takes half, each further one half of the rest, and who has none yet finds one. What waits is taken by owner in
 * turn, however much one of them asks for.
 */
export class FairQueue {
  readonly #waiting = new Map<string, Turn[]>();
  readonly #running = new Map<string, number>();
  #free: number;

  constructor(places: number) {
    this.#free = places;
  }

  /** Runs a turn when there is a place for its owner. One that others want too may be added for each of them. */
  add(owner: string, turn: Turn): void {
    const own = this.#waiting.get(owner);
    if (own === undefined) this.#waiting.set(owner, [turn]);
    else own.push(turn);
    this.#start();
  }

  /** Starts what there are places for, one of each owner at a time; who was served stands behind the others. */
  #start(): void {
    let isServed = true;
    while (isServed) {
      isServed = false;
      for (const [owner, turns] of Array.from(this.#waiting)) {
        if ((this.#running.get(owner) ?? 0) >= this.#free) continue;
        this.#waiting.delete(owner);
        const turn = takeNext(turns);
        if (turns.length > 0) this.#waiting.set(owner, turns);
        if (turn === undefined) continue;
        isServed = true;
        void this.#run(owner, turn);
      }
    }
  }

  async #run(owner: string, turn: Turn): Promise<void> {
    turn.hasBegun = true;
    this.#free -= 1;
    this.#running.set(owner, (this.#running.get(owner) ?? 0) + 1);
    await turn.run();
    this.#free += 1;
    const left = (this.#running.get(owner) ?? 1) - 1;
    if (left === 0) this.#running.delete(owner);
    else this.#running.set(owner, left);
    this.#start();
  }
}

/** The first that has not begun for somebody else; it and those before it are taken out. */
function takeNext(turns: Turn[]): Turn | undefined {
  for (let turn = turns.shift(); turn !== undefined; turn = turns.shift()) if (!turn.hasBegun) return turn;
  return undefined;
}
