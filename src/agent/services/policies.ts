import type { Grant } from '../../egress/policy.ts';
import { refresh, type RefreshReport } from '../../plugins/egress-policy/refresh.ts';
import { systemReason } from '../../text/system-error.ts';
import type { CheckedConnection } from '../first-bytes/messages.ts';
import type { HostState } from '../host-state.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Names } from '../names.ts';
import type { Service } from '../service.ts';

export interface PoliciesServiceOptions {
  readonly state: HostState;
  readonly names: Names;
  /** Connections that asked for an allowed name, and for which. */
  readonly checked: () => Promise<readonly CheckedConnection[]>;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** Applies changes in /etc/drawbridge/policies to the containers that run under them, one change after the other. */
export class PoliciesService implements Service {
  readonly name = 'policies';
  readonly #options: PoliciesServiceOptions;
  #invalid: ReadonlyMap<string, string> = new Map();
  #failure: string | undefined;
  #last: Promise<void> = Promise.resolve();

  constructor(options: PoliciesServiceOptions) {
    this.#options = options;
    options.metrics.gauge(
      'drawbridge_policy_invalid',
      'Policies whose file cannot be used; their last valid version is in force',
      ['policy'],
      (add) => [...this.#invalid.keys()].forEach((policy) => add({ policy }, 1)),
    );
  }

  /** Applies what changed while no agent ran. */
  start(): Promise<void> {
    return this.apply();
  }

  stop(): Promise<void> {
    return this.#last;
  }

  health(): readonly string[] {
    return [...(this.#failure === undefined ? [] : [this.#failure]), ...this.#invalid.values()];
  }

  /** Policies whose file cannot be used, and why; what they said before is in force. */
  get invalid(): ReadonlyMap<string, string> {
    return this.#invalid;
  }

  /**
   * Reads all files that a container's policy came from, and looks at what is granted: `grants` anew, by the keys of
   * attachments. Never throws: when rules cannot be written, nothing changed, and {@link health} says why.
   */
  apply(grants?: ReadonlyMap<string, readonly Grant[]>): Promise<void> {
    this.#last = this.#last.then(async () => {
      const applied = await Promise.allSettled([this.#apply(grants)]);
      const followed = await Promise.allSettled([this.#options.names.follow()]);
      const failed = [...applied, ...followed].find((step) => step.status === 'rejected');
      this.#failure = failed === undefined ? undefined : `Cannot apply policies: ${systemReason(failed.reason)}`;
    });
    return this.#last;
  }

  async #apply(grants: ReadonlyMap<string, readonly Grant[]> = new Map()): Promise<void> {
    const started = performance.now();
    const { names, state } = this.#options;
    const report = await refresh({
      resolve: false,
      list: () => {
        state.load();
        return { records: state.all, broken: state.broken };
      },
      remembered: (record) => names.remembered(record),
      also: (records) => names.carriedOver(records),
      grants,
      checked: this.#options.checked,
    });
    this.#invalid = new Map(report.invalid.map((name, index) => [name, report.problems[index] ?? '']));
    this.#tell(report, performance.now() - started);
  }

  #tell({ changed, ended, problems }: RefreshReport, took: number): void {
    const { log, metrics } = this.#options;
    metrics.policyChanged(changed.length);
    if (changed.length > 0) {
      const byPolicy = [...Map.groupBy(changed, ({ policyName }) => policyName)];
      const containers = Object.fromEntries(byPolicy.map(([name, under]) => [name, under.length]));
      log.info({ containers, ended, ms: Math.round(took) }, 'policies changed');
    }
    for (const problem of problems) log.error({ problem }, 'policy');
  }
}
