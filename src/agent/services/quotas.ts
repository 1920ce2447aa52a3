import { haveQuotas, outOfPeriod, rememberedUse, rememberUse, withUse } from '../../dataplane/quotas.ts';
import { restoredChainsText } from '../../dataplane/transaction.ts';
import { withLock } from '../../host/lock.ts';
import { applyTransaction } from '../../host/nft.ts';
import type { RuleGroup } from '../../nft/group.ts';
import { groupsOf } from '../../records/sections.ts';
import { every, type RecurringWork } from '../every.ts';
import type { HostState } from '../host-state.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Service } from '../service.ts';

/** Milliseconds: so much use may be forgotten with the tables, and a new period begins so late. */
const often = 30_000;

export interface QuotasServiceOptions {
  readonly state: HostState;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** Remembers what containers used of their quotas, which the kernel counts, and renews them when a period is over. */
export class QuotasService implements Service {
  readonly name = 'quotas';
  readonly #options: QuotasServiceOptions;
  #recurring: RecurringWork | undefined;

  constructor(options: QuotasServiceOptions) {
    this.#options = options;
    const { metrics, state } = options;
    metrics.gauge(
      'drawbridge_quota_used_bytes',
      'Bytes that passed of containers with a quota, in this period',
      ['network', 'container', 'ifname'],
      (add) => {
        const used = rememberedUse();
        for (const { key, network, containerId, ifname, egress } of state.records)
          if (egress?.policy.quota !== undefined)
            add({ network, container: containerId, ifname }, used.get(key)?.bytes ?? 0);
      },
    );
    metrics.gauge(
      'drawbridge_quota_limit_bytes',
      'Bytes that may pass of containers with a quota, in a period',
      ['network', 'container', 'ifname'],
      (add) => {
        for (const { network, containerId, ifname, egress } of state.records) {
          const bytes = egress?.policy.quota?.bytes;
          if (bytes !== undefined) add({ network, container: containerId, ifname }, bytes);
        }
      },
    );
  }

  start(): void {
    this.#recurring = every(often, 'remember what was used of quotas', () => this.look());
  }

  async stop(): Promise<void> {
    await this.#recurring?.stop();
    await this.look().catch(() => {});
  }

  health(): readonly string[] {
    return this.#recurring?.problem === undefined ? [] : [this.#recurring.problem];
  }

  /** Remembers what is used by now, and begins what is to be renewed. Throws codes 5, 11 and 100. */
  async look(): Promise<void> {
    if (!haveQuotas(this.#groups())) return;
    await withLock('tables', 'quotas', async () => {
      const groups = this.#groups();
      rememberUse(groups);
      const renewed = outOfPeriod(groups);
      const text = renewed.length === 0 ? undefined : restoredChainsText([], withUse(renewed));
      if (text !== undefined && (await applyTransaction(text)) === 'committed')
        this.#options.log.info({ quotas: renewed.length }, 'quotas begin anew');
    });
  }

  #groups(): RuleGroup[] {
    return this.#options.state.records.flatMap(groupsOf).filter(({ quota }) => quota !== undefined);
  }
}
