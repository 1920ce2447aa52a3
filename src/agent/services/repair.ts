import { everythingOf, type ChangeEvent, type Scope } from '../../repair/change-event.ts';
import { repairChains } from '../../repair/chains.ts';
import { repairFirewalls } from '../../repair/firewalls.ts';
import { repairGates } from '../../repair/gates.ts';
import { repairIndex } from '../../repair/index-files.ts';
import { repairLoopback } from '../../repair/loopback.ts';
import { repairLinks } from '../../repair/links.ts';
import { Repairer, type RepairReport } from '../../repair/repairer.ts';
import { repairOnLink } from '../../repair/on-link.ts';
import { repairTables } from '../../repair/tables.ts';
import { systemReason } from '../../text/system-error.ts';
import { every, type RecurringWork } from '../every.ts';
import type { HostState } from '../host-state.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Names } from '../names.ts';
import { RepairHistory } from '../repair-history.ts';
import type { Service } from '../service.ts';

/** Milliseconds between looks at what nobody tells of: sysctls, iptables-legacy. */
const slowly = 30_000;
/** One look of so many is at the rules too: they are watched, and comparing all of them costs a full host most. */
const thorough = 10;

export interface RepairServiceOptions {
  readonly state: HostState;
  readonly names: Names;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** Puts back what others remove of rules, links and accepts. */
export class RepairService implements Service {
  readonly name = 'repair';
  readonly history = new RepairHistory();
  readonly #options: RepairServiceOptions;
  readonly #repairer: Repairer;
  #recurring: RecurringWork | undefined;
  #looks = 0;
  #closed: readonly string[] = [];
  #indexProblem: string | undefined;

  constructor(options: RepairServiceOptions) {
    const { names, state } = options;
    this.#options = options;
    this.#repairer = new Repairer({
      repairs: {
        tables: (scope) => repairTables(names.tables, scope),
        expiring: async () => {
          await names.reopen();
          return [];
        },
        chains: (scope) => repairChains(names.tables, scope),
        networks: () => repairOnLink(names.tables),
        links: async (scope: Scope) => [
          // A filter stands at a bridge: that one first.
          ...(await repairLinks(state.records, scope)),
          ...(await repairGates(state.records, scope)),
          ...repairLoopback(state.records, scope),
        ],
        firewalls: () => this.#repairFirewalls(),
      },
      report: (report) => this.#tell(report),
      well: (resource) => this.history.well(resource),
    });
  }

  /** Puts back what was lost while no agent ran. */
  async start(): Promise<void> {
    await this.#repairer.lookNow(['tables', 'networks', 'links', 'firewalls']);
    this.#recurring = every(slowly, 'look at links and firewalls', () => this.#lookSlowly());
  }

  async stop(): Promise<void> {
    await this.#recurring?.stop();
    await this.#repairer.stop();
  }

  health(): readonly string[] {
    const broken = this.#options.state.broken.map(({ file, why }) => `Cannot read the record "${file}": ${why}`);
    const others = [this.#indexProblem, this.#recurring?.problem].flatMap((problem) => problem ?? []);
    return [...this.history.problems, ...this.#closed, ...others, ...broken];
  }

  /** Something changed: looks soon. */
  notice(changes: readonly ChangeEvent[]): void {
    this.#repairer.notice(changes);
  }

  /** Looks at everything now; settles when that is done. */
  async lookNow(): Promise<void> {
    await Promise.all([this.#repairer.lookNow(), this.#lookAtIndex()]);
  }

  /** A look that began long ago has not ended. */
  get isStuck(): boolean {
    return this.#repairer.isStuck;
  }

  async #lookSlowly(): Promise<void> {
    this.#looks += 1;
    const isThorough = this.#looks % thorough === 0;
    this.notice(everythingOf('links', 'firewalls', ...(isThorough ? (['tables', 'chains', 'networks'] as const) : [])));
    if (isThorough) await this.#lookAtIndex();
  }

  async #lookAtIndex(): Promise<void> {
    try {
      await repairIndex(this.#options.names.tables.records);
      this.#indexProblem = undefined;
    } catch (error) {
      this.#indexProblem = `Cannot look after index entries: ${systemReason(error)}`;
    }
  }

  async #repairFirewalls(): Promise<readonly string[]> {
    const { repaired, problems } = await repairFirewalls(this.#options.state.records);
    this.#closed = problems;
    return repaired;
  }

  #tell(report: RepairReport): void {
    const { resource, repaired, problem, took } = report;
    const { metrics, log } = this.#options;
    this.history.add(report);
    metrics.repair(report);
    if (problem === undefined) log.warn({ resource, repaired, ms: Math.round(took) }, 'repaired');
    else log.error({ resource, err: problem }, 'cannot repair');
  }
}
