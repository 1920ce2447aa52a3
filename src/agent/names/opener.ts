import { elementId, type Element } from '../../nft/element.ts';
import { Claims, type Asker, type Crowd } from './claims.ts';
import type { Outcome } from '../../host/nft.ts';
import { putSteps, type ElementStep } from '../../dataplane/transaction.ts';

/** Commits steps as one transaction. */
export type Commit = (steps: readonly ElementStep[]) => Promise<Outcome>;

export interface OpenerOptions {
  readonly commit: Commit;
  /**
   * Brings the tables back when a transaction found them missing or changed, or a set without room for what is ours to
   * open: somebody else filled it. It is then tried once more.
   */
  readonly repair?: (outcome: 'stale' | 'full') => Promise<void>;
  readonly now?: () => number;
  readonly claims?: Claims;
  /** Addresses had to be closed before their time. */
  readonly onCrowd?: (crowds: readonly Crowd[]) => void;
}

/** Elements in one transaction: an answer has tens, and the kernel takes some milliseconds for a thousand. */
const mostTogether = 2000;

interface WaitingElements {
  /** "again": they were open already, for whomever. */
  readonly asker: Asker | 'again' | undefined;
  readonly elements: readonly Element[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Puts addresses of names into the kernel, for the proxy and for the refresh alike.
 *
 * What is asked for while a transaction is under way goes into the next one, together: the longer it takes,
 * the more does the next one hold. When one fails, its parts are tried each alone, so that a policy that
 * has just gone takes nobody else's addresses with it.
 *
 * An element never gets less time than it has: several names may have one address, with other TTLs.
 */
export class Opener {
  readonly #commit: Commit;
  readonly #repair: OpenerOptions['repair'];
  readonly #now: () => number;
  /** What is open, and when it ends, in milliseconds of a clock that nobody sets: the kernel counts by one too. */
  readonly #open = new Map<string, { element: Element; ends: number }>();
  #waiting: WaitingElements[] = [];
  #isBusy = false;
  readonly #claims: Claims;
  readonly #onCrowd: (crowds: readonly Crowd[]) => void;
  /** Elements that were left when the ended ones were forgotten last. */
  #afterSweep = 1000;

  constructor({ commit, repair, now = () => performance.now(), claims = new Claims(), onCrowd }: OpenerOptions) {
    this.#claims = claims;
    this.#onCrowd = onCrowd ?? (() => {});
    this.#commit = commit;
    this.#repair = repair;
    this.#now = now;
  }

  /**
   * Settles when the kernel has the elements; rejects when it is not certain that it has. `asker` is the container
   * whose question opens them: how many addresses it may have open at once is bounded (claims.ts).
   */
  open(elements: readonly Element[], asker?: Asker | 'again'): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ asker, elements, resolve, reject });
      if (!this.#isBusy) void this.#work();
    });
  }

  /** Everything that was opened and has time left: what a rebuild of the tables has to put again. */
  elements(): Element[] {
    this.#forgetEnded();
    const now = this.#now();
    return [...this.#open.values()].map(({ element, ends }) => withTime(element, ends, now));
  }

  /** Forgets the elements of a policy whose chains and sets are gone. */
  forget(isGone: (element: Element) => boolean): void {
    for (const [id, { element }] of this.#open) if (isGone(element)) this.#drop(id, element);
  }

  /** For whom an element is open under a wildcard. */
  askerOf(element: Element): Asker | undefined {
    return this.#claims.askerOf(element);
  }

  #drop(id: string, element: Element): void {
    this.#open.delete(id);
    this.#claims.forget(element);
  }

  async #work(): Promise<void> {
    this.#isBusy = true;
    // One turn of the event loop, so that queries which came in one burst share the first transaction too.
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) await this.#commitTogether(this.#takeSome());
    this.#isBusy = false;
    if (this.#open.size > 2 * this.#afterSweep) this.#forgetEnded();
  }

  #takeSome(): WaitingElements[] {
    let count = 0;
    const end = this.#waiting.findIndex(({ elements }) => (count += elements.length) > mostTogether);
    const some = this.#waiting.slice(0, end === -1 ? undefined : Math.max(end, 1));
    this.#waiting = this.#waiting.slice(some.length);
    return some;
  }

  async #commitTogether(some: readonly WaitingElements[]): Promise<void> {
    try {
      await this.#put(some);
      for (const { resolve } of some) resolve();
    } catch (error) {
      if (some.length === 1) some[0]?.reject(error);
      else for (const one of some) await this.#commitTogether([one]);
    }
  }

  async #put(some: readonly WaitingElements[]): Promise<void> {
    const now = this.#now();
    const closed = this.#claim(some);
    const closedIds = new Set(closed.map(elementId));
    const isLastTry = some.length === 1;
    const put = this.#longest(
      some.flatMap(({ elements }) => elements),
      now,
    ).filter((element) => !closedIds.has(elementId(element)));
    // A permanent element does not take the place of an expiring one by itself.
    const steps = putSteps(put, [...closed, ...put.filter((element) => this.#wasExpiring(element))]);
    let outcome = await this.#commit(steps);
    if (outcome !== 'committed' && isLastTry && this.#repair !== undefined) {
      await this.#repair(outcome);
      outcome = await this.#commit(steps);
    }
    if (outcome === 'full')
      throw new Error('Cannot open the addresses of a name: the set of its policy is full, of more than we opened');
    if (outcome === 'stale')
      throw new Error('Cannot open the addresses of a name: the rules of its policy are not in the kernel');
    for (const element of put) this.#open.set(elementId(element), { element, ends: endOf(element, now) });
  }

  /** Takes in who asks. Returns what has to be closed so that there is room. */
  #claim(some: readonly WaitingElements[]): Element[] {
    const claimed = some.flatMap(({ elements, asker }) =>
      asker === 'again' ? [] : [this.#claims.add(elements, asker)],
    );
    const crowds = claimed.flatMap((one) => one.crowds);
    if (crowds.length > 0) this.#onCrowd(crowds);
    const closed = claimed.flatMap((one) => one.closed);
    for (const element of closed) this.#open.delete(elementId(element));
    return closed.filter((element) => !this.#claims.has(element));
  }

  /** Each element once, with the longest time that it has or gets. */
  #longest(elements: readonly Element[], now: number): Element[] {
    const longest = new Map<string, Element>();
    for (const element of elements) {
      const id = elementId(element);
      const ends = Math.max(endOf(longest.get(id), now), endOf(element, now), this.#open.get(id)?.ends ?? 0);
      longest.set(id, withTime(element, ends, now));
    }
    return [...longest.values()];
  }

  #wasExpiring(element: Element): boolean {
    const known = this.#open.get(elementId(element));
    return element.timeout === undefined && known !== undefined && known.ends !== Infinity;
  }

  #forgetEnded(): void {
    const now = this.#now();
    for (const [id, { element, ends }] of this.#open) if (ends <= now) this.#drop(id, element);
    this.#afterSweep = Math.max(this.#open.size, 1000);
  }
}

function endOf(element: Element | undefined, now: number): number {
  if (element === undefined) return 0;
  return element.timeout === undefined ? Infinity : now + element.timeout * 1000;
}

function withTime(element: Element, ends: number, now: number): Element {
  const { timeout, ...endless } = element;
  if (ends === Infinity) return timeout === undefined ? element : endless;
  return { ...endless, timeout: Math.max(1, Math.ceil((ends - now) / 1000)) };
}
