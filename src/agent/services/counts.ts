import { CountMemory } from '../../repair/count-memory.ts';
import { every, type RecurringWork } from '../every.ts';
import type { HostState } from '../host-state.ts';
import type { Service } from '../service.ts';

/** Milliseconds: so much of what was counted may be lost with the tables. */
const slowly = 30_000;

/** Remembers what our tables counted. It looks before any other service may write them anew. */
export class CountsService implements Service {
  readonly name = 'counts';
  readonly memory = new CountMemory();
  readonly #state: HostState;
  #recurring: RecurringWork | undefined;

  constructor(state: HostState) {
    this.#state = state;
  }

  async start(): Promise<void> {
    this.#state.load();
    await this.memory.look(this.#state.records);
    this.#recurring = every(slowly, 'look at what was counted', () => this.memory.look(this.#state.records));
  }

  async stop(): Promise<void> {
    await this.#recurring?.stop();
  }

  health(): readonly string[] {
    return this.#recurring?.problem === undefined ? [] : [this.#recurring.problem];
  }
}
