import { heldQueue, queueMark, verdictMark } from '../../egress/marks.ts';
import { openLibrary } from '../../host/netlink/libc.ts';
import { openQueue, type PacketQueue, type QueuedPacket } from '../../host/netlink/queue.ts';
import { addressBytes, addressText } from '../../ip/bytes.ts';
import type { CheckedPolicy } from './checked-policy.ts';
import { Connections } from './connections.ts';
import type { FromReader, NameRefusal, ToReader } from './messages.ts';
import { resetPacket, type Reset } from './reset.ts';
import { addressOf, readSegment, type Ends, type Segment } from './segment.ts';

/** Milliseconds in which refusals are told together. */
const telling = 100;
/** Different refusals that are told at once; the others are counted with the last. */
const mostTold = 256;
/** Milliseconds that a packet of somebody unknown waits for the agent to tell who that is. */
const acquaintance = 1000;
/** Packets of unknown senders that wait. */
const mostStrangers = 256;

/** Reads the queue in which connections wait that a name opens, and answers for each packet. */
export class FirstBytesReader {
  readonly #tell: (message: FromReader) => void;
  readonly #connections: Connections;
  readonly #refusals = new Map<string, NameRefusal>();
  readonly #sockets = new Map<4 | 6, number | undefined>();
  #policies: ReadonlyMap<string, CheckedPolicy> = new Map();
  #strangers: { readonly packet: QueuedPacket; readonly segment: Segment; readonly since: number }[] = [];
  #queue: PacketQueue | undefined;

  constructor(tell: (message: FromReader) => void) {
    this.#tell = tell;
    this.#connections = new Connections({
      policyOf: (address) => this.#policies.get(address),
      verdicts: {
        pass: ({ id, mark }) => this.#queue?.answer({ id }, 'accept', mark & ~queueMark),
        settle: ({ id, mark }) => this.#queue?.answer({ id }, 'accept', (mark & ~queueMark) | verdictMark),
        drop: ({ id }) => this.#queue?.answer({ id }, 'drop'),
        deny: ({ id, mark }) => this.#queue?.answer({ id }, 'accept', mark | queueMark | verdictMark),
        reset: (reset) => this.#reset(reset),
      },
      onRefused: (ends, { name, why }) => this.#note(ends, name, why),
      now: () => performance.now(),
    });
  }

  /** Throws where the queue cannot be had; `onEnd` is called when no packet comes any more. */
  async start(onEnd: (reason: string) => void): Promise<void> {
    this.#queue = await openQueue(heldQueue, { onPackets: (packets) => this.#take(packets), onEnd });
    if (this.#queue === undefined) throw new Error('this process has no netlink socket');
    setInterval(() => this.#tidy(), telling);
    this.#tell({ kind: 'ready' });
  }

  hear(message: ToReader): void {
    if (message.kind === 'list') {
      const settled = this.#connections.settled.map(({ ends, name }) => ({
        source: textOf(ends.source),
        sourcePort: ends.sourcePort,
        destination: textOf(ends.destination),
        destinationPort: ends.destinationPort,
        name,
      }));
      return this.#tell({ kind: 'listed', id: message.id, settled });
    }
    this.#policies = new Map(
      message.sources.flatMap(([address, policy]) => {
        const [bytes, checked] = [addressBytes(address), message.policies[policy]];
        return bytes === undefined || checked === undefined ? [] : [[String.fromCharCode(...bytes), checked] as const];
      }),
    );
    this.#connections.forget((address) => !this.#policies.has(address));
    const known = this.#strangers.splice(0);
    for (const { packet, segment, since } of known) this.#takeOne(packet, segment, since);
  }

  #take(packets: readonly QueuedPacket[]): void {
    for (const packet of packets) {
      const segment = readSegment(packet.bytes);
      if (segment === undefined) this.#queue?.answer(packet, 'drop');
      else this.#takeOne(packet, segment, performance.now());
    }
  }

  #takeOne({ id, mark, bytes }: QueuedPacket, segment: Segment, since: number): void {
    if (this.#policies.has(segment.source) || this.#policies.has(segment.destination))
      return this.#connections.take({ id, mark }, segment);
    if (this.#strangers.length >= mostStrangers) return this.#queue?.answer({ id }, 'drop');
    if (this.#strangers.length === 0) this.#tell({ kind: 'unknown' });
    this.#strangers.push({ packet: { id, mark, bytes }, segment, since });
  }

  #reset(reset: Reset): void {
    const { family } = reset;
    if (!this.#sockets.has(family)) this.#sockets.set(family, openLibrary()?.openRawSocket(family));
    const socket = this.#sockets.get(family);
    if (socket !== undefined) openLibrary()?.sendTo(socket, resetPacket(reset), addressOf(reset.destination));
  }

  #note({ source, destination, destinationPort }: Ends, name: string | undefined, why: string): void {
    const key = `${source}${destination}${destinationPort} ${name ?? why}`;
    const known = this.#refusals.get(key);
    if (known === undefined && this.#refusals.size >= mostTold) return;
    this.#refusals.set(key, {
      source: textOf(source),
      destination: textOf(destination),
      port: destinationPort,
      protocol: 'tcp',
      ...(name === undefined ? {} : { name }),
      why,
      count: (known?.count ?? 0) + 1,
    });
  }

  #tidy(): void {
    this.#connections.tidy();
    const latest = performance.now() - acquaintance;
    this.#strangers = this.#strangers.filter(({ packet, since }) => {
      if (since < latest) this.#queue?.answer(packet, 'drop');
      return since >= latest;
    });
    if (this.#refusals.size === 0) return;
    this.#tell({ kind: 'refused', refusals: [...this.#refusals.values()] });
    this.#refusals.clear();
  }
}

function textOf(address: string): string {
  return addressText(addressOf(address));
}
