import { readDenials } from '../../repair/survey/denials.ts';
import { every, type RecurringWork } from '../every.ts';
import type { Health } from '../health.ts';
import type { HostState } from '../host-state.ts';
import { leaseUse, type LeaseUse } from '../metrics/lease-use.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { serveMetrics } from '../metrics/serve-metrics.ts';
import type { Service } from '../service.ts';

/** Milliseconds after which is tried again what could not be read: nobody may ask for it any more. */
const often = 10_000;

export interface MetricsServiceOptions {
  readonly version: string;
  /** "127.0.0.1:9440"; absent: the socket alone tells them. */
  readonly address: string | undefined;
  readonly state: HostState;
  readonly health: Health;
  readonly metrics: Metrics;
}

/** Serves metrics by HTTP where that is asked for, and measures what belongs to no service. */
export class MetricsService implements Service {
  readonly name = 'metrics';
  readonly #options: MetricsServiceOptions;
  #served: { close(): Promise<void> } | undefined;
  #recurring: RecurringWork | undefined;

  constructor(options: MetricsServiceOptions) {
    this.#options = options;
    addAgentGauges(options);
    addHostGauges(options);
  }

  async start(): Promise<void> {
    const { address, metrics } = this.#options;
    if (address !== undefined) this.#served = await serveMetrics(address, () => metrics.text());
    this.#recurring = every(often, 'read metrics again', async () => {
      if (metrics.problems.length > 0) await metrics.text();
    });
  }

  async stop(): Promise<void> {
    await this.#recurring?.stop();
    await this.#served?.close();
  }

  health(): readonly string[] {
    return this.#options.metrics.problems;
  }
}

function addAgentGauges({ health, metrics, version }: MetricsServiceOptions): void {
  metrics.gauge('drawbridge_agent_info', 'The agent, and its version', ['version'], (add) => add({ version }, 1));
  metrics.gauge(
    'drawbridge_agent_problems',
    'What a part of the agent cannot do now; the method "status" of its socket says it in words',
    ['service'],
    (add) => health.services.forEach(({ name, problems }) => add({ service: name }, problems.length)),
  );
  metrics.gauge('process_resident_memory_bytes', 'Memory of the agent', [], (add) =>
    add({}, process.memoryUsage().rss),
  );
  metrics.gauge('process_cpu_seconds_total', 'Processor time of the agent', [], (add) => add({}, processorSeconds()));
  metrics.gauge('process_start_time_seconds', 'When the agent began, in seconds since 1970', [], (add) =>
    add({}, Date.now() / 1000 - process.uptime()),
  );
}

function addHostGauges({ metrics, state }: MetricsServiceOptions): void {
  metrics.gauge(
    'drawbridge_denied_packets',
    'Packets of an attachment that its policy denied, since it was attached',
    ['network', 'container', 'ifname'],
    async (add) => {
      const enforced = state.records.filter(({ egress }) => egress !== undefined);
      const counts = await readDenials(enforced);
      for (const { key, network, containerId, ifname } of enforced)
        add({ network, container: containerId, ifname }, counts.get(key) ?? 0);
    },
  );
  const leases = (value: (one: LeaseUse) => number) => (add: (labels: Record<string, string>, value: number) => void) =>
    leaseUse(state.records).forEach((one) => add({ network: one.network, subnet: one.subnet }, value(one)));
  const labels = ['network', 'subnet'];
  metrics.gauge(
    'drawbridge_leases',
    'Addresses that are leased',
    labels,
    leases(({ used }) => used),
  );
  metrics.gauge(
    'drawbridge_leases_limit',
    'Addresses that can be leased',
    labels,
    leases(({ size }) => size),
  );
}

function processorSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000_000;
}
