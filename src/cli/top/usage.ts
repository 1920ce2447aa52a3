import type { CountedFlow } from '../../host/conntrack.ts';

/** What the kernel had counted at a moment. */
export interface Sample {
  /** Milliseconds, of a clock that nobody sets. */
  readonly at: number;
  readonly flows: readonly CountedFlow[];
  /** Packets that were denied, by the attachment's key. */
  readonly denied: ReadonlyMap<string, number>;
}

/** Whose an address is, and what a destination is called. */
export interface Directory {
  readonly ownerOf: (address: string) => Owner | undefined;
  readonly nameOf: (address: string) => string;
}

export interface Owner {
  readonly containerId: string;
  readonly name: string;
  /** Keys of its attachments. */
  readonly keys: readonly string[];
}

/** Bytes are those of the time between the samples, a second. */
export interface Usage {
  readonly sent: number;
  readonly received: number;
  readonly connections: number;
}

export interface ContainerUsage extends Usage {
  readonly containerId: string;
  readonly name: string;
  /** Packets in the time between the samples. */
  readonly denied: number;
  /** Those with the most bytes first. */
  readonly destinations: readonly (Usage & { readonly destination: string })[];
}

export type SortKey = 'bytes' | 'connections' | 'denied' | 'name';

/** What containers did between two samples; those of `owners` that did nothing too. */
export function usageBetween(
  before: Sample,
  after: Sample,
  owners: readonly Owner[],
  { nameOf, ownerOf }: Directory,
): ContainerUsage[] {
  const seconds = Math.max(0.001, (after.at - before.at) / 1000);
  const known = new Map(before.flows.map((flow) => [flow.id, flow]));
  const totals = new Map(owners.map(({ containerId }) => [containerId, new Map<string, Usage>()]));
  for (const flow of after.flows) {
    const own = ownerOf(flow.source);
    const owner = own ?? ownerOf(flow.answerer);
    const destinations = owner === undefined ? undefined : totals.get(owner.containerId);
    if (destinations === undefined) continue;
    const isOutgoing = own !== undefined;
    const last = known.get(flow.id);
    const asked = Math.max(0, flow.asked.bytes - (last?.asked.bytes ?? 0)) / seconds;
    const answered = Math.max(0, flow.answered.bytes - (last?.answered.bytes ?? 0)) / seconds;
    const destination = isOutgoing ? nameOf(flow.destination) : `from ${nameOf(flow.source)}`;
    const sum = destinations.get(destination) ?? { sent: 0, received: 0, connections: 0 };
    destinations.set(destination, {
      sent: sum.sent + (isOutgoing ? asked : answered),
      received: sum.received + (isOutgoing ? answered : asked),
      connections: sum.connections + 1,
    });
  }
  return owners.map(({ containerId, keys, name }) => {
    const destinations = [...(totals.get(containerId) ?? [])].map(([destination, usage]) => ({
      destination,
      ...usage,
    }));
    const sum = (value: (usage: Usage) => number): number =>
      destinations.reduce((total, usage) => total + value(usage), 0);
    const deniedOf = (sample: Sample): number => keys.reduce((total, key) => total + (sample.denied.get(key) ?? 0), 0);
    return {
      containerId,
      name,
      sent: sum(({ sent }) => sent),
      received: sum(({ received }) => received),
      connections: sum(({ connections }) => connections),
      denied: Math.max(0, deniedOf(after) - deniedOf(before)),
      destinations: destinations.toSorted((one, other) => bytesOf(other) - bytesOf(one)),
    };
  });
}

/** The most first; by name the other way. */
export function sorted(usages: readonly ContainerUsage[], key: SortKey): ContainerUsage[] {
  const byName = (one: ContainerUsage, other: ContainerUsage): number =>
    one.name.localeCompare(other.name, 'en', { numeric: true });
  const value = (usage: ContainerUsage): number =>
    key === 'bytes' ? bytesOf(usage) : key === 'connections' ? usage.connections : usage.denied;
  return usages.toSorted((one, other) => (key === 'name' ? 0 : value(other) - value(one)) || byName(one, other));
}

function bytesOf({ sent, received }: Usage): number {
  return sent + received;
}
