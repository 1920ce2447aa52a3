import { policiesFolder } from '../../egress/load-policy.ts';
import { presetsFolder } from '../../egress/load-presets.ts';
import { runDir } from '../../host/paths.ts';
import { systemReason } from '../../text/system-error.ts';
import { every, type RecurringWork } from '../every.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Names } from '../names.ts';
import type { Service } from '../service.ts';
import { watchFolder, type FolderWatch } from '../watch/folder.ts';
import { Monitors } from '../watch/monitors.ts';
import type { FirstBytesService } from './first-bytes.ts';
import type { FlowsService } from './flows.ts';
import type { PoliciesService } from './policies.ts';
import type { RepairService } from './repair.ts';

/** Milliseconds between looks into folders that cannot be watched. */
const slowly = 30_000;

export interface WatchServiceOptions {
  readonly names: Names;
  readonly firstBytes: FirstBytesService;
  readonly flows: FlowsService;
  readonly policies: PoliciesService;
  readonly repair: RepairService;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** Sees what changes, of rules, links, records and policies, and tells whom it concerns. */
export class WatchService implements Service {
  readonly name = 'watch';
  readonly #options: WatchServiceOptions;
  readonly #monitors: Monitors;
  #folders: readonly FolderWatch[] = [];
  #recurring: RecurringWork | undefined;
  #failure: string | undefined;

  constructor(options: WatchServiceOptions) {
    const { log, metrics, repair } = options;
    this.#options = options;
    this.#monitors = new Monitors({
      notice: (changes) => repair.notice(changes),
      lost: (what) => metrics.gap(what),
      log,
    });
    metrics.gauge(
      'drawbridge_watch_blind',
      'Watches that do not tell of changes: everything is looked at every few seconds instead',
      ['watch'],
      (add) => this.#monitors.blind.forEach((watch) => add({ watch }, 1)),
    );
  }

  async start(): Promise<void> {
    const { policies } = this.#options;
    this.#monitors.start();
    this.#folders = [
      watchFolder(`${runDir}/attachments`, 0o700, () => void this.#follow()),
      watchFolder(policiesFolder, 0o755, () => void policies.apply()),
      watchFolder(presetsFolder, 0o755, () => void policies.apply()),
    ];
    this.#recurring = every(slowly, 'look into the folder of policies', async () => {
      if (this.#folders.some(({ problem }) => problem !== undefined)) await policies.apply();
    });
    // What came before they were watched.
    await this.#follow();
  }

  async stop(): Promise<void> {
    [this.#monitors, ...this.#folders].forEach((watch) => watch.stop());
    await this.#recurring?.stop();
  }

  health(): readonly string[] {
    const folders = this.#folders.flatMap(({ problem }) => problem ?? []);
    return [...this.#monitors.problems, ...folders, ...(this.#failure === undefined ? [] : [this.#failure])];
  }

  async #follow(): Promise<void> {
    try {
      await this.#options.names.follow();
      await this.#options.firstBytes.follow();
      this.#options.flows.attend();
      this.#failure = undefined;
    } catch (error) {
      this.#failure = `Cannot take in a change of containers: ${systemReason(error)}`;
    }
  }
}
