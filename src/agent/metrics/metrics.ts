import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { QueryReport } from '../dns/answer-query.ts';
import type { RefreshReport } from '../names/refresh.ts';
import type { RepairReport } from '../../repair/repairer.ts';
import { visible } from '../../text/visible.ts';
import type { LeaseUse } from './lease-use.ts';

/** What is counted when somebody asks. */
export interface MetricsSource {
  readonly version: string;
  readonly attachments: () => { ready: number; broken: number; dead: number };
  /** Names of policies that the refresh asks for. */
  readonly names: () => number;
  readonly openAddresses: () => number;
  readonly invalidPolicies: () => readonly string[];
  /** Watches that do not tell of changes, so that everything is looked at by the clock. */
  readonly blindWatches: () => readonly string[];
  /** Packets that were denied, by attachment. */
  readonly denials: () => Promise<
    readonly { labels: { network: string; container: string; ifname: string }; packets: number }[]
  >;
  readonly leases: () => readonly LeaseUse[];
}

/** Everything that the agent counts, in the text that Prometheus reads. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #queries = new Counter({
    name: 'drawbridge_dns_queries_total',
    help: 'Queries of containers, by what became of them',
    labelNames: ['verdict', 'from'],
    registers: [this.#registry],
  });
  readonly #querySeconds = new Histogram({
    name: 'drawbridge_dns_query_seconds',
    help: 'Seconds from a query to its answer',
    buckets,
    registers: [this.#registry],
  });
  readonly #openSeconds = new Histogram({
    name: 'drawbridge_name_open_seconds',
    help: 'Seconds of that for opening the addresses of an answer',
    buckets,
    registers: [this.#registry],
  });
  readonly #stripped = new Counter({
    name: 'drawbridge_dns_stripped_addresses_total',
    help: 'Addresses that were removed from answers, because no name opens them',
    registers: [this.#registry],
  });
  readonly #refreshes = new Counter({
    name: 'drawbridge_name_refreshes_total',
    help: 'Attempts to resolve names again',
    labelNames: ['outcome'],
    registers: [this.#registry],
  });
  readonly #repairs = new Counter({
    name: 'drawbridge_repairs_total',
    help: 'Things that were lost and put back',
    labelNames: ['resource', 'outcome'],
    registers: [this.#registry],
  });
  readonly #repairSeconds = new Histogram({
    name: 'drawbridge_repair_seconds',
    help: 'Seconds from noticing a loss to its repair',
    labelNames: ['resource'],
    buckets,
    registers: [this.#registry],
  });
  readonly #gaps = new Counter({
    name: 'drawbridge_watch_gaps_total',
    help: 'Times that changes of rules or links were missed, and everything was looked at',
    labelNames: ['watch'],
    registers: [this.#registry],
  });
  readonly #policyChanges = new Counter({
    name: 'drawbridge_policy_changes_total',
    help: 'Attachments that came under a changed policy',
    registers: [this.#registry],
  });

  constructor(source: MetricsSource) {
    const registers = [this.#registry];
    gauge('drawbridge_agent_info', 'The agent, and its version', ['version'], (add) =>
      add({ version: source.version }, 1),
    );
    gauge(
      'drawbridge_attachments',
      'Attachments by state: dead ones have no container any more, broken ones a record that cannot be read',
      ['state'],
      (add) => {
        for (const [state, count] of Object.entries(source.attachments())) add({ state }, count);
      },
    );
    gauge('drawbridge_names', 'Names that are kept open', [], (add) => add({}, source.names()));
    gauge('drawbridge_name_addresses', 'Addresses that names have open, each protocol and port counted', [], (add) =>
      add({}, source.openAddresses()),
    );
    gauge(
      'drawbridge_policy_invalid',
      'Policies whose file cannot be used; their last valid version is in force',
      ['policy'],
      (add) => {
        for (const policy of source.invalidPolicies()) add({ policy }, 1);
      },
    );
    gauge(
      'drawbridge_watch_blind',
      'Watches that do not tell of changes: everything is looked at every few seconds instead',
      ['watch'],
      (add) => {
        for (const watch of source.blindWatches()) add({ watch }, 1);
      },
    );
    gauge(
      'drawbridge_denied_packets',
      'Packets of an attachment that its policy denied, since it was attached',
      ['network', 'container', 'ifname'],
      async (add) => {
        for (const { labels, packets } of await source.denials()) add(labels, packets);
      },
    );
    const leaseLabels = ['network', 'subnet'];
    gauge('drawbridge_leases', 'Addresses that are leased', leaseLabels, (add) =>
      source.leases().forEach(({ network, subnet, used }) => add({ network, subnet }, used)),
    );
    gauge('drawbridge_leases_limit', 'Addresses that can be leased', leaseLabels, (add) =>
      source.leases().forEach(({ network, subnet, size }) => add({ network, subnet }, size)),
    );
    gauge('process_resident_memory_bytes', 'Memory of the agent', [], (add) => add({}, process.memoryUsage().rss));
    gauge('process_cpu_seconds_total', 'Processor time of the agent', [], (add) => add({}, processorSeconds()));
    gauge('process_start_time_seconds', 'When the agent began, in seconds since 1970', [], (add) =>
      add({}, Date.now() / 1000 - process.uptime()),
    );

    function gauge(
      name: string,
      help: string,
      labelNames: readonly string[],
      read: (add: (labels: Record<string, string>, value: number) => void) => void | Promise<void>,
    ): void {
      new Gauge({
        name,
        help,
        labelNames: [...labelNames],
        registers,
        async collect() {
          this.reset();
          await read((labels, value) => this.set(visibleLabels(labels), value));
        },
      });
    }
  }

  query({ verdict, from, took, openTook, stripped }: QueryReport): void {
    this.#queries.inc({ verdict, from: from ?? '' });
    this.#querySeconds.observe(took / 1000);
    if (openTook > 0) this.#openSeconds.observe(openTook / 1000);
    this.#stripped.inc(stripped.length);
  }

  refreshed({ problems }: RefreshReport): void {
    this.#refreshes.inc({ outcome: problems.length === 0 ? 'answered' : 'problem' });
  }

  repair({ resource, repaired, problem, took }: RepairReport): void {
    this.#repairs.inc(
      { resource, outcome: problem === undefined ? 'repaired' : 'failed' },
      Math.max(1, repaired.length),
    );
    if (problem === undefined) this.#repairSeconds.observe({ resource }, took / 1000);
  }

  gap(watch: string): void {
    this.#gaps.inc({ watch });
  }

  policyChanged(count: number): void {
    this.#policyChanges.inc(count);
  }

  async text(): Promise<{ contentType: string; text: string }> {
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() };
  }
}

/** Seconds: an answer out of the cache takes less than a millisecond, one from upstream up to seconds. */
const buckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

function visibleLabels(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, visible(value)]));
}

function processorSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000_000;
}
