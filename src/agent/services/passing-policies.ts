import { passedPolicies, putPolicy } from '../../plugins/egress-policy/previous-policy.ts';
import { every, type RecurringWork } from '../every.ts';
import type { Log } from '../log.ts';
import type { Service } from '../service.ts';

/** Milliseconds by which a policy may go back late. */
const often = 1000;

/** Puts policies back that were applied for a time ("policy apply --for"); the watch of their folder applies them. */
export class PassingPoliciesService implements Service {
  readonly name = 'passing policies';
  readonly #log: Log;
  #recurring: RecurringWork | undefined;

  constructor(log: Log) {
    this.#log = log;
  }

  start(): void {
    this.#recurring = every(often, 'put policies back whose time is over', () => this.#look());
  }

  async stop(): Promise<void> {
    await this.#recurring?.stop();
  }

  health(): readonly string[] {
    return this.#recurring?.problem === undefined ? [] : [this.#recurring.problem];
  }

  #look(): void {
    for (const { name, text } of passedPolicies()) {
      putPolicy(name, text);
      this.#log.info({ policy: name }, 'policy goes back: its time is over');
    }
  }
}
