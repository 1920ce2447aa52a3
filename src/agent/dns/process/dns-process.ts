import { CniError } from '../../../cni/errors.ts';
import { startCompanion, type Companion } from '../../../host/companion.ts';
import type { DnsServer, DnsServerOptions } from '../dns-server.ts';
import type { ListenAddress } from '../listener.ts';
import type { Notice, Opening, Order } from './messages.ts';

/** Milliseconds in which an order is carried out; a port that is taken is tried for a second. */
const patience = 10_000;
/** Milliseconds until a process that ended is started again, and again after it ended at once. */
const pauses = { first: 50, longest: 5000 };
/** Milliseconds after which a process that stood counts as well. */
const steady = 10_000;

interface WaitingOrder {
  readonly resolve: (port: number | undefined) => void;
  readonly reject: (error: Error) => void;
}

/** Without the id, which is drawn when it is sent. */
type OrderWithoutId = Order extends infer One ? (One extends { id: number } ? Omit<One, 'id'> : never) : never;

/**
 * The process that answers DNS (serve-dns.ts), seen from the agent: it is started again when it ends, and listens where
 * it listened before.
 */
export class DnsProcess implements DnsServer {
  readonly #options: DnsServerOptions;
  readonly #orders = new Map<number, WaitingOrder>();
  readonly #listening = new Map<string, number>();
  #companion: Companion | undefined;
  #startedAt = -Infinity;
  #pause = pauses.first;
  #last = 0;
  #timer: NodeJS.Timeout | undefined;
  #problem: string | undefined;

  constructor(options: DnsServerOptions) {
    this.#options = options;
    this.#start();
  }

  async listen(at: ListenAddress): Promise<number> {
    const known = this.#listening.get(at.address);
    if (known !== undefined) return known;
    const port = (await this.#order({ order: 'listen', at })) ?? at.port;
    this.#listening.set(at.address, port);
    return port;
  }

  async unlisten(address: string): Promise<void> {
    this.#listening.delete(address);
    await this.#order({ order: 'unlisten', address });
  }

  get addresses(): string[] {
    return [...this.#listening.keys()];
  }

  async follow(): Promise<void> {
    await this.#order({ order: 'follow' });
  }

  get problems(): readonly string[] {
    return this.#problem === undefined ? [] : [this.#problem];
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    const companion = this.#companion;
    this.#companion = undefined;
    this.#refuseOrders('the agent ends');
    await companion?.stop();
  }

  #start(): void {
    this.#startedAt = performance.now();
    this.#companion = startCompanion(['answer-dns'], {
      isExpendable: true,
      onLine: (line) => this.#hear(JSON.parse(line) as Notice),
      onEnd: (reason) => this.#startAgain(reason),
    });
    if (this.#companion === undefined) this.#problem = 'Cannot answer DNS: this process is not the executable';
  }

  #startAgain(reason: string): void {
    this.#problem = `The process that answers DNS ended: ${reason}; it is started again`;
    this.#options.ended(reason);
    this.#refuseOrders(reason);
    if (performance.now() - this.#startedAt > steady) this.#pause = pauses.first;
    this.#timer = setTimeout(() => void this.#restore(), this.#pause);
    this.#pause = Math.min(this.#pause * 2, pauses.longest);
  }

  /** Where it cannot listen any more the redirections run out: whoever renews them asks for the addresses. */
  async #restore(): Promise<void> {
    this.#start();
    const before = [...this.#listening];
    this.#listening.clear();
    const outcomes = await Promise.allSettled(before.map(([address, port]) => this.listen({ address, port })));
    if (outcomes.every(({ status }) => status === 'fulfilled')) this.#problem = undefined;
  }

  #order(order: OrderWithoutId): Promise<number | undefined> {
    this.#last += 1;
    const id = this.#last;
    return new Promise((resolve, reject) => {
      if (this.#companion === undefined) return reject(new Error('the agent ends'));
      const timer = setTimeout(() => {
        this.#orders.delete(id);
        reject(new Error(`the process that answers DNS did not do "${order.order}" within ${patience} ms`));
      }, patience);
      this.#orders.set(id, {
        resolve: (port) => {
          clearTimeout(timer);
          resolve(port);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
      this.#companion.say(JSON.stringify({ ...order, id }));
    });
  }

  #refuseOrders(reason: string): void {
    for (const { reject } of this.#orders.values()) reject(new Error(reason));
    this.#orders.clear();
  }

  #hear(notice: Notice): void {
    switch (notice.notice) {
      case 'open':
        return void this.#open(notice.id, notice.opening);
      case 'reports':
        for (const report of notice.reports) this.#options.report(report);
        if (notice.refused.length > 0) this.#options.refused(notice.refused);
        return;
      case 'done':
        this.#orders.get(notice.id)?.resolve(notice.port);
        break;
      case 'failed': {
        const { code, message, details } = notice.failure;
        this.#orders.get(notice.id)?.reject(new CniError(code, message, details));
      }
    }
    this.#orders.delete(notice.id);
  }

  async #open(id: number, opening: Opening): Promise<void> {
    let failure: string | undefined;
    try {
      await this.#options.open(opening.elements, opening.asker);
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
    }
    const order: Order = { order: 'opened', id, ...(failure === undefined ? {} : { failure }) };
    this.#companion?.say(JSON.stringify(order));
  }
}
