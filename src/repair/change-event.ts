/** Something of the host that can be lost, and that the agent looks after. */
export type Resource = 'tables' | 'expiring' | 'chains' | 'networks' | 'links' | 'firewalls';

/** Gives reason to look at something. */
export interface ChangeEvent {
  readonly resource: Resource;
  /** At what of it, in the words of the watch that saw it; absent: at everything. */
  readonly of?: string;
}

/** What of a resource is to be looked at: everything, or what these words name. */
export type Scope = 'all' | ReadonlySet<string>;

/** The one change for everything of these resources. */
export function everythingOf(...resources: readonly Resource[]): ChangeEvent[] {
  return resources.map((resource) => ({ resource }));
}
