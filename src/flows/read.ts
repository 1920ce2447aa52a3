import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { FlowRecord, FlowUpdate } from './flow-record.ts';
import { flowsFolder, listFlowFiles } from './store.ts';

export interface ReadOptions {
  /** Milliseconds since 1970: nothing of before. */
  readonly since?: number;
  /** Records that are wanted, after their last line was read. */
  readonly isWanted?: (record: FlowRecord) => boolean;
  /** The latest so many; all unless given. */
  readonly last?: number;
  readonly folder?: string;
}

/**
 * What was recorded, the oldest first, each record as its last line left it. A line that is not whole is passed over:
 * it was being written, or a crash cut it off.
 */
export async function readFlows({
  since = -Infinity,
  isWanted = () => true,
  last = Infinity,
  folder = flowsFolder,
}: ReadOptions = {}): Promise<FlowRecord[]> {
  let found: FlowRecord[] = [];
  // An update is at most one file later than its record; so files are read from the newest on until there are enough.
  const updates = new Map<string, FlowUpdate>();
  for (const file of listFlowFiles(folder).toReversed()) {
    if (file.writtenAt < since) break;
    const records = await readFile(file.path, updates);
    found = [...records.filter((record) => Date.parse(record.time) >= since && isWanted(record)), ...found];
    if (found.length >= last) break;
  }
  const sorted = found.toSorted((one, other) => (one.time < other.time ? -1 : one.time > other.time ? 1 : 0));
  return last === Infinity ? sorted : sorted.slice(-last);
}

/** Records of one file; updates of records that it does not have are added to `updates`. */
async function readFile(path: string, updates: Map<string, FlowUpdate>): Promise<FlowRecord[]> {
  const records = new Map<string, FlowRecord>();
  const own = new Map<string, FlowUpdate>();
  const stream = createReadStream(path, { encoding: 'utf8' });
  // It may have been removed since it was listed.
  stream.on('error', () => {});
  for await (const line of createInterface({ input: stream, crlfDelay: Infinity })) {
    const read = parseLine(line);
    if (read === undefined) continue;
    const known = records.get(read.id);
    if (known !== undefined) records.set(read.id, { ...known, ...read });
    else if (isWhole(read)) records.set(read.id, read);
    else own.set(read.id, { ...own.get(read.id), ...read });
  }
  const merged = [...records.values()].map((record) => ({ ...record, ...updates.get(record.id) }));
  for (const [id, update] of own) updates.set(id, { ...update, ...updates.get(id) });
  return merged;
}

function parseLine(line: string): FlowUpdate | undefined {
  try {
    const value = JSON.parse(line) as FlowUpdate | null;
    return typeof value?.id === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

function isWhole(read: FlowUpdate): read is FlowRecord {
  return read.time !== undefined && read.container !== undefined && read.destination !== undefined;
}
