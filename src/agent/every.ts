import { systemReason } from '../text/system-error.ts';

/** Work that is done again and again. */
export interface RecurringWork {
  /** "Cannot look at names: …" when the last time failed. */
  readonly problem: string | undefined;
  /** Settles when the last run is over. */
  stop(): Promise<void>;
}

/** Does work every so many milliseconds, never twice at a time. `what` names it: "look at names". */
export function every(milliseconds: number, what: string, work: () => Promise<void> | void): RecurringWork {
  let problem: string | undefined;
  let running: Promise<void> | undefined;
  const timer = setInterval(() => {
    running ??= run().finally(() => {
      running = undefined;
    });
  }, milliseconds);
  return {
    get problem() {
      return problem;
    },
    stop: async () => {
      clearInterval(timer);
      await running;
    },
  };

  async function run(): Promise<void> {
    try {
      await work();
      problem = undefined;
    } catch (error) {
      problem = `Cannot ${what}: ${systemReason(error)}`;
    }
  }
}
