/** Something of the host that can be lost, and that the agent looks after. */
export type Concern = 'tables' | 'timed' | 'chains' | 'links' | 'firewalls';

/** Gives reason to look at something. */
export interface Sign {
  readonly concern: Concern;
  /** At what of it, in the words of the watch that saw it; absent: at everything. */
  readonly of?: string;
}

/** What of a concern is to be looked at: everything, or what these words name. */
export type Scope = 'all' | ReadonlySet<string>;

/** The one sign for everything of these concerns. */
export function everythingOf(...concerns: readonly Concern[]): Sign[] {
  return concerns.map((concern) => ({ concern }));
}
