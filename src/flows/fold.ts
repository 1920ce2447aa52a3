import type { FlowRecord, FlowUpdate } from './flow-record.ts';

/** Milliseconds in which what is alike becomes one record. */
const minute = 60_000;
/** Records of one container in that time; more are counted as lost. */
const share = 1000;
/** Records of all. */
const most = 50_000;

/** What is known of an event before its record is made: making one takes longer than folding it. */
export interface FoldedEvent {
  /** Who, and what it asked for, and what became of it. */
  readonly key: string;
  readonly container: string;
  readonly count: number;
}

/** A moment by two clocks, in milliseconds. */
export interface Moment {
  /** By a clock that nobody sets: what windows are measured with. */
  readonly steady: number;
  /** Since 1970: what a person reads. */
  readonly wall: number;
}

export interface FoldOptions {
  /** A record begins. */
  readonly begin: (record: FlowRecord) => void;
  /** A record has another count by now. */
  readonly update: (update: FlowUpdate, record: FlowRecord) => void;
  /** A minute is over whose record has another count than it began with. */
  readonly end?: (record: FlowRecord) => void;
}

interface OpenRecord {
  record: FlowRecord;
  count: number;
  /** The last event, by the steady clock. */
  until: number;
  readonly begun: Moment;
  readonly begunWith: number;
}

/** Makes one record of what is alike within a minute, with a count: a flood is one line. */
export class FlowFold {
  readonly #options: FoldOptions;
  readonly #open = new Map<string, OpenRecord>();
  readonly #shares = new Map<string, number>();
  #lost = 0;

  constructor(options: FoldOptions) {
    this.#options = options;
  }

  /** Events that got no record, because their container had its share, or all together were too many. */
  get lost(): number {
    return this.#lost;
  }

  /**
   * `make` is called for the first of a minute. Returns the record that the event is part of; undefined when there is
   * no room for one.
   */
  note(
    { key, container, count }: FoldedEvent,
    make: (now: number) => FlowRecord,
    now: Moment = { steady: performance.now(), wall: Date.now() },
  ): FlowRecord | undefined {
    const open = this.#open.get(key);
    if (open !== undefined && now.steady < open.begun.steady + minute) {
      open.count += count;
      open.until = now.steady;
      return open.record;
    }
    if (open !== undefined) this.#end(key, open);
    const used = this.#shares.get(container) ?? 0;
    if (used >= share || this.#open.size >= most) {
      this.#lost += count;
      return undefined;
    }
    this.#shares.set(container, used + 1);
    const record = make(now.wall);
    this.#open.set(key, { record, count, until: now.steady, begun: now, begunWith: record.count });
    this.#options.begin(record);
    return record;
  }

  /** Ends what is older than a minute, by the steady clock. */
  tick(now = performance.now()): void {
    // Records begin in the order of the map.
    for (const [key, open] of this.#open) {
      if (open.begun.steady + minute > now) return;
      this.#end(key, open);
    }
  }

  /** Tells of counts so far, for whoever asks in the middle of a minute. */
  tell(): void {
    for (const open of this.#open.values()) this.#tell(open);
  }

  /** Ends everything. */
  close(): void {
    for (const [key, open] of this.#open) this.#end(key, open);
  }

  #end(key: string, open: OpenRecord): void {
    this.#open.delete(key);
    const { container } = open.record;
    const used = (this.#shares.get(container) ?? 1) - 1;
    if (used === 0) this.#shares.delete(container);
    else this.#shares.set(container, used);
    this.#tell(open);
    if (open.record.count !== open.begunWith) this.#options.end?.(open.record);
  }

  #tell(open: OpenRecord): void {
    if (open.count === open.record.count) return;
    // A clock that was set meanwhile makes no end that is before the beginning.
    const until = new Date(open.begun.wall + open.until - open.begun.steady).toISOString();
    const update = { id: open.record.id, count: open.count, until };
    open.record = { ...open.record, ...update };
    this.#options.update(update, open.record);
  }
}
