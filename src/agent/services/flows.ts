import { logGroup, untoldCounters } from '../../dataplane/catalogue/recording.ts';
import type { FlowRecord, FlowUpdate } from '../../flows/flow-record.ts';
import { FlowFold } from '../../flows/fold.ts';
import { FlowStore, type StoreBounds } from '../../flows/store.ts';
import { readCounters } from '../../host/held-tables.ts';
import { startMonitor, type Monitor } from '../../host/monitor.ts';
import { flowEventGroups, readFlowEvent } from '../../host/netlink/conntrack.ts';
import { protocols } from '../../host/netlink/libc.ts';
import type { Answer } from '../../host/netlink/message.ts';
import { packetLog, readLoggedPacket, type LoggedPacket } from '../../host/netlink/packet-log.ts';
import { every, type RecurringWork } from '../every.ts';
import { ByteCountSwitch } from '../flows/byte-count-switch.ts';
import { Connections } from '../flows/connection.ts';
import type { DecisionContext } from '../flows/decision.ts';
import { isTranslated, readDenial, type Denial } from '../flows/denied-packet.ts';
import { openSinks } from '../flows/exports/open-sinks.ts';
import type { FlowsAnswer } from '../../flows/flows-answer.ts';
import type { FlowDestinations, FlowSink } from '../flows/exports/sink.ts';
import { Feed } from '../flows/feed.ts';
import { Parties } from '../flows/parties.ts';
import { RememberedNames } from '../flows/remembered-names.ts';
import { RulePlaces } from '../flows/rule-places.ts';
import type { NameRefusal } from '../first-bytes/messages.ts';
import { readRefusedConnection } from '../flows/refused-connection.ts';
import { readRefusedName, type RefusedQuery } from '../flows/refused-name.ts';
import { TimeShare } from '../flows/time-share.ts';
import { findTrueDestination } from '../flows/true-destination.ts';
import type { HostState } from '../host-state.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Service } from '../service.ts';

/** Milliseconds between looks at what is older than a minute, and at what was lost. */
const often = 5000;

export interface FlowsServiceOptions {
  readonly state: HostState;
  readonly metrics: Metrics;
  readonly nameOf: (address: string) => string | undefined;
  readonly version: string;
  /** Where records go besides our own files. */
  readonly destinations: FlowDestinations;
  readonly bounds?: StoreBounds;
}

/**
 * Writes down what was denied, which names were refused, and the connections of containers whose policy records all.
 * The kernel tells of each; nothing is polled for.
 */
export class FlowsService implements Service {
  readonly name = 'flows';
  readonly #options: FlowsServiceOptions;
  readonly #store: FlowStore;
  #sinks: readonly FlowSink[] = [];
  readonly #feed = new Feed<FlowRecord>();
  readonly #fold: FlowFold;
  readonly #connections: Connections;
  readonly #context: DecisionContext;
  readonly #accounting: ByteCountSwitch;
  #recurring: RecurringWork | undefined;
  #denials: Monitor | undefined;
  #events: Monitor | undefined;
  readonly #problems = new Map<string, string>();
  readonly #counted = new Map<string, number>();
  /** Decisions that are in no record, by where they were lost. */
  readonly #lost = new Map<string, number>();
  /** Whether anything was denied since the kernel's own counters were read. */
  #hasNews = true;
  readonly #remembered = new RememberedNames();
  readonly #time = new TimeShare();

  constructor(options: FlowsServiceOptions) {
    this.#options = options;
    const { bounds, metrics, nameOf, state } = options;
    this.#store = new FlowStore(bounds === undefined ? {} : { bounds });
    const places = new RulePlaces();
    let made = 0;
    const began = Date.now().toString(36);
    this.#context = {
      parties: new Parties(() => state.records),
      nameOf: (address) => nameOf(address) ?? this.#remembered.find(address),
      nextId: () => `${began}-${(++made).toString(36)}`,
      placeOf: (record, rule) => places.find(record, rule),
    };
    const send = (record: FlowRecord): void => this.#sinks.forEach((sink) => sink.send(record));
    const begin = (record: FlowRecord): void => {
      this.#store.append(record);
      this.#feed.push(record);
      send(record);
    };
    const update = (change: FlowUpdate, record: FlowRecord): void => {
      this.#store.append(change);
      this.#feed.push(record);
    };
    this.#fold = new FlowFold({ begin, update, end: send });
    this.#accounting = new ByteCountSwitch();
    this.#connections = new Connections({
      ...this.#context,
      begin: (record) => {
        metrics.flow(record, 1);
        begin(record);
      },
      update: (change, record) => {
        metrics.flowBytes(record);
        update(change, record);
        send(record);
      },
    });
  }

  async start(): Promise<void> {
    const { destinations, version } = this.#options;
    this.#sinks = await openSinks(destinations, version);
    this.#denials = this.#watch('packets that are denied', packetLog(logGroup), (messages) => {
      for (const message of messages) {
        const packet = readLoggedPacket(message);
        if (packet !== undefined) this.#notePacket(packet);
      }
    });
    this.attend();
    this.#recurring = every(often, 'write down flows', async () => {
      this.#fold.tick();
      this.attend();
      this.#store.removeOld();
      await this.#countLosses();
    });
  }

  async stop(): Promise<void> {
    await this.#recurring?.stop();
    this.#denials?.stop();
    this.#events?.stop();
    this.#accounting.stop();
    this.#fold.close();
    this.#feed.close();
    await Promise.all([this.#store.close(), ...this.#sinks.map(async (sink) => sink.close())]);
  }

  health(): readonly string[] {
    return [
      ...this.#problems.values(),
      ...[this.#store, ...this.#sinks, this.#accounting, this.#recurring].map((part) => part?.problem),
    ].filter((problem) => problem !== undefined);
  }

  /** A query that a container asked, or several that were refused. */
  noteQuery(query: RefusedQuery): void {
    this.#note(readRefusedName(query, this.#context));
  }

  /** Connections that were refused for the name that they asked for, or for asking for none. */
  noteRefusals(refusals: readonly NameRefusal[]): void {
    for (const refusal of refusals) this.#note(readRefusedConnection(refusal, this.#context));
  }

  /** Writes down what is known so far, and tells how many decisions are in no record, by where they were lost. */
  async write(): Promise<FlowsAnswer> {
    this.#fold.tell();
    await this.#store.flush();
    return { lost: Object.fromEntries(this.#lost) };
  }

  /** Has the kernel count the bytes of connections for half a minute, for somebody who looks on. */
  account(): void {
    this.#accounting.lend();
  }

  /** Records as they begin, and again when more is known of them. */
  follow(): AsyncIterableIterator<FlowRecord> {
    return this.#feed.read();
  }

  #notePacket(packet: LoggedPacket): void {
    const { parties } = this.#context;
    if (!isTranslated(packet)) return this.#note(readDenial(packet, this.#context));
    void findTrueDestination(packet, parties).then((asked) => this.#note(readDenial(packet, this.#context, asked)));
  }

  #note(denial: Denial | undefined): void {
    if (denial === undefined) return;
    this.#hasNews = true;
    const record = this.#fold.note(denial, (now) => denial.make(now));
    if (record !== undefined) this.#options.metrics.flow(record, denial.count);
  }

  /** Takes in a change of what is attached: whether connections are told follows from the policies in force. */
  attend(): void {
    const isWanted = this.#options.state.records.some(({ egress }) => egress?.policy.record === 'all');
    this.#accounting.want(isWanted);
    if (isWanted && this.#events === undefined)
      this.#events = this.#watch(
        'connections',
        { protocol: protocols.netfilter, groups: flowEventGroups, isLossy: true },
        (messages) => {
          for (const message of messages) {
            const event = readFlowEvent(message);
            if (event !== undefined) this.#connections.note(event);
          }
        },
      );
    if (isWanted || this.#events === undefined) return;
    this.#events.stop();
    this.#events = undefined;
    this.#problems.delete('connections');
  }

  #watch(
    what: string,
    subscription: Parameters<typeof startMonitor>[0],
    read: (messages: readonly Answer[]) => void,
  ): Monitor {
    return startMonitor(subscription, {
      onMessages: (messages) => {
        if (!this.#time.spend(() => read(messages))) this.#lose('kernel', messages.length);
      },
      onGap: () => {},
      onLoss: () => this.#lose('kernel', 1),
      onProblem: (reason) => {
        if (reason === undefined) this.#problems.delete(what);
        else this.#problems.set(what, `Cannot record ${what}: ${reason}`);
      },
    });
  }

  async #countLosses(): Promise<void> {
    this.#lose('kernel', (this.#denials?.dropped() ?? 0) + (this.#events?.dropped() ?? 0));
    this.#countUpTo('share', this.#fold.lost + this.#connections.lost);
    this.#countUpTo('disk', this.#store.lost);
    for (const { name, lost } of this.#sinks) this.#countUpTo(name, lost);
    if (!this.#hasNews) return;
    this.#hasNews = false;
    for (const [table, counter] of untoldCounters)
      this.#countUpTo(counter, (await readCounters(table)).get(counter) ?? 0, 'share');
  }

  /** `sum` began anew where it is less than before. */
  #countUpTo(what: string, sum: number, where = what): void {
    const before = this.#counted.get(what) ?? 0;
    this.#lose(where, sum < before ? sum : sum - before);
    this.#counted.set(what, sum);
  }

  #lose(where: string, count: number): void {
    if (count === 0) return;
    this.#lost.set(where, (this.#lost.get(where) ?? 0) + count);
    this.#options.metrics.lostFlows(where, count);
  }
}
