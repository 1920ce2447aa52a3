import type { NameRule } from '../../egress/policy.ts';
import type { ResourceRecord } from './read-response.ts';

interface AliasTarget {
  readonly rules: readonly NameRule[];
  /** Milliseconds of a clock that nobody sets. */
  readonly ends: number;
}

/** Names that one container may have waiting; the oldest go. */
const mostTargets = 1000;
/** Containers that are remembered. */
const mostSources = 4096;
/** Seconds; whoever was told of a target asks for it at once, also when its TTL is 0. */
const shortest = 5;

/**
 * Names that a container was led to by a CNAME. A resolver inside of it asks for them itself, so for their TTL they are
 * answered under the rules that led there.
 */
export class AliasTargets {
  readonly #bySource = new Map<string, Map<string, AliasTarget>>();
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Takes in what a container was told. */
  note(source: string, answers: readonly ResourceRecord[], rules: readonly NameRule[]): void {
    for (const { target, ttl } of answers) {
      if (target === undefined) continue;
      const own = this.#bySource.get(source) ?? new Map<string, AliasTarget>();
      this.#bySource.delete(source);
      this.#bySource.set(source, own);
      own.delete(target);
      own.set(target, { rules, ends: this.#now() + Math.max(ttl, shortest) * 1000 });
      dropOldest(own, mostTargets);
      dropOldest(this.#bySource, mostSources);
    }
  }

  /** Rules under which a container was led to a name, as far as its policy still has them. */
  rulesFor(source: string, name: string, current: readonly NameRule[]): readonly NameRule[] {
    const target = this.#bySource.get(source)?.get(name);
    if (target === undefined) return [];
    if (target.ends > this.#now()) return target.rules.filter((rule) => current.includes(rule));
    this.#bySource.get(source)?.delete(name);
    return [];
  }
}

function dropOldest(map: Map<string, unknown>, most: number): void {
  for (const oldest of map.keys()) {
    if (map.size <= most) return;
    map.delete(oldest);
  }
}
