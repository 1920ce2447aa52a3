/** Packets that a rule of the kernel hands to a program: linux/netfilter/nfnetlink_queue.h. */
import { protocols } from './libc.ts';
import { attribute, encode, isLittleEndian, u8, type Answer, type Attribute, type Request } from './message.ts';
import { subscribe, type OpenSubscription } from './subscribe.ts';

/** A packet that waits for a verdict. */
export interface QueuedPacket {
  readonly id: number;
  /** The mark that it bears now. */
  readonly mark: number;
  /** From the header of IP on. */
  readonly bytes: Uint8Array;
}

export interface PacketQueue {
  /** Says what becomes of a packet, which then bears `mark`. Sent with the others of this turn of the event loop. */
  answer(packet: Pick<QueuedPacket, 'id'>, verdict: 'accept' | 'drop', mark?: number): void;
  /** Packets that nobody has read since it was opened, for want of room; undefined where the kernel does not say. */
  dropped(): number | undefined;
  close(): void;
}

export interface QueueReader {
  readonly onPackets: (packets: readonly QueuedPacket[]) => void;
  /** No packet comes any more, for this reason. */
  readonly onEnd: (reason: string) => void;
}

/** Message types of subsystem 3 (NFNL_SUBSYS_QUEUE). */
const message = { packet: 3 << 8, verdict: (3 << 8) | 1, configure: (3 << 8) | 2 } as const;
const configuration = { command: 1, parameters: 2, longest: 3, mask: 4, flags: 5 } as const;
const bind = 1;
const copyPacket = 2;
const segmentsTogether = 4;
const attributes = { header: 1, verdictHeader: 2, mark: 3, payload: 10 } as const;
const verdicts = { drop: 0, accept: 1 } as const;

/** Bytes of a packet that are copied: all. */
const longestCopy = 0xffff;
/** Packets that are read before any of them is answered. */
const together = 64;
/** Packets that may wait at once; each container has its share of them (agent/first-bytes/connections.ts). */
const mostWaiting = 16_384;

/**
 * Takes the packets of a queue. Rejects with the kernel's reason when another program has it; undefined where this
 * process cannot speak to the kernel.
 */
export async function openQueue(number: number, { onPackets, onEnd }: QueueReader): Promise<PacketQueue | undefined> {
  const head = headOf(number);
  const open = await subscribe(
    {
      protocol: protocols.netfilter,
      groups: [],
      setup: settings.map((one) => configuring(head, one)),
      isLossy: true,
      together,
    },
    { onMessages: (messages) => onPackets(messages.flatMap(packetOf)), onEnd },
  );
  if (open === undefined) return undefined;
  const answers = new Answers(open, head);
  return {
    answer: ({ id }, verdict, mark) => answers.add(id, verdict, mark),
    dropped: () => open.dropped(),
    close: () => open.close(),
  };
}

const settings: readonly (readonly Attribute[])[] = [
  [attribute(configuration.command, u8(bind, 0, 0, 0))],
  [attribute(configuration.parameters, u8(0, 0, longestCopy >> 8, longestCopy & 255, copyPacket))],
  [attribute(configuration.longest, bigEndian(mostWaiting))],
  // A segment of 64 kB comes as one, and not as 45 (Linux 3.10).
  [
    attribute(configuration.mask, bigEndian(segmentsTogether)),
    attribute(configuration.flags, bigEndian(segmentsTogether)),
  ],
];

function configuring(head: Uint8Array, wanted: readonly Attribute[]): Request {
  return { type: message.configure, flags: 0, head, attributes: wanted };
}

/** struct nfgenmsg: of no family, version 0, and the number of the queue. */
function headOf(number: number): Uint8Array {
  return u8(0, 0, number >> 8, number & 255);
}

/** Reads attributes in place: each packet of a connection that waits comes this way. */
function packetOf({ type: kind, payload }: Answer): QueuedPacket[] {
  if (kind !== message.packet) return [];
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  let [id, mark, bytes]: [number | undefined, number, Uint8Array] = [undefined, 0, nothing];
  for (let at = headLength; at + 4 <= payload.length;) {
    const length = view.getUint16(at, isLittleEndian);
    if (length < 4 || at + length > payload.length) break;
    const type = view.getUint16(at + 2, isLittleEndian) & attributeType;
    if (type === attributes.header) id = view.getUint32(at + 4);
    else if (type === attributes.mark) mark = view.getUint32(at + 4);
    else if (type === attributes.payload) bytes = payload.subarray(at + 4, at + length);
    at += (length + 3) & ~3;
  }
  return id === undefined ? [] : [{ id, mark, bytes }];
}

const nothing = new Uint8Array(0);
/** Bytes of struct nfgenmsg. */
const headLength = 4;
/** The two highest bits say that it is nested, and in network byte order. */
const attributeType = 0x3fff;

/** A verdict with zeros where its numbers stand: one that is made of its parts takes longer. */
interface Pattern {
  readonly bytes: Uint8Array;
  readonly verdictAt: number;
  readonly markAt: number;
}

function patternOf(head: Uint8Array, more: readonly Attribute[]): Pattern {
  const empty = attribute(attributes.verdictHeader, new Uint8Array(8));
  const bytes = encode({ type: message.verdict, flags: 0, head, attributes: [empty, ...more] }, 0);
  // Behind the headers of netlink, netfilter and the attribute; the mark's follows.
  return { bytes, verdictAt: 24, markAt: 36 };
}

/** Collects verdicts, and sends those of one turn as one message. */
class Answers {
  readonly #open: OpenSubscription;
  readonly #plain: Pattern;
  readonly #marked: Pattern;
  readonly #waiting: Uint8Array;
  readonly #view: DataView;
  #length = 0;

  constructor(open: OpenSubscription, head: Uint8Array) {
    this.#open = open;
    this.#plain = patternOf(head, []);
    this.#marked = patternOf(head, [attribute(attributes.mark, bigEndian(0))]);
    this.#waiting = new Uint8Array(together * this.#marked.bytes.length);
    this.#view = new DataView(this.#waiting.buffer);
  }

  add(id: number, verdict: 'accept' | 'drop', mark: number | undefined): void {
    const { bytes, verdictAt, markAt } = mark === undefined ? this.#plain : this.#marked;
    if (this.#length + bytes.length > this.#waiting.length) this.#send();
    if (this.#length === 0) queueMicrotask(() => this.#send());
    const at = this.#length;
    this.#waiting.set(bytes, at);
    this.#view.setUint32(at + verdictAt, verdicts[verdict]);
    this.#view.setUint32(at + verdictAt + 4, id);
    if (mark !== undefined) this.#view.setUint32(at + markAt, mark >>> 0);
    this.#length += bytes.length;
  }

  #send(): void {
    if (this.#length > 0) this.#open.send(this.#waiting.subarray(0, this.#length));
    this.#length = 0;
  }
}

function bigEndian(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value >>> 0);
  return bytes;
}
