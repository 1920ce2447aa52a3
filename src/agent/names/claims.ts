import { elementId, type Element } from '../../nft/element.ts';

/** For whom an address was opened. */
export interface Asker {
  /** Address of the container. */
  readonly source: string;
  /** The wildcard that opened it; absent for a name that the policy lists. */
  readonly wildcard?: string;
}

/** What of one set of names one party may have open at once; the oldest goes first. The set takes 65,536. */
export interface ClaimLimits {
  readonly name: number;
  readonly container: number;
  readonly wildcard: number;
  /** All wildcards together: the rest is for names that policies list. */
  readonly wildcards: number;
  /** Of everything: the rest is for ADD, which opens what its policy lists without asking us. */
  readonly set: number;
}

const usualLimits: ClaimLimits = {
  name: 1000,
  container: 4096,
  wildcard: 16_384,
  wildcards: 32_768,
  set: 57_344,
};

/** One reason why an element is open. */
interface Claim {
  readonly id: string;
  readonly element: Element;
  readonly asker: Asker | undefined;
}

/** Addresses that had to be closed before their time, for want of room. */
export interface Crowd {
  readonly asker: Asker | undefined;
  readonly name: string;
  /** What was full. */
  readonly limit: keyof ClaimLimits;
  readonly most: number;
  readonly count: number;
}

/** Who has which addresses open, and what has to go when there is no room. */
export class Claims {
  readonly #limits: ClaimLimits;
  readonly #claims = new Map<string, Claim>();
  /** Reasons by element. */
  readonly #reasons = new Map<string, Set<string>>();
  /** Ids of claims by what they count for, the oldest first. */
  readonly #groups = new Map<string, Set<string>>();

  constructor(limits: Partial<ClaimLimits> = {}) {
    this.#limits = { ...usualLimits, ...limits };
  }

  /** Takes elements in. Returns those that nobody claims any more for want of room, and whose they were. */
  add(elements: readonly Element[], asker: Asker | undefined): { closed: Element[]; crowds: Crowd[] } {
    const closed: Element[] = [];
    const crowds = new Map<string, Crowd>();
    for (const element of elements) {
      const claim = this.#put(element, asker);
      for (const { limit, group } of this.#groupsOf(claim)) {
        while ((this.#groups.get(group)?.size ?? 0) > this.#limits[limit]) {
          const victim = this.#victim(limit, group);
          if (victim === undefined) break;
          const key = `${limit} ${victim.asker?.source ?? ''} ${victim.asker?.wildcard ?? victim.element.comment ?? ''}`;
          crowds.set(key, {
            asker: victim.asker,
            name: victim.element.comment ?? '',
            limit,
            most: this.#limits[limit],
            count: (crowds.get(key)?.count ?? 0) + 1,
          });
          if (this.#remove(victim)) closed.push(victim.element);
        }
      }
    }
    return { closed, crowds: [...crowds.values()] };
  }

  /** Forgets an element, whoever claims it. */
  forget(element: Element): void {
    for (const id of this.#reasons.get(elementId(element)) ?? []) {
      const claim = this.#claims.get(id);
      if (claim !== undefined) this.#remove(claim);
    }
  }

  has(element: Element): boolean {
    return this.#reasons.has(elementId(element));
  }

  /** For whom an element is open under a wildcard, the first one. */
  askerOf(element: Element): Asker | undefined {
    for (const id of this.#reasons.get(elementId(element)) ?? []) {
      const asker = this.#claims.get(id)?.asker;
      if (asker !== undefined) return asker;
    }
    return undefined;
  }

  #put(element: Element, asker: Asker | undefined): Claim {
    const own = elementId(element);
    const wildcard = asker?.wildcard;
    const party = wildcard === undefined ? '' : `${asker?.source} ${wildcard}`;
    const claim: Claim = {
      id: `${own} ${element.comment ?? ''} ${party}`,
      element,
      asker: party === '' ? undefined : asker,
    };
    const known = this.#claims.get(claim.id);
    if (known !== undefined) this.#remove(known);
    this.#claims.set(claim.id, claim);
    addTo(this.#reasons, own, claim.id);
    for (const { group } of this.#groupsOf(claim)) addTo(this.#groups, group, claim.id);
    return claim;
  }

  /** The oldest: of all wildcards that of the container that has most, of the whole set that of the largest name. */
  #victim(limit: keyof ClaimLimits, group: string): Claim | undefined {
    const ids = this.#groups.get(group) ?? new Set();
    if (limit === 'name' || limit === 'container') return this.#first(ids);
    const by = limit === 'set' ? 'name' : 'container';
    const parties = new Map<string, Set<string>>();
    for (const id of ids) {
      const claim = this.#claims.get(id);
      const party = claim && this.#groupsOf(claim).find((one) => one.limit === by)?.group;
      const own = party === undefined ? undefined : this.#groups.get(party);
      if (party !== undefined && own !== undefined) parties.set(party, own);
    }
    let largest: Set<string> | undefined;
    for (const own of parties.values()) if (largest === undefined || own.size > largest.size) largest = own;
    for (const id of largest ?? []) if (ids.has(id)) return this.#claims.get(id);
    return this.#first(ids);
  }

  #first(ids: ReadonlySet<string>): Claim | undefined {
    for (const id of ids) return this.#claims.get(id);
    return undefined;
  }

  /** True when nobody claims its element any more. */
  #remove(claim: Claim): boolean {
    const own = elementId(claim.element);
    this.#claims.delete(claim.id);
    for (const { group } of this.#groupsOf(claim)) takeFrom(this.#groups, group, claim.id);
    takeFrom(this.#reasons, own, claim.id);
    return !this.#reasons.has(own);
  }

  #groupsOf({ element: { set, comment = '' }, asker }: Claim): { limit: keyof ClaimLimits; group: string }[] {
    return [
      { limit: 'name', group: `${set} name ${comment}` },
      ...(asker === undefined
        ? []
        : ([
            { limit: 'container', group: `${set} container ${asker.source}` },
            { limit: 'wildcard', group: `${set} wildcard ${asker.wildcard}` },
            { limit: 'wildcards', group: `${set} wildcards` },
          ] as const)),
      { limit: 'set', group: set },
    ];
  }
}

function addTo(groups: Map<string, Set<string>>, key: string, id: string): void {
  const group = groups.get(key);
  if (group === undefined) groups.set(key, new Set([id]));
  else group.add(id);
}

function takeFrom(groups: Map<string, Set<string>>, key: string, id: string): void {
  const group = groups.get(key);
  group?.delete(id);
  if (group?.size === 0) groups.delete(key);
}
