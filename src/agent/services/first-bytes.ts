import { checksNames } from '../../egress/checked-names.ts';
import { heldQueue } from '../../egress/marks.ts';
import type { Policy } from '../../egress/policy.ts';
import { startCompanion, type Companion } from '../../host/companion.ts';
import { putQueueRule, removeQueueRule, notedQueueForm } from '../../host/queue-rule.ts';
import { readQueueState } from '../../host/queue-state.ts';
import { systemReason } from '../../text/system-error.ts';
import { every, type RecurringWork } from '../every.ts';
import type { CheckedPolicy } from '../first-bytes/checked-policy.ts';
import {
  readerWord,
  type CheckedConnection,
  type FromReader,
  type NameRefusal,
  type ToReader,
} from '../first-bytes/messages.ts';
import type { HostState } from '../host-state.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Service } from '../service.ts';

/** Milliseconds between looks at the rule that leads to the queue: nobody tells when somebody takes it away. */
const slowly = 10_000;
/** Milliseconds until a reader that ended is started again. */
const pause = 1000;
/** Milliseconds that the reader may take to list its connections. */
const patience = 2000;

export interface FirstBytesServiceOptions {
  readonly state: HostState;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly onRefused: (refusals: readonly NameRefusal[]) => void;
}

/**
 * Has the first bytes of connections read that a name alone opens, where a policy asks for it: keeps the rule that
 * leads to the queue, and the process that reads it, for as long as there is such a container.
 */
export class FirstBytesService implements Service {
  readonly name = 'first bytes';
  readonly #options: FirstBytesServiceOptions;
  readonly #lists = new Map<number, (connections: readonly CheckedConnection[]) => void>();
  #reader: Companion | undefined;
  #isReading = false;
  #restart: NodeJS.Timeout | undefined;
  #failure: string | undefined;
  #hasNoQueue = false;
  #told = '';
  #lastList = 0;
  #overruns = 0;
  /** Overruns between the last two looks. */
  #lately = 0;
  #recurring: RecurringWork | undefined;
  #following: Promise<void> = Promise.resolve();

  constructor(options: FirstBytesServiceOptions) {
    this.#options = options;
    options.metrics.gauge(
      'drawbridge_first_bytes_reader',
      'Whether first bytes of connections to names are read: 1, 0; nothing where no policy asks for it',
      [],
      (add) => {
        if (this.#reader !== undefined || this.#failure !== undefined) add({}, this.#isReading ? 1 : 0);
      },
    );
    options.metrics.gauge(
      'drawbridge_first_bytes_waiting_packets',
      'Packets that wait in the queue of first bytes for their verdict',
      [],
      (add) => {
        const state = readQueueState(heldQueue);
        if (state !== undefined) add({}, state.waiting);
      },
    );
    options.metrics.gauge(
      'drawbridge_first_bytes_overruns',
      'Packets that found no room in the queue of first bytes since its reader began; their senders send them again',
      [],
      (add) => {
        const state = readQueueState(heldQueue);
        if (state !== undefined) add({}, state.overruns);
      },
    );
  }

  async start(): Promise<void> {
    this.#recurring = every(slowly, 'look after the queue of first bytes', async () => {
      this.#countOverruns();
      await this.follow();
    });
    await this.follow();
  }

  async stop(): Promise<void> {
    await this.#recurring?.stop();
    clearTimeout(this.#restart);
    await this.#following;
    await this.#reader?.stop();
  }

  health(): readonly string[] {
    return [
      ...(this.#hasNoQueue
        ? [
            'Cannot check names: this host has neither the queue of nft nor NFQUEUE of iptables; their connections are refused',
          ]
        : []),
      ...(this.#failure === undefined ? [] : [`Cannot check names: ${this.#failure}`]),
      ...(this.#lately === 0
        ? []
        : [`Names are checked late: ${this.#lately} packets found no room in the queue in ten seconds`]),
      ...(this.#recurring?.problem === undefined ? [] : [this.#recurring.problem]),
    ];
  }

  /** Takes in a change of what is attached. */
  follow(): Promise<void> {
    this.#following = this.#following.then(() => this.#follow());
    return this.#following;
  }

  /** The connections that asked for an allowed name, as far as the reader remembers them. */
  async connections(): Promise<readonly CheckedConnection[]> {
    const reader = this.#reader;
    if (reader === undefined || !this.#isReading) return [];
    const id = (this.#lastList += 1);
    return new Promise((resolve) => {
      const timer = setTimeout(() => answer([]), patience);
      const answer = (connections: readonly CheckedConnection[]): void => {
        clearTimeout(timer);
        this.#lists.delete(id);
        resolve(connections);
      };
      this.#lists.set(id, answer);
      say(reader, { kind: 'list', id });
    });
  }

  async #follow(): Promise<void> {
    const message = policiesOf(this.#options.state);
    if (message.sources.length === 0) return this.#rest();
    await this.#keepRule();
    this.#reader ??= this.#startReader();
    this.#say(message);
  }

  /** The kernel counts anew for each reader. */
  #countOverruns(): void {
    const overruns = readQueueState(heldQueue)?.overruns ?? 0;
    this.#lately = Math.max(overruns - this.#overruns, 0);
    this.#overruns = overruns;
  }

  async #keepRule(): Promise<void> {
    this.#hasNoQueue = (await putQueueRule()) === undefined;
  }

  /** No container asks for it any more. */
  async #rest(): Promise<void> {
    const reader = this.#reader;
    this.#reader = undefined;
    this.#isReading = false;
    this.#failure = undefined;
    this.#told = '';
    await reader?.stop();
    if (notedQueueForm() !== undefined) await removeQueueRule();
  }

  #startReader(): Companion | undefined {
    try {
      const reader = startCompanion([readerWord], {
        onLine: (line) => this.#hear(JSON.parse(line) as FromReader),
        onEnd: (reason) => this.#again(reason),
      });
      if (reader === undefined) this.#failure = 'this process is not the executable';
      return reader;
    } catch (error) {
      this.#again(systemReason(error));
      return undefined;
    }
  }

  #again(reason: string): void {
    this.#failure = reason;
    this.#reader = undefined;
    this.#isReading = false;
    this.#told = '';
    this.#options.log.error({ reason }, 'the reader of first bytes ended');
    this.#restart = setTimeout(() => void this.follow(), pause);
  }

  #say(message: ToReader): void {
    const text = JSON.stringify(message);
    if (this.#reader === undefined || text === this.#told) return;
    this.#told = text;
    this.#reader.say(text);
  }

  #hear(message: FromReader): void {
    if (message.kind === 'ready') {
      this.#isReading = true;
      this.#failure = undefined;
      this.#options.log.info('first bytes are read');
    } else if (message.kind === 'refused') this.#options.onRefused(message.refusals);
    else if (message.kind === 'listed') this.#lists.get(message.id)?.(message.settled);
    else this.#acquaint();
  }

  /** A container may send before its record was seen; what is said again lets those go on who wait to be known. */
  #acquaint(): void {
    this.#options.state.load();
    this.#told = '';
    this.#say(policiesOf(this.#options.state));
  }
}

function say(reader: Companion, message: ToReader): void {
  reader.say(JSON.stringify(message));
}

function policiesOf({ records }: HostState): Extract<ToReader, { kind: 'policies' }> {
  const checked = records.flatMap(({ egress }) => (egress !== undefined && checksNames(egress.policy) ? [egress] : []));
  return {
    kind: 'policies',
    policies: Object.fromEntries(checked.map(({ policyId, policy }) => [policyId, checkedPolicy(policy)])),
    sources: checked.flatMap(({ addresses, policyId }) => addresses.map((address) => [address, policyId] as const)),
  };
}

function checkedPolicy(policy: Policy): CheckedPolicy {
  const { names, denyNames, onDeny, mode, allow, allowPrivate, allowLocalNetworks } = policy;
  return {
    names,
    ...(denyNames === undefined ? {} : { denyNames }),
    onDeny,
    mode,
    // Where names of `deny` are looked for, those that addresses open may show no name.
    ...(denyNames === undefined ? { allow: [], allowPrivate: [] } : { allow, allowPrivate }),
    allowLocalNetworks,
  };
}
