import type { Log } from '../agent/log.ts';
import type { Service } from '../agent/service.ts';
import { systemReason } from '../text/system-error.ts';
import { openApi, type ClusterApi } from './api.ts';
import { installPlugin } from './install-plugin.ts';

export interface ClusterOptions {
  /** Whether to put this executable into the node's folder of plugins. */
  readonly installs: boolean;
  /** Those that follow the API. */
  readonly followers: readonly { follow(api: ClusterApi): void }[];
  readonly log: Log;
}

/** Finds the API of the cluster, and has the others follow it. */
export class ClusterService implements Service {
  readonly name = 'cluster';
  readonly #options: ClusterOptions;
  #problems: readonly string[] = [];

  constructor(options: ClusterOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { followers, installs, log } = this.#options;
    const problems: string[] = [];
    try {
      if (installs && installPlugin()) log.info('plugin is installed');
    } catch (error) {
      problems.push(`Cannot install the plugin on this node: ${systemReason(error)}`);
    }
    try {
      const api = await openApi();
      log.info({ server: api.server }, 'follows the cluster');
      for (const follower of followers) follower.follow(api);
    } catch (error) {
      problems.push(`Cannot find the API of the cluster: ${systemReason(error)}`);
    }
    this.#problems = problems;
  }

  async stop(): Promise<void> {}

  health(): readonly string[] {
    return this.#problems;
  }
}
