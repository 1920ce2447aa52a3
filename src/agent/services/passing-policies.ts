import { passedPolicies, putPolicy } from '../../plugins/egress-policy/previous-policy.ts';
import { uptime } from '../../host/uptime.ts';
import { every, type RecurringWork } from '../every.ts';
import type { HostState } from '../host-state.ts';
import type { Log } from '../log.ts';
import type { Service } from '../service.ts';

/** Milliseconds by which a policy may go back late, or what a grant opened may stay. */
const often = 1000;

export interface PassingPoliciesOptions {
  readonly state: HostState;
  readonly log: Log;
  /** Has what is granted looked at, and ends what was opened by what is over. */
  readonly apply: () => Promise<void>;
}

/**
 * Puts policies back that were applied for a time ("policy apply --for"), which the watch of their folder applies, and
 * takes grants that are over out of the policies of their containers. The kernel let nothing new pass by them any more.
 */
export class PassingPoliciesService implements Service {
  readonly name = 'passing policies';
  readonly #options: PassingPoliciesOptions;
  #recurring: RecurringWork | undefined;

  constructor(options: PassingPoliciesOptions) {
    this.#options = options;
  }

  start(): void {
    this.#recurring = every(often, 'end policies and grants whose time is over', () => this.#look());
  }

  async stop(): Promise<void> {
    await this.#recurring?.stop();
  }

  health(): readonly string[] {
    return this.#recurring?.problem === undefined ? [] : [this.#recurring.problem];
  }

  async #look(): Promise<void> {
    const { apply, log, state } = this.#options;
    for (const { name, text, format } of passedPolicies()) {
      putPolicy(name, text, { format });
      log.info({ policy: name }, 'policy goes back: its time is over');
    }
    const over = state.records.flatMap((record) =>
      (record.egress?.policy.grants ?? [])
        .filter(({ endsAt }) => endsAt <= uptime())
        .map(({ rule }) => ({ container: record.containerId, grant: rule.source })),
    );
    if (over.length === 0) return;
    for (const one of over) log.info(one, 'grant ends: its time is over');
    await apply();
  }
}
