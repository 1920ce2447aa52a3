import type { FlowRecord } from '../../../flows/flow-record.ts';

/** A place that records of flows are sent to besides our own files: each when it begins, and when it is over. */
export interface FlowSink {
  /** "journal", "file" or "otlp": what is lost is counted by it. */
  readonly name: string;
  /** Waits for nothing. */
  send(record: FlowRecord): void;
  /** Records that did not get there. */
  readonly lost: number;
  /** Why the last ones did not; undefined while all is well. */
  readonly problem: string | undefined;
  close(): Promise<void>;
}

/** Where an operator wants them. */
export interface FlowDestinations {
  readonly journal: boolean;
  /** Absolute path. */
  readonly file?: string | undefined;
  /** Address of a collector, with or without "/v1/logs". */
  readonly otlp?: URL | undefined;
}
