import { beginAccounting, endAccounting } from '../../host/accounting.ts';
import { systemReason } from '../../text/system-error.ts';

/** Milliseconds for which somebody who looks on has it. */
const loan = 30_000;

/** Has the kernel count the bytes of connections while a policy, or somebody who looks on, needs it. */
export class ByteCountSwitch {
  #isWanted = false;
  #lentUntil = -Infinity;
  #problem: string | undefined;

  /** Why it cannot be switched. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Whether policies need it; to be said again and again. */
  want(isWanted: boolean): void {
    this.#isWanted = isWanted;
    this.#switch(isWanted || performance.now() < this.#lentUntil);
  }

  lend(): void {
    this.#lentUntil = performance.now() + loan;
    this.want(this.#isWanted);
  }

  stop(): void {
    this.#switch(false);
  }

  #switch(isOn: boolean): void {
    try {
      if (isOn) beginAccounting();
      else endAccounting();
      this.#problem = undefined;
    } catch (error) {
      this.#problem = `Cannot have the bytes of connections counted: ${systemReason(error)}`;
    }
  }
}
