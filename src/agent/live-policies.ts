import type { Element } from '../nft/element.ts';
import { refresh, type RefreshReport } from '../plugins/egress-policy/refresh.ts';
import type { AttachmentRecord } from '../records/record.ts';
import type { RecordList } from '../records/store.ts';

export interface LivePoliciesOptions {
  /** All records as they are now. */
  readonly list: () => RecordList;
  /** What names have open for a record. */
  readonly remembered: (record: AttachmentRecord) => Promise<readonly Element[]>;
  /** Expiring elements that go into the tables with a changed policy. */
  readonly also: (records: readonly AttachmentRecord[]) => readonly Element[];
  readonly report: (report: PolicyReport) => void;
}

export interface PolicyReport extends Pick<RefreshReport, 'changed' | 'ended' | 'problems' | 'invalid'> {
  /** Milliseconds. */
  readonly took: number;
}

/** Applies changes in /etc/drawbridge/policies to the containers that run under them, one change after the other. */
export class LivePolicies {
  readonly #options: LivePoliciesOptions;
  #invalid: ReadonlyMap<string, string> = new Map();
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: LivePoliciesOptions) {
    this.#options = options;
  }

  /** Policies whose file cannot be used, and why; what they said before is in force. */
  get invalid(): ReadonlyMap<string, string> {
    return this.#invalid;
  }

  /**
   * Reads all files that a container's policy came from. Rejects with code 100 when rules cannot be written: then
   * nothing changed.
   */
  apply(): Promise<PolicyReport> {
    const done = this.#last.then(() => this.#apply());
    this.#last = done.catch(() => {});
    return done;
  }

  async #apply(): Promise<PolicyReport> {
    const started = performance.now();
    const { also, list, remembered } = this.#options;
    const { changed, ended, problems, invalid } = await refresh({ resolve: false, also, list, remembered });
    this.#invalid = new Map(invalid.map((name, index) => [name, problems[index] ?? '']));
    const report = { changed, ended, problems, invalid, took: performance.now() - started };
    this.#options.report(report);
    return report;
  }
}
