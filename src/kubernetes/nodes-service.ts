import { every, type RecurringWork } from '../agent/every.ts';
import type { Log } from '../agent/log.ts';
import type { Service } from '../agent/service.ts';
import { replaceFile } from '../host/files.ts';
import { readText } from '../host/state-file.ts';
import { systemReason } from '../text/system-error.ts';
import type { ClusterApi } from './api.ts';
import { conflistFile, conflistText } from './conflist.ts';
import { readNode } from './node.ts';
import { routeToPeers } from './peer-routes.ts';
import { ObjectWatch } from './object-watch.ts';

export interface NodesOptions {
  /** Name of the Node that this is. */
  readonly node: string;
  /** Ranges of all pods; empty: those of the nodes that are known. */
  readonly podNetworks: readonly string[];
  readonly log: Log;
}

/** Milliseconds between looks at routes, which others may take away. */
const often = 30_000;

/**
 * Makes this host a node of the cluster: routes to the pods of other nodes, and last the list that the runtime waits
 * for. It stays when the agent ends: pods go on, and new ones wait for an agent.
 */
export class NodesService implements Service {
  readonly name = 'nodes';
  readonly #options: NodesOptions;
  readonly #nodes = new ObjectWatch({ path: '/api/v1/nodes', read: readNode, onChange: () => void this.apply() });
  #unreachable: readonly string[] = [];
  #failure: string | undefined;
  #running: Promise<void> = Promise.resolve();
  #recurring: RecurringWork | undefined;

  constructor(options: NodesOptions) {
    this.#options = options;
  }

  follow(api: ClusterApi): void {
    this.#nodes.start(api);
  }

  start(): void {
    this.#recurring = every(often, 'look at routes to other nodes', () => this.apply());
  }

  async stop(): Promise<void> {
    this.#nodes.stop();
    await this.#recurring?.stop();
    await this.#running;
  }

  health(): readonly string[] {
    return [
      ...this.#nodes.problems,
      ...this.#unreachable,
      ...(this.#failure === undefined ? [] : [this.#failure]),
      ...(this.#recurring?.problem === undefined ? [] : [this.#recurring.problem]),
    ];
  }

  /** Makes routes and list what the API says now. Never throws. */
  apply(): Promise<void> {
    this.#running = this.#running.then(async () => {
      if (!this.#nodes.isSynced) return;
      try {
        await this.#make();
        this.#failure = undefined;
      } catch (error) {
        this.#failure = `Cannot make this host a node: ${systemReason(error)}`;
      }
    });
    return this.#running;
  }

  async #make(): Promise<void> {
    const { log, node, podNetworks } = this.#options;
    const nodes = this.#nodes.values;
    this.#unreachable = await routeToPeers(nodes.filter(({ name }) => name !== node));
    const ranges = nodes.find(({ name }) => name === node)?.ranges ?? [];
    if (ranges.length === 0) {
      throw new Error(
        `the cluster has given node "${node}" no range of addresses for its pods (podCIDRs): kube-controller-manager does with --allocate-node-cidrs`,
      );
    }
    const direct = podNetworks.length > 0 ? podNetworks : [...new Set(nodes.flatMap((one) => one.ranges))].toSorted();
    const text = conflistText(ranges, direct);
    if (readText(conflistFile) === text) return;
    replaceFile(conflistFile, text, { mode: 0o644, folderMode: 0o755 });
    log.info({ node, ranges, file: conflistFile }, 'network of this node is written');
  }
}
