import type { Element } from '../nft/element.ts';
import type { RefreshReport } from './names/refresh.ts';
import type { RepairReport } from '../repair/repairer.ts';
import type { DeadAttachment } from './sweep.ts';

/** What the method "status" of the socket answers. */
export interface AgentStatus {
  readonly protocol: 1;
  readonly version: string;
  readonly pid: number;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly attachments: number;
  readonly names: number;
  readonly openAddresses: number;
  readonly dns: {
    readonly addresses: readonly string[];
    readonly queries: number;
    readonly problems: readonly string[];
  };
  /** Policies whose file cannot be used; their last valid version is in force. */
  readonly invalidPolicies: readonly { readonly policy: string; readonly why: string }[];
  readonly dead: readonly DeadAttachment[];
  readonly repairs: number;
  /** The last ones, newest first. */
  readonly lastRepairs: readonly {
    readonly at: string;
    readonly what: readonly string[];
    readonly milliseconds: number;
  }[];
  /** What is wrong now, in sentences. */
  readonly problems: readonly string[];
}

/** What the method "names" answers, one for each name. */
export interface NameStatus {
  readonly name: string;
  readonly addresses: readonly { readonly address: string; /** Absent: without end. */ readonly seconds?: number }[];
  readonly problems: readonly string[];
}

/** Every name with what it has open, those without an address too. */
export function namesStatus(
  open: readonly Element[],
  names: Iterable<string>,
  reports: ReadonlyMap<string, RefreshReport>,
): NameStatus[] {
  const byName = Map.groupBy(open, ({ comment }) => comment ?? '');
  return [...new Set([...names, ...byName.keys()])].toSorted().map((name) => {
    const addresses = (byName.get(name) ?? []).map(({ key, timeout }) =>
      timeout === undefined ? { address: key } : { address: key, seconds: timeout },
    );
    return {
      name,
      addresses: [...new Map(addresses.map((one) => [one.address, one])).values()],
      problems: reports.get(name)?.problems ?? [],
    };
  });
}

/** Remembers the last repairs, and what each resource's last look failed with. */
export class RepairHistory {
  #count = 0;
  #last: AgentStatus['lastRepairs'] = [];
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

  get last(): AgentStatus['lastRepairs'] {
    return this.#last;
  }

  get problems(): readonly string[] {
    return [...this.#failures.values()];
  }
}
