import { askAgent } from '../../host/agent-socket.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { addressesOf } from '../../records/sections.ts';

/** A name that DNS refused to a container, since its agent began. */
export interface RefusedLookup {
  /** Address of the container. */
  readonly source: string;
  /** "" for those beyond the names that are kept of one container. */
  readonly name: string;
  readonly why: string;
  readonly count: number;
}

/** Names that the agent refused, of all containers; none where no agent runs. */
export async function readRefusedLookups(): Promise<RefusedLookup[]> {
  const refused = await askAgent('refused');
  return Array.isArray(refused) ? refused.filter(isRefusedLookup) : [];
}

/** Those of one attachment, the most frequent first; each name once, whichever of its addresses asked. */
export function refusedLookupsOf(record: AttachmentRecord, lookups: readonly RefusedLookup[]): RefusedLookup[] {
  const own = new Set(addressesOf(record));
  const byName = Map.groupBy(
    lookups.filter(({ source }) => own.has(source)),
    ({ name }) => name,
  );
  return [...byName.values()]
    .flatMap(([first, ...rest]) =>
      first === undefined ? [] : [{ ...first, count: rest.reduce((sum, { count }) => sum + count, first.count) }],
    )
    .toSorted((one, other) => other.count - one.count || (one.name < other.name ? -1 : 1));
}

function isRefusedLookup(raw: unknown): raw is RefusedLookup {
  const { source, name, why, count } = (raw ?? {}) as Record<string, unknown>;
  return typeof source === 'string' && typeof name === 'string' && typeof why === 'string' && typeof count === 'number';
}
