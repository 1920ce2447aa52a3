import type { CountMemory } from '../../repair/count-memory.ts';
import type { QueryReport } from '../dns/answer-query.ts';
import { every, type RecurringWork } from '../every.ts';
import type { HostState } from '../host-state.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { Names } from '../names.ts';
import type { RefreshReport } from '../names/refresh.ts';
import type { Service } from '../service.ts';
import { namesStatus, type NameStatus } from '../status.ts';

/** Milliseconds; redirections last three times as long. */
const renewal = 10_000;
/** Milliseconds between looks at which servers the host asks, and at records that nobody told of. */
const slowly = 30_000;

export interface NamesServiceOptions {
  readonly state: HostState;
  readonly counted: CountMemory;
  readonly metrics: Metrics;
  readonly log: Log;
  /** Told of each query. */
  readonly onQuery: (report: QueryReport) => void;
}

/** Answers DNS, keeps the addresses of names open, and tells what became of queries and names. */
export class NamesService implements Service {
  readonly name = 'names';
  readonly names: Names;
  /** Queries that were answered. */
  queries = 0;
  readonly #options: NamesServiceOptions;
  readonly #last = new Map<string, RefreshReport>();
  #recurring: readonly RecurringWork[] = [];

  constructor(options: NamesServiceOptions) {
    this.#options = options;
    this.names = new Names({
      state: options.state,
      counted: options.counted,
      onQuery: (report) => this.#tellQuery(report),
      onRefresh: (report) => this.#tellRefresh(report),
    });
    const { names } = this;
    options.metrics.gauge('drawbridge_names', 'Names that are kept open', [], (add) => add({}, names.wanted.size));
    options.metrics.gauge(
      'drawbridge_name_addresses',
      'Addresses that names have open, each protocol and port counted',
      [],
      (add) => add({}, names.open.length),
    );
  }

  async start(): Promise<void> {
    const { state } = this.#options;
    await state.loadServers([]);
    await this.names.start();
    this.#recurring = [
      every(renewal, 'renew redirected DNS', () => this.names.renew()),
      every(slowly, 'look at records and DNS servers', async () => {
        await state.loadServers(this.names.addresses);
        if (state.load()) await this.names.follow();
      }),
    ];
  }

  async stop(): Promise<void> {
    await Promise.all(this.#recurring.map((one) => one.stop()));
    await this.names.stop();
  }

  health(): readonly string[] {
    return [...this.names.problems, ...this.#recurring.flatMap(({ problem }) => problem ?? [])];
  }

  /** Every name, its open addresses, and what its last refresh met. */
  status(): NameStatus[] {
    return namesStatus(this.names.open, this.names.wanted, this.#last);
  }

  #tellQuery(report: QueryReport): void {
    const { source, name, type, verdict, why, took } = report;
    this.queries += 1;
    this.#options.metrics.query(report);
    this.#options.onQuery(report);
    this.#options.log.debug({ source, name, type, verdict, why, ms: Math.round(took) }, 'query');
  }

  #tellRefresh(report: RefreshReport): void {
    const { name, problems } = report;
    const known = this.#last.get(name)?.problems.join() ?? '';
    this.#last.set(name, report);
    this.#options.metrics.refreshed(report);
    if (problems.join() !== known) this.#options.log.warn({ name, problems }, 'name');
  }
}
