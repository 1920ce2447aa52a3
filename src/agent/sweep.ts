import { deadOf, findRecords } from '../repair/orphans/records.ts';
import type { Finding } from '../repair/orphans/finding.ts';
import type { AttachmentRecord } from '../records/record.ts';

export interface SweepOptions {
  /** All attachments that there are records of. */
  readonly records: () => readonly AttachmentRecord[];
  /** Remove what stayed dead for the grace period. */
  readonly clean: boolean;
  /** Seconds from when it was first seen dead: a runtime that is slow with its DEL goes first. */
  readonly graceSeconds: number;
  readonly report: (report: SweepReport) => void;
}

/** An attachment whose container is gone without a DEL. */
export interface DeadAttachment extends Pick<Finding, 'name' | 'network' | 'containerId' | 'why'> {
  /** Milliseconds since 1970. */
  readonly since: number;
}

export interface SweepReport {
  readonly what: 'found' | 'removed' | 'failed';
  readonly attachment: DeadAttachment;
  readonly error?: unknown;
}

/** Looks for attachments whose namespace or process is gone: what crashed runtimes left. */
export class Sweep {
  readonly #options: SweepOptions;
  #dead = new Map<string, DeadAttachment>();
  #isAtIt = false;

  constructor(options: SweepOptions) {
    this.#options = options;
  }

  get dead(): readonly DeadAttachment[] {
    return [...this.#dead.values()];
  }

  /** Never throws. */
  async run(now = Date.now()): Promise<void> {
    if (this.#isAtIt) return;
    this.#isAtIt = true;
    try {
      const records = this.#options.records();
      const findings = findRecords({ records, broken: [], unclear: [], dead: deadOf(records) });
      const before = this.#dead;
      this.#dead = new Map(
        findings.map((finding) => [idOf(finding), before.get(idOf(finding)) ?? attachment(finding, now)]),
      );
      for (const [id, dead] of this.#dead)
        if (!before.has(id)) this.#options.report({ what: 'found', attachment: dead });
      if (this.#options.clean) for (const finding of findings) await this.#remove(finding, now);
    } finally {
      this.#isAtIt = false;
    }
  }

  async #remove(finding: Finding, now: number): Promise<void> {
    const id = idOf(finding);
    const dead = this.#dead.get(id);
    if (dead === undefined || now - dead.since < this.#options.graceSeconds * 1000) return;
    try {
      // Looks once more whether it is still dead.
      if ((await finding.remove?.()) !== true) return;
      this.#dead.delete(id);
      this.#options.report({ what: 'removed', attachment: dead });
    } catch (error) {
      this.#options.report({ what: 'failed', attachment: dead, error });
    }
  }
}

function idOf({ network, name }: Finding): string {
  return `${network ?? ''}/${name}`;
}

function attachment({ name, network, containerId, why }: Finding, since: number): DeadAttachment {
  return {
    name,
    why,
    since,
    ...(network === undefined ? {} : { network }),
    ...(containerId === undefined ? {} : { containerId }),
  };
}
