import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { FlowRecord } from '../../flows/flow-record.ts';
import type { QueryReport } from '../dns/answer-query.ts';
import type { RefusedQueries } from '../dns/process/messages.ts';
import type { RefreshReport } from '../names/refresh.ts';
import type { RepairReport } from '../../repair/repairer.ts';
import { systemReason } from '../../text/system-error.ts';
import { visible } from '../../text/visible.ts';

/**
 * What the agent counts as it happens, and what its services have read when somebody asks, in the text that Prometheus
 * reads.
 */
export class Metrics {
  readonly #registry = new Registry();
  readonly #unreadable = new Map<string, string>();
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
  readonly #flows = new Counter({
    name: 'drawbridge_flows_total',
    help: 'Decisions about packets, queries and connections of containers; of connections, those that are recorded',
    labelNames: ['verdict', 'direction', 'policy', 'rule'],
    registers: [this.#registry],
  });
  readonly #lostFlows = new Counter({
    name: 'drawbridge_flows_lost_total',
    help: 'Decisions that are in no record, by where they were lost',
    labelNames: ['where'],
    registers: [this.#registry],
  });
  readonly #flowBytes = new Counter({
    name: 'drawbridge_flow_bytes_total',
    help: 'Bytes of recorded connections that are over, by container',
    labelNames: ['network', 'container', 'direction'],
    registers: [this.#registry],
  });
  readonly #policyChanges = new Counter({
    name: 'drawbridge_policy_changes_total',
    help: 'Attachments that came under a changed policy',
    registers: [this.#registry],
  });

  query({ verdict, from, took, openTook, stripped }: QueryReport): void {
    this.#queries.inc({ verdict, from: from ?? '' });
    this.#querySeconds.observe(took / 1000);
    if (openTook > 0) this.#openSeconds.observe(openTook / 1000);
    this.#stripped.inc(stripped.length);
  }

  refused({ count, took }: RefusedQueries): void {
    this.#queries.inc({ verdict: 'denied', from: '' }, count);
    for (let index = 0; index < count; index += 1) this.#querySeconds.observe(took / count / 1000);
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

  /** `policy` and `rule` are an operator's words, and bounded by what policies list. */
  flow({ verdict, direction, policy, rule }: FlowRecord, count: number): void {
    this.#flows.inc(visibleLabels({ verdict, direction, policy: policy ?? '', rule }), count);
  }

  lostFlows(where: string, count: number): void {
    if (count > 0) this.#lostFlows.inc({ where }, count);
  }

  flowBytes({ network, container, bytes }: FlowRecord): void {
    if (bytes === undefined) return;
    this.#flowBytes.inc(visibleLabels({ network, container, direction: 'sent' }), bytes.sent);
    this.#flowBytes.inc(visibleLabels({ network, container, direction: 'received' }), bytes.received);
  }

  /** Forgets the counts of a container that is gone. */
  forgetContainer(network: string, container: string): void {
    for (const direction of ['sent', 'received'])
      this.#flowBytes.remove(visibleLabels({ network, container, direction }));
  }

  policyChanged(count: number): void {
    this.#policyChanges.inc(count);
  }

  /**
   * Adds what is read when somebody asks; `read` says each value with its labels. What cannot be read is left out and
   * is a problem, so that the others are told all the same.
   */
  gauge(
    name: string,
    help: string,
    labelNames: readonly string[],
    read: (add: (labels: Record<string, string>, value: number) => void) => void | Promise<void>,
  ): void {
    const unreadable = this.#unreadable;
    new Gauge({
      name,
      help,
      labelNames: [...labelNames],
      registers: [this.#registry],
      async collect() {
        this.reset();
        try {
          await read((labels, value) => this.set(visibleLabels(labels), value));
          unreadable.delete(name);
        } catch (error) {
          this.reset();
          // One without labels would tell zero.
          if (labelNames.length === 0) this.remove();
          unreadable.set(name, `Cannot read what the metric "${name}" tells: ${systemReason(error)}`);
        }
      },
    });
  }

  /** Gauges that could not be read when somebody asked last, one sentence each. */
  get problems(): readonly string[] {
    return [...this.#unreadable.values()];
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
