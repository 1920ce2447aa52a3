import { releaseEarlierBoots } from '../../ipam/leases.ts';
import { deadOf, findRecords } from '../../repair/orphans/records.ts';
import { findUnheldTaps } from '../../repair/orphans/unheld-taps.ts';
import type { Finding } from '../../repair/orphans/finding.ts';
import { systemReason } from '../../text/system-error.ts';
import { every, type RecurringWork } from '../every.ts';
import type { HostState } from '../host-state.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Service } from '../service.ts';

/** Milliseconds between looks at which records are dead. */
const slowly = 30_000;

export interface SweepServiceOptions {
  readonly state: HostState;
  /** Remove what stayed dead for the grace period. */
  readonly clean: boolean;
  /** Seconds from when it was first seen dead: a runtime that is slow with its DEL goes first. */
  readonly graceSeconds: number;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** An attachment whose container is gone without a DEL. */
export interface DeadAttachment extends Pick<Finding, 'name' | 'network' | 'containerId' | 'why'> {
  /** Milliseconds since 1970. */
  readonly since: number;
}

interface DeadSince {
  readonly dead: DeadAttachment;
  /** By the clock that nobody sets: the grace counts by it. */
  readonly seenAt: number;
  /** Of a tap: see {@link Finding}. */
  readonly uses: number | undefined;
}

/**
 * Looks for what crashed runtimes left: leases of earlier boots, attachments whose namespace or process is gone, and
 * guests whose VM is gone and whose tap says that it goes with it.
 */
export class SweepService implements Service {
  readonly name = 'sweep';
  readonly #options: SweepServiceOptions;
  #dead = new Map<string, DeadSince>();
  readonly #failed = new Map<string, string>();
  #leases: string | undefined;
  #recurring: RecurringWork | undefined;

  constructor(options: SweepServiceOptions) {
    const { metrics, state } = options;
    this.#options = options;
    metrics.gauge(
      'drawbridge_attachments',
      'Attachments by state: dead ones have no container any more, broken ones a record that cannot be read',
      ['state'],
      (add) => {
        add({ state: 'ready' }, state.records.length);
        add({ state: 'broken' }, state.broken.length);
        add({ state: 'dead' }, this.#dead.size);
      },
    );
  }

  async start(): Promise<void> {
    await this.#freeLeases();
    await this.#look();
    this.#recurring = every(slowly, 'look for dead attachments', () => this.#look());
  }

  async stop(): Promise<void> {
    await this.#recurring?.stop();
  }

  health(): readonly string[] {
    return [this.#leases, this.#recurring?.problem, ...this.#failed.values()].flatMap((problem) => problem ?? []);
  }

  get dead(): readonly DeadAttachment[] {
    return [...this.#dead.values()].map(({ dead }) => dead);
  }

  /** Runtimes whose containers did not survive a boot never gave their addresses back. */
  async #freeLeases(): Promise<void> {
    try {
      const folders = await releaseEarlierBoots();
      if (folders.length > 0) this.#options.log.info({ folders }, 'leases of earlier boots are free');
    } catch (error) {
      this.#leases = `Cannot free leases of earlier boots: ${systemReason(error)}`;
    }
  }

  async #look(): Promise<void> {
    const records = this.#options.state.all;
    const findings = [
      ...findRecords({ records, broken: [], unclear: [], dead: deadOf(records) }),
      ...findUnheldTaps(records),
    ];
    const before = this.#dead;
    const since = (finding: Finding): DeadSince => {
      const known = before.get(idOf(finding));
      return known !== undefined && known.uses === finding.uses ? known : attachment(finding);
    };
    this.#dead = new Map(findings.map((finding) => [idOf(finding), since(finding)]));
    for (const id of this.#failed.keys()) if (!this.#dead.has(id)) this.#failed.delete(id);
    for (const [id, { dead }] of this.#dead)
      if (!before.has(id)) this.#options.log.warn({ attachment: dead }, 'an attachment has no container any more');
    if (this.#options.clean) for (const finding of findings) await this.#remove(finding);
  }

  async #remove(finding: Finding): Promise<void> {
    const id = idOf(finding);
    const known = this.#dead.get(id);
    const { graceSeconds, log } = this.#options;
    if (known === undefined || performance.now() - known.seenAt < graceSeconds * 1000) return;
    const { dead } = known;
    try {
      // Looks once more whether it is still dead.
      if ((await finding.remove?.()) !== true) return;
      this.#dead.delete(id);
      this.#failed.delete(id);
      log.warn({ attachment: dead }, 'a dead attachment was removed');
    } catch (error) {
      this.#failed.set(id, `Cannot remove the dead attachment "${dead.name}": ${systemReason(error)}`);
      log.error({ attachment: dead, err: error }, 'cannot remove a dead attachment');
    }
  }
}

function idOf({ network, name }: Finding): string {
  return `${network ?? ''}/${name}`;
}

function attachment({ name, network, containerId, why, uses }: Finding): DeadSince {
  return {
    dead: {
      name,
      why,
      since: Date.now(),
      ...(network === undefined ? {} : { network }),
      ...(containerId === undefined ? {} : { containerId }),
    },
    seenAt: performance.now(),
    uses,
  };
}
