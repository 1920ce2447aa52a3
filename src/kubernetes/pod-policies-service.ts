import { every, type RecurringWork } from '../agent/every.ts';
import type { HostState } from '../agent/host-state.ts';
import type { Log } from '../agent/log.ts';
import type { Metrics } from '../agent/metrics/metrics.ts';
import type { Service } from '../agent/service.ts';
import { commitPodPolicies } from '../records/commit-pod-policies.ts';
import type { AttachmentRecord } from '../records/record.ts';
import { systemReason } from '../text/system-error.ts';
import type { ClusterApi } from './api.ts';
import { nodePolicies, podFinder, type LocalPod } from './policy/node-policies.ts';
import type { NetworkPolicy } from './policy/objects.ts';
import { readNamespace, readNetworkPolicy, readPod } from './policy/read-objects.ts';
import { recallObjects, rememberObjects } from './remembered-objects.ts';
import { ObjectWatch } from './object-watch.ts';

export interface PodPoliciesOptions {
  readonly state: HostState;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** Milliseconds in which a pod's ADD may wait for the API to tell of it; the plugin waits a little longer. */
const patience = 15_000;

/** Milliseconds that an agent which knows something of before waits for the API before it goes by that. */
const patienceAtStart = 5000;

/** Milliseconds in which many changes become one transaction. */
const together = 10;

/** Milliseconds between looks for pods that have gone, and tries after a failure. */
const often = 1000;

/** Milliseconds between two writes of what is known. */
const seldom = 5000;

/** Keeps the NetworkPolicies of the cluster in force for the pods of this node. */
export class PodPoliciesService implements Service {
  readonly name = 'pod policies';
  readonly #options: PodPoliciesOptions;
  readonly #pods = new ObjectWatch({ path: '/api/v1/pods', read: readPod, onChange: () => this.#changed() });
  readonly #namespaces = new ObjectWatch({
    path: '/api/v1/namespaces',
    read: readNamespace,
    onChange: () => this.#changed(),
  });
  readonly #policies = new ObjectWatch<NetworkPolicy>({
    path: '/apis/networking.k8s.io/v1/networkpolicies',
    read: readNetworkPolicy,
    unreadable: closingPolicy,
    onChange: () => this.#changed(),
  });
  readonly #startedAt = performance.now();
  readonly #waiters = new Set<() => void>();
  #hasRecalled = false;
  #failure: string | undefined;
  #running: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #isDue = false;
  #isRemembered = true;
  #recurring: readonly RecurringWork[] = [];
  #local = '';

  constructor(options: PodPoliciesOptions) {
    this.#options = options;
    options.metrics.gauge(
      'drawbridge_cluster_objects',
      'Objects of the cluster that this node knows of',
      ['kind'],
      (add) => {
        add({ kind: 'pods' }, this.#pods.values.length);
        add({ kind: 'namespaces' }, this.#namespaces.values.length);
        add({ kind: 'networkpolicies' }, this.#policies.values.length);
      },
    );
  }

  /** Whether there is something to go by: the API has told everything, or an agent before knew it. */
  get #isKnowing(): boolean {
    if (this.#watches.every(({ isSynced }) => isSynced)) return true;
    return this.#hasRecalled && performance.now() - this.#startedAt > patienceAtStart;
  }

  get #watches(): readonly [ObjectWatch<unknown>, ObjectWatch<unknown>, ObjectWatch<unknown>] {
    return [this.#pods, this.#namespaces, this.#policies] as never;
  }

  /** Called by the service that has found the API. */
  follow(api: ClusterApi): void {
    for (const watch of this.#watches) watch.start(api);
  }

  start(): void {
    const known = recallObjects();
    if (known !== undefined) {
      this.#pods.remember(known.pods);
      this.#namespaces.remember(known.namespaces);
      this.#policies.remember(known.policies);
      this.#hasRecalled = true;
    }
    this.#recurring = [
      every(often, 'put policies of pods in force', async () => {
        if (this.#failure !== undefined || this.#localText() !== this.#local) await this.apply();
      }),
      every(seldom, 'write down what is known of the cluster', () => this.#remember()),
    ];
  }

  async stop(): Promise<void> {
    for (const watch of this.#watches) watch.stop();
    clearTimeout(this.#timer);
    await Promise.all(this.#recurring.map(async (work) => work.stop()));
    await this.#running;
  }

  health(): readonly string[] {
    return [
      ...this.#watches.flatMap(({ problems }) => problems),
      ...(this.#failure === undefined ? [] : [this.#failure]),
      ...this.#recurring.flatMap(({ problem }) => problem ?? []),
    ];
  }

  /**
   * Settles when the policies of a pod that is being added are in force. `problem` says why they are not, in words for
   * the kubelet's user.
   */
  async added(key: string): Promise<{ readonly problem?: string }> {
    const deadline = performance.now() + patience;
    for (;;) {
      this.#options.state.load();
      const pod = this.#options.state.all.find((record) => record.key === key)?.pod;
      if (pod === undefined) return { problem: 'the record of its attachment is gone' };
      if (this.#isKnowing && podFinder(this.#pods.values)(pod) !== undefined) break;
      const left = deadline - performance.now();
      if (left <= 0) return { problem: this.#whyUnknown() };
      await this.#change(left);
    }
    await this.apply();
    return this.#failure === undefined ? {} : { problem: this.#failure };
  }

  /** Puts in force what is known now, one change after the other. Never throws: {@link health} says why it failed. */
  apply(): Promise<void> {
    this.#running = this.#running.then(async () => {
      if (!this.#isKnowing) return;
      try {
        await this.#commit();
        this.#failure = undefined;
      } catch (error) {
        this.#failure = `Cannot put policies of pods in force: ${systemReason(error)}`;
      }
    });
    return this.#running;
  }

  async #commit(): Promise<void> {
    const began = performance.now();
    const { state, log } = this.#options;
    state.load();
    const local = localPods(state.records);
    this.#local = JSON.stringify(local);
    const next = nodePolicies(
      { pods: this.#pods.values, namespaces: this.#namespaces.values, policies: this.#policies.values },
      local,
    );
    const isChanged = await commitPodPolicies(next);
    if (!isChanged) return;
    log.debug(
      { pods: next.pods.length, profiles: next.profiles.length, ms: Math.round(performance.now() - began) },
      'policies of pods are in force',
    );
  }

  #localText(): string {
    this.#options.state.load();
    return JSON.stringify(localPods(this.#options.state.records));
  }

  #changed(): void {
    this.#isRemembered = false;
    for (const wake of this.#waiters) wake();
    if (this.#isDue) return;
    this.#isDue = true;
    this.#timer = setTimeout(() => {
      this.#isDue = false;
      void this.apply();
    }, together);
  }

  #change(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiters.delete(done);
        resolve();
      };
      const timer = setTimeout(done, Math.min(milliseconds, often));
      this.#waiters.add(done);
    });
  }

  #remember(): void {
    if (this.#isRemembered || !this.#isKnowing) return;
    rememberObjects({
      pods: this.#pods.entries,
      namespaces: this.#namespaces.entries,
      policies: this.#policies.entries,
    });
    this.#isRemembered = true;
  }

  #whyUnknown(): string {
    const [problem] = this.#watches.flatMap(({ problems }) => problems);
    if (problem !== undefined) return problem;
    return this.#isKnowing ? 'the API server does not tell of this pod' : 'the API server has not told everything yet';
  }
}

function localPods(records: readonly AttachmentRecord[]): LocalPod[] {
  return records.flatMap(({ pod }) => pod ?? []);
}

/** Of a policy that cannot be read it is not known whom it selects, nor what it allows. */
function closingPolicy(json: unknown): NetworkPolicy | undefined {
  const { metadata } = json as { readonly metadata: { readonly namespace?: string; readonly name: string } };
  const { namespace = '', name } = metadata;
  return { namespace, name, selects: { requirements: [] }, into: [], out: [] };
}
