import type { Log } from './log.ts';
import type { Service } from './service.ts';

/** What one service cannot do now. */
export interface ServiceHealth {
  readonly name: string;
  /** One sentence each. */
  readonly problems: readonly string[];
}

/** Asks each service how it is: for status and metrics when somebody asks, and for the log when it changes. */
export class Health {
  readonly #log: Log;
  readonly #services: Service[] = [];
  readonly #told = new Map<string, readonly string[]>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** A service is asked from now on. */
  add(service: Service): void {
    this.#services.push(service);
  }

  get services(): readonly ServiceHealth[] {
    return this.#services.map((service) => ({ name: service.name, problems: service.health() }));
  }

  get problems(): readonly string[] {
    return this.services.flatMap(({ problems }) => problems);
  }

  /** Logs what is new since the last call, and what is over. */
  tell(): void {
    for (const { name, problems } of this.services) {
      const told = this.#told.get(name) ?? [];
      this.#told.set(name, problems);
      for (const problem of problems)
        if (!told.includes(problem)) this.#log.error({ service: name, problem }, 'problem');
      for (const problem of told)
        if (!problems.includes(problem)) this.#log.info({ service: name, problem }, 'problem is over');
    }
  }
}
