import { learn, type Answer, type KnownName } from '../../egress/names-lifetimes.ts';
import { resolveNames, type Resolution } from '../../egress/names-resolve.ts';
import { recallName, rememberName } from '../../egress/names-store.ts';
import { uptime } from '../../host/uptime.ts';
import type { Element } from '../../nft/element.ts';
import {
  delayAfter,
  elementsOfName,
  nameKey,
  startDelay,
  wantedNames,
  type RefreshedPolicy,
  type WantedName,
} from './plan.ts';

export interface RefreshOptions {
  /** Policies whose chains have sets for the addresses of names; the same array for as long as nothing changes. */
  readonly policies: () => readonly RefreshedPolicy[];
  /** Puts elements into the kernel (opener.ts). */
  readonly open: (elements: readonly Element[]) => Promise<void>;
  readonly resolve?: (name: string, servers: readonly string[]) => Promise<Resolution>;
  readonly recall?: (name: string, servers: readonly string[]) => Promise<KnownName | undefined>;
  readonly remember?: (known: KnownName, servers: readonly string[]) => Promise<void>;
  /** Milliseconds since boot. */
  readonly now?: () => number;
  /** Names that are resolved at once. */
  readonly concurrency?: number;
  readonly report?: (report: RefreshReport) => void;
}

/** One attempt at a name. */
export interface RefreshReport {
  readonly name: string;
  readonly servers: readonly string[];
  readonly answers: readonly Answer[];
  /** Sentences; empty when all is well. */
  readonly problems: readonly string[];
  /** Seconds until the next attempt. */
  readonly next: number | undefined;
}

/** Times are milliseconds since boot. */
class RefreshState {
  dueAt = 0;
  failures = 0;
  known: KnownName | undefined;
  rememberedAt = Number.NEGATIVE_INFINITY;
  readonly notedAt = { 4: Number.NEGATIVE_INFINITY, 6: Number.NEGATIVE_INFINITY };
}

/** Milliseconds in which a change of policies is noticed without wake(). */
const longestSleep = 5000;
/** Milliseconds between looks through all names, of which there may be thousands. */
const shortestSleep = 200;
/** Milliseconds within which a client asks for both families. */
const together = 30_000;
/** Milliseconds; what the proxy is answered for busy names is not written every time. */
const rememberEvery = 60_000;

/**
 * Resolves the names of policies again before their addresses expire, for containers that never ask us: those with
 * a resolver of their own, with addresses in their memory, or with hosts files.
 *
 * Each name stands for itself: one that fails, or whose addresses cannot be opened, is tried again later and
 * keeps its last good addresses open up to the age that names-lifetimes.ts states.
 */
export class NamesRefresh {
  readonly #options: Required<Omit<RefreshOptions, 'report'>> & Pick<RefreshOptions, 'report'>;
  readonly #standing = new Map<string, RefreshState>();
  #policies: readonly RefreshedPolicy[] | undefined;
  #wanted = new Map<string, WantedName>();
  #wake: () => void = () => {};

  constructor(options: RefreshOptions) {
    this.#options = {
      resolve: resolveOne,
      recall: recallName,
      remember: rememberName,
      now: uptime,
      concurrency: 16,
      ...options,
    };
  }

  /** Goes on until the signal; then waits for what is under way. */
  async run(signal: AbortSignal): Promise<void> {
    const underWay = new Map<string, Promise<unknown>>();
    signal.addEventListener('abort', () => this.#wake(), { once: true });
    let due: WantedName[] = [];
    let lookAt = 0;
    while (!signal.aborted) {
      const isChanged = await this.#follow();
      if (isChanged || (due.length === 0 && this.#options.now() >= lookAt)) ({ due, lookAt } = this.#due(underWay));
      for (const wanted of due.splice(0, this.#options.concurrency - underWay.size)) {
        const done = this.refresh(wanted).finally(() => {
          underWay.delete(wanted.key);
          this.#wake();
        });
        underWay.set(wanted.key, done);
      }
      // Those that found no place wait for an end, which wakes the loop.
      if (!signal.aborted) await this.#sleep(due.length > 0 ? longestSleep : lookAt - this.#options.now());
    }
    await Promise.all(underWay.values());
  }

  /** Looks at the policies again now. */
  wake(): void {
    this.#wake();
  }

  /** Resolves every name now, whatever it stands at (the command `refresh`); settles when all are done. */
  async refreshAll(): Promise<RefreshReport[]> {
    await this.#follow();
    const rest = [...this.#wanted.values()];
    const reports: RefreshReport[] = [];
    const worker = async (): Promise<void> => {
      for (let wanted = rest.shift(); wanted !== undefined; wanted = rest.shift())
        reports.push(await this.refresh(wanted));
    };
    await Promise.all(Array.from({ length: this.#options.concurrency }, worker));
    return reports;
  }

  /**
   * Takes in what the proxy was answered by upstream (not out of its cache). A name whose two families were
   * asked for together is not asked for again before its time.
   */
  note(name: string, servers: readonly string[], family: 4 | 6, answers: readonly Answer[]): void {
    const wanted = this.#wanted.get(nameKey(name, servers));
    const standing = wanted && this.#standing.get(wanted.key);
    if (wanted === undefined || standing === undefined) return;
    const now = this.#options.now();
    const { known } = learn(standing.known, name, answers, now);
    standing.known = known;
    standing.notedAt[family] = now;
    const isWhole = now - standing.notedAt[family === 4 ? 6 : 4] < together;
    const last = known.addresses.filter(({ seenAt }) => now - seenAt < together);
    if (isWhole && last.length > 0) {
      standing.failures = 0;
      this.#setDue(
        wanted,
        standing,
        last.map(({ ttl }) => ttl),
      );
    }
    if (answers.length === 0 || now - standing.rememberedAt < rememberEvery) return;
    standing.rememberedAt = now;
    void this.#options.remember(known, servers).catch(() => {});
  }

  /** What is in memory of a name. */
  known(name: string, servers: readonly string[]): KnownName | undefined {
    return this.#standing.get(nameKey(name, servers))?.known;
  }

  /** Elements of everything that the names open now: what a rebuild of the tables has to put. */
  elements(): Element[] {
    const now = this.#options.now();
    return [...this.#wanted.values()].flatMap((wanted) => {
      const known = this.#standing.get(wanted.key)?.known;
      return known === undefined ? [] : elementsOfName(wanted, known, now);
    });
  }

  /** Resolves one name and opens its addresses. Never rejects. */
  async refresh(wanted: WantedName): Promise<RefreshReport> {
    const { name, servers } = wanted;
    const standing = this.#standing.get(wanted.key) ?? new RefreshState();
    this.#standing.set(wanted.key, standing);
    const problems: string[] = [];
    const { answers, failures } = await this.#resolve(name, servers);
    const now = this.#options.now();
    const { known, dropped } = learn(standing.known, name, answers, now);
    standing.known = known;
    standing.failures = answers.length === 0 && failures.length > 0 ? standing.failures + 1 : 0;
    const failing = failures.map(({ family }) => family);
    problems.push(...dropped.map((address) => `"${name}" resolves to ${address}, which no name opens`));
    problems.push(...failures.slice(0, 1).map(({ why }) => `Cannot resolve "${name}": ${why}`));
    await this.#trying(problems, async () => {
      const isGone = answers.length === 0 && failures.length === 0;
      const elements = elementsOfName(wanted, known, now, { failing, isGone });
      if (elements.length > 0) await this.#options.open(elements);
    });
    if (known.resolvedAt === now) await this.#trying(problems, () => this.#options.remember(known, servers));
    const next = this.#setDue(
      wanted,
      standing,
      answers.map(({ ttl }) => ttl),
    );
    const report = { name, servers, answers, problems, next };
    this.#options.report?.(report);
    return report;
  }

  async #resolve(name: string, servers: readonly string[]): Promise<Pick<Resolution, 'answers' | 'failures'>> {
    try {
      return await this.#options.resolve(name, servers);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return {
        answers: [],
        failures: [
          { family: 4, why },
          { family: 6, why },
        ],
      };
    }
  }

  async #trying(problems: string[], task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
    }
  }

  #setDue(wanted: WantedName, standing: RefreshState, ttls: readonly number[]): number | undefined {
    const next = delayAfter({ ttls, failures: standing.failures }, wanted);
    standing.dueAt = next === undefined ? Infinity : this.#options.now() + next * 1000;
    return next;
  }

  /**
   * Takes in a change of policies, if there is one: opens what is remembered of new names, forgets those that are gone.
   */
  async #follow(): Promise<boolean> {
    const policies = this.#options.policies();
    if (policies === this.#policies) return false;
    const before = this.#wanted;
    this.#policies = policies;
    this.#wanted = new Map(wantedNames(policies).map((wanted) => [wanted.key, wanted]));
    for (const key of this.#standing.keys()) if (!this.#wanted.has(key)) this.#standing.delete(key);
    const changed = [...this.#wanted.values()].filter((wanted) => !isSame(wanted, before.get(wanted.key)));
    const now = this.#options.now();
    for (const wanted of changed) {
      const isKnown = this.#standing.get(wanted.key)?.known !== undefined;
      const recalled = isKnown
        ? undefined
        : await this.#options.recall(wanted.name, wanted.servers).catch(() => undefined);
      // Meanwhile it may have been resolved, or asked for through the proxy.
      const standing = this.#standing.get(wanted.key) ?? new RefreshState();
      this.#standing.set(wanted.key, standing);
      const known = (standing.known ??= recalled);
      const last = known?.addresses.filter(({ seenAt }) => seenAt === known.resolvedAt) ?? [];
      const delay = delayAfter({ ttls: last.map(({ ttl }) => ttl), failures: 0 }, wanted);
      const dueAt = known === undefined || last.length === 0 ? 0 : known.resolvedAt + (delay ?? 0) * 1000;
      standing.dueAt =
        delay === undefined ? Infinity : Math.max(dueAt, now + startDelay(wanted.key, changed.length) * 1000);
      const elements = known === undefined ? [] : elementsOfName(wanted, known, now);
      if (elements.length > 0) void this.#options.open(elements).catch(() => {});
    }
    return true;
  }

  /** Names whose time has come, the longest overdue first, and when to look again. */
  #due(underWay: ReadonlyMap<string, unknown>): { due: WantedName[]; lookAt: number } {
    const now = this.#options.now();
    const dueAt = ({ key }: WantedName): number => this.#standing.get(key)?.dueAt ?? 0;
    let next = now + longestSleep;
    const due: WantedName[] = [];
    for (const wanted of this.#wanted.values()) {
      if (underWay.has(wanted.key)) continue;
      const at = dueAt(wanted);
      if (at <= now) due.push(wanted);
      else next = Math.min(next, at);
    }
    return {
      due: due.toSorted((one, other) => dueAt(one) - dueAt(other)),
      lookAt: Math.max(next, now + shortestSleep),
    };
  }

  #sleep(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function isSame(one: WantedName, other: WantedName | undefined): boolean {
  return other !== undefined && JSON.stringify(one.users) === JSON.stringify(other.users);
}

async function resolveOne(name: string, servers: readonly string[]): Promise<Resolution> {
  const [resolution] = await resolveNames([name], { servers });
  return resolution ?? { name, answers: [], failures: [] };
}
