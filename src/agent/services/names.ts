import type { CountMemory } from '../../repair/count-memory.ts';
import type { QueryReport } from '../dns/answer-query.ts';
import { DnsProcess } from '../dns/process/dns-process.ts';
import type { RefusedQueries } from '../dns/process/messages.ts';
import { Rates } from '../dns/rates.ts';
import { every, type RecurringWork } from '../every.ts';
import type { RefusedQuery } from '../flows/refused-name.ts';
import type { HostState } from '../host-state.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { Names } from '../names.ts';
import type { Crowd } from '../names/claims.ts';
import { Crowds } from '../names/crowds.ts';
import { MetBounds } from '../names/met-bounds.ts';
import type { RefreshReport } from '../names/refresh.ts';
import type { Service } from '../service.ts';
import { namesStatus, type NameStatus } from '../status.ts';

/** Milliseconds; redirections last three times as long. */
const renewal = 10_000;
/** Milliseconds between looks at which servers the host asks, and at records that nobody told of. */
const slowly = 30_000;

/** Milliseconds for which it is a problem that somebody filled a set. */
const lasting = 60_000;
const overfilled =
  'A set of names in "table inet drawbridge" was full of addresses that no name opened: somebody else put them there, and it was written anew';

export interface NamesServiceOptions {
  readonly state: HostState;
  readonly counted: CountMemory;
  readonly metrics: Metrics;
  readonly log: Log;
  /** Told of each query, and of those that were refused in sums. */
  readonly onQuery: (query: RefusedQuery) => void;
}

/** Answers DNS, keeps the addresses of names open, and tells what became of queries and names. */
export class NamesService implements Service {
  readonly name = 'names';
  readonly names: Names;
  /** Queries that were answered. */
  queries = 0;
  readonly #options: NamesServiceOptions;
  readonly #last = new Map<string, RefreshReport>();
  readonly #crowds = new Crowds();
  readonly metBounds = new MetBounds();
  readonly #logged = new Rates();
  #overfilled = { count: 0, at: -Infinity };
  #recurring: readonly RecurringWork[] = [];

  constructor(options: NamesServiceOptions) {
    this.#options = options;
    this.names = new Names({
      state: options.state,
      counted: options.counted,
      answering: (dns) => new DnsProcess(dns),
      onEnd: (reason) => options.log.error({ err: reason }, 'the process that answers DNS ended'),
      onQuery: (report) => this.#tellQuery(report),
      onRefused: (refused) => refused.forEach((one) => this.#tellRefused(one)),
      onCrowd: (crowds) => crowds.forEach((one) => this.#noteCrowd(one)),
      onRefresh: (report) => this.#tellRefresh(report),
      onOverfilled: () => {
        this.#overfilled = { count: this.#overfilled.count + 1, at: performance.now() };
        options.log.warn(overfilled);
      },
    });
    const { names } = this;
    options.metrics.gauge('drawbridge_names', 'Names that are kept open', [], (add) => add({}, names.wanted.size));
    options.metrics.gauge(
      'drawbridge_name_addresses',
      'Addresses that names have open, each protocol and port counted',
      [],
      (add) => add({}, names.open.length),
    );
    options.metrics.gauge(
      'drawbridge_refused_names',
      'Queries of a container for names that DNS refused, since the agent began',
      ['network', 'container', 'ifname'],
      (add) =>
        options.state.records.forEach(({ network, containerId, ifname, egress }) => {
          const count = names.refused.countOfAll(egress?.addresses ?? []);
          if (count > 0) add({ network, container: containerId, ifname }, count);
        }),
    );
    options.metrics.gauge(
      'drawbridge_names_overfilled',
      'Times that a set of names was full of addresses of somebody else, and was written anew',
      [],
      (add) => add({}, this.#overfilled.count),
    );
    options.metrics.gauge(
      'drawbridge_names_crowded',
      'Addresses of names that were closed before their time, because a container had as many open as one may',
      ['network', 'container', 'limit'],
      (add) =>
        this.#crowds.counts.forEach(({ source, limit, count }) => add({ ...this.#identify(source), limit }, count)),
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
    return [
      ...this.names.problems,
      ...this.#crowds.problems((source) => this.#describe(source)),
      ...(performance.now() - this.#overfilled.at < lasting ? [overfilled] : []),
      ...this.#recurring.flatMap(({ problem }) => problem ?? []),
    ];
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

  /** A name is logged when it is new, and of one container not more than a reader bears. */
  #tellRefused(refused: RefusedQueries): void {
    const { source, name, type, why, count, limited } = refused;
    if (limited > 0) this.metBounds.note(source, 'names', limited);
    this.queries += count;
    this.#options.metrics.refused(refused);
    this.#options.onQuery({ ...refused, verdict: 'denied' });
    const isLogged = name !== '' && this.#logged.take(source, { perSecond: 1 / 60, burst: 64 });
    if (isLogged && this.names.refused.countOf(source, name) === count)
      this.#options.log.info({ source, container: this.#describe(source), name, type, why }, 'name refused');
  }

  #noteCrowd(crowd: Crowd): void {
    this.#crowds.note(crowd);
    if (crowd.asker !== undefined) this.metBounds.note(crowd.asker.source, 'addresses', crowd.count);
  }

  /** "network/container" of a source address. */
  #describe(source: string): string {
    const { network, container } = this.#identify(source);
    return network === '' ? source : `${network}/${container}`;
  }

  #identify(source: string): { network: string; container: string } {
    const record = this.#options.state.records.find(({ egress }) => egress?.addresses.includes(source) === true);
    return { network: record?.network ?? '', container: record?.containerId ?? '' };
  }

  #tellRefresh(report: RefreshReport): void {
    const { name, problems } = report;
    const known = this.#last.get(name)?.problems.join() ?? '';
    this.#last.set(name, report);
    this.#options.metrics.refreshed(report);
    if (problems.join() !== known) this.#options.log.warn({ name, problems }, 'name');
  }
}
