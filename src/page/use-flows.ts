import { useEffect, useState } from 'preact/hooks';
import type { FlowRecord } from '../flows/flow-record.ts';
import { ask, follow } from './api.ts';

/** Records that the page holds; older ones are asked for by their filters. */
const most = 2000;
/** Of those that were denied so many stay, however many connections were allowed since. */
const mostDenied = 500;

export interface LiveFlows {
  /** Newest first, each once. */
  readonly records: readonly FlowRecord[];
  /** What came with the last batch. */
  readonly latest: readonly FlowRecord[];
  /** Whether the agent tells of what happens. */
  readonly isLive: boolean;
  /** Records that came too fast to be shown. */
  readonly left: number;
}

const none: LiveFlows = { records: [], latest: [], isLive: false, left: 0 };

/** The latest records, and those that come: one change for each batch, however many records are in it. */
export function useFlows(): LiveFlows {
  const [flows, set] = useState(none);
  useEffect(() => {
    const stop = new AbortController();
    const add = (records: readonly FlowRecord[], left: number): void =>
      set((before) => ({
        ...before,
        records: merge(before.records, records),
        latest: records,
        left: before.left + left,
      }));
    void ask<FlowRecord[]>('flows', { last: '500' }).then(
      (records) => add(records, 0),
      () => {},
    );
    void follow(
      ({ records, left }) => add(records, left),
      (isLive) => set((before) => ({ ...before, isLive })),
      stop.signal,
    );
    return () => stop.abort();
  }, []);
  return flows;
}

/** A later record with an id that came before has what is known of it by now. */
function merge(before: readonly FlowRecord[], added: readonly FlowRecord[]): FlowRecord[] {
  const byId = new Map(before.map((record) => [record.id, record]));
  for (const record of added) byId.set(record.id, record);
  const sorted = [...byId.values()].toSorted((one, other) => (one.time < other.time ? 1 : -1));
  if (sorted.length <= most) return sorted;
  const denied = new Set(sorted.filter(({ verdict }) => verdict !== 'allow').slice(0, mostDenied));
  return sorted.filter((record, place) => place < most || denied.has(record));
}
