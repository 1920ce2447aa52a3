import { judgeName, type NameVerdict } from '../../egress/first-bytes/judge-name.ts';
import { readFirstBytes } from '../../egress/first-bytes/read-first-bytes.ts';
import { isOpen, type CheckedPolicy } from './checked-policy.ts';
import { ClientBytes } from './client-bytes.ts';
import { bounds } from './bounds.ts';
import { resetsOf, type LastSegment } from './reset.ts';
import { SettledNames, type SettledName } from './settled-names.ts';
import type { Verdicts, WaitingPacket } from './verdicts.ts';
import { keyOf, tcpFlag, type Ends, type Segment } from './segment.ts';

export interface ConnectionsOptions {
  /** Of the container that has an address; undefined when nobody has it. */
  readonly policyOf: (address: string) => CheckedPolicy | undefined;
  readonly verdicts: Verdicts;
  readonly onRefused: (ends: Ends, refusal: Extract<NameVerdict, { kind: 'refused' }>) => void;
  /** Milliseconds of a clock that never steps. */
  readonly now: () => number;
}

interface Connection {
  readonly key: string;
  readonly ends: Ends;
  readonly holder: Holder;
  /** Sequence number of the client's first byte. */
  readonly first: number;
  readonly bytes: ClientBytes;
  readonly held: WaitingPacket[];
  /** When the first of its bytes came; undefined before. */
  began: number | undefined;
  last: LastSegment;
  /** What the server has acknowledged, in bytes from the first one. */
  acknowledged: number;
  /** What it asks for, "" for no name, when that was allowed, and where what was read for it ends. */
  allowed?: { readonly name: string; readonly end: number };
}

/** What one container has waiting. */
interface Holder {
  /** The oldest first. */
  readonly connections: Map<string, Connection>;
  packets: number;
  bytes: number;
}

/**
 * Connections that a name alone opens, until they have shown which name they ask for.
 *
 * A client's packets wait until its first bytes say a name. When that is allowed they go on, and the connection is
 * settled as soon as the server has acknowledged all that was read: until then a client that sends other bytes in the
 * place of those is refused, so nobody shows one hello here and another one there. What a server sends
 * before the client's name is known is dropped.
 */
export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #connections = new Map<string, Connection>();
  readonly #holders = new Map<string, Holder>();
  readonly #settled = new SettledNames();
  #packets = 0;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
  }

  /** Connections and packets that are waiting now. */
  get waiting(): { readonly connections: number; readonly packets: number } {
    return { connections: this.#connections.size, packets: this.#packets };
  }

  /** Takes a packet of a container that is known, or of a server that one has asked. */
  take(packet: WaitingPacket, segment: Segment): void {
    if ((segment.flags & (tcpFlag.syn | tcpFlag.ack)) === tcpFlag.syn) this.#settled.forget(segment);
    const asked = this.#connections.get(keyOf(segment));
    if (asked !== undefined) return this.#takeClients(packet, segment, asked);
    const answered = this.#connections.get(keyOfAnswer(segment));
    if (answered !== undefined) return this.#takeServers(packet, segment, answered);
    if ((segment.flags & (tcpFlag.syn | tcpFlag.ack)) === tcpFlag.syn) return this.#begin(packet, segment);
    // It waited in the queue when its connection was settled.
    if (this.#settled.has(segment)) return this.#options.verdicts.settle(packet);
    if (this.#options.policyOf(segment.source) !== undefined) return this.#refuseUnknown(packet, segment);
    // A server speaks in a connection that nobody remembers: it gets no answer, and its client is refused when it
    // speaks.
    this.#options.verdicts.drop(packet);
  }

  /** The names of connections that are settled, as far as they are remembered. */
  get settled(): readonly SettledName[] {
    return this.#settled.list();
  }

  /** Refuses what has waited for too long. To be called every second or so. */
  tidy(): void {
    const latest = this.#options.now() - bounds.patience;
    for (const connection of this.#connections.values())
      if (connection.allowed === undefined && (connection.began ?? Infinity) < latest)
        this.#refuse(connection, {
          kind: 'refused',
          why: `its first bytes held no complete request for ${bounds.patience / 1000} seconds`,
        });
  }

  /** Forgets connections of addresses that nobody has any more; what waits of them is dropped. */
  forget(isGone: (address: string) => boolean): void {
    for (const connection of this.#connections.values()) if (isGone(connection.ends.source)) this.#end(connection);
    this.#settled.forgetSources(isGone);
  }

  #begin(packet: WaitingPacket, segment: Segment): void {
    // Fast Open: a client whose data is not taken sends its SYN again without (RFC 7413, 4.1.3).
    if (segment.data.length > 0) return this.#options.verdicts.drop(packet);
    const holder = this.#holderOf(segment.source);
    const { family, source, destination, sourcePort, destinationPort } = segment;
    const connection: Connection = {
      key: keyOf(segment),
      ends: { family, source, destination, sourcePort, destinationPort },
      holder,
      first: (segment.sequence + 1) >>> 0,
      bytes: new ClientBytes(),
      held: [],
      began: undefined,
      last: { acknowledged: 0, next: 0 },
      acknowledged: 0,
    };
    this.#connections.set(connection.key, connection);
    holder.connections.set(connection.key, connection);
    if (holder.connections.size > bounds.connections) this.#endOldest(holder);
    this.#options.verdicts.pass(packet);
  }

  #takeClients(packet: WaitingPacket, segment: Segment, connection: Connection): void {
    const { verdicts } = this.#options;
    if ((segment.flags & tcpFlag.syn) !== 0) {
      const isSame = (segment.sequence + 1) >>> 0 === connection.first;
      if (isSame && segment.data.length === 0) return verdicts.pass(packet);
      this.#end(connection);
      return this.#begin(packet, segment);
    }
    const offset = (segment.sequence - connection.first) | 0;
    // A probe repeats what comes before the first byte (RFC 9293, 3.8.4): there is nothing that a server would read.
    const data = offset < 0 ? segment.data.subarray(-offset) : segment.data;
    if (data.length === 0) return offset < 0 ? verdicts.drop(packet) : verdicts.pass(packet);
    connection.last = { acknowledged: segment.acknowledged, next: (segment.sequence + segment.data.length) >>> 0 };
    if (connection.allowed !== undefined) return this.#takeAllowed(packet, connection, Math.max(offset, 0), data);
    this.#hold(packet, connection);
    const before = connection.bytes.size;
    const outcome = connection.bytes.add(Math.max(offset, 0), data);
    connection.holder.bytes += connection.bytes.size - before;
    if (outcome !== 'added') return this.#refuse(connection, { kind: 'refused', why: reasons[outcome] });
    if (connection.held.length > bounds.packetsOfOne)
      return this.#refuse(connection, { kind: 'refused', why: reasons['too many'] });
    this.#read(connection);
    this.#keepToBounds(connection.holder);
  }

  #read(connection: Connection): void {
    const { ends, bytes, held } = connection;
    const found = readFirstBytes(bytes.bytes);
    if (found.kind === 'more') return;
    const policy = this.#options.policyOf(ends.source);
    if (policy === undefined) return this.#end(connection);
    const verdict = judgeName(policy, { port: ends.destinationPort, isOpen: isOpen(policy, ends) }, found);
    if (verdict.kind === 'refused') return this.#refuse(connection, verdict);
    connection.allowed = { name: verdict.name ?? '', end: bytes.bytes.length };
    this.#release(connection, held.splice(0), 'pass');
  }

  /** What was read is on its way to the server; it may be sent again, and more may follow. */
  #takeAllowed(packet: WaitingPacket, connection: Connection, offset: number, data: Uint8Array): void {
    const { bytes, allowed } = connection;
    const end = allowed?.end ?? 0;
    if (offset < end && bytes.add(offset, data.subarray(0, end - offset)) !== 'added') {
      this.#hold(packet, connection);
      return this.#refuse(connection, { kind: 'refused', why: reasons.conflict });
    }
    this.#options.verdicts.pass(packet);
  }

  #takeServers(packet: WaitingPacket, segment: Segment, connection: Connection): void {
    const { verdicts } = this.#options;
    const { allowed, ends, first } = connection;
    if ((segment.flags & tcpFlag.syn) !== 0) return verdicts.drop(packet);
    const acknowledged = (segment.acknowledged - first) | 0;
    if ((segment.flags & tcpFlag.ack) !== 0 && acknowledged > connection.acknowledged)
      connection.acknowledged = acknowledged;
    if (allowed !== undefined && connection.acknowledged >= allowed.end) {
      this.#settled.note(ends, allowed.name);
      this.#end(connection);
      return verdicts.settle(packet);
    }
    if (segment.data.length === 0) return verdicts.pass(packet);
    if (allowed === undefined && this.#isUnnamed(connection)) {
      this.#settled.note(ends, '');
      this.#end(connection);
      return verdicts.settle(packet);
    }
    verdicts.drop(packet);
  }

  /** Where only names of `deny` are looked for: a server that speaks first has clients that show no name. */
  #isUnnamed({ ends, began }: Connection): boolean {
    const policy = this.#options.policyOf(ends.source);
    return began === undefined && policy !== undefined && isOpen(policy, ends);
  }

  /** Of a connection whose beginning nobody has seen, which may have said anything already. */
  #refuseUnknown(packet: WaitingPacket, segment: Segment): void {
    const { family, source, destination, sourcePort, destinationPort, acknowledged, sequence, data } = segment;
    const ends = { family, source, destination, sourcePort, destinationPort };
    this.#options.verdicts.deny(packet);
    this.#resetBoth(ends, { acknowledged, next: (sequence + data.length) >>> 0 }, sequence);
    this.#options.onRefused(ends, { kind: 'refused', why: 'its beginning was not seen' });
  }

  #refuse(connection: Connection, verdict: Extract<NameVerdict, { kind: 'refused' }>): void {
    const { ends, first, acknowledged, last, held } = connection;
    this.#release(connection, held.splice(0, 1), 'deny');
    this.#end(connection);
    this.#resetBoth(ends, last, (first + acknowledged) >>> 0);
    this.#options.onRefused(ends, verdict);
  }

  #resetBoth(ends: Ends, last: LastSegment, expected: number): void {
    const { verdicts, policyOf } = this.#options;
    const [toServer, toClient] = resetsOf(ends, last, expected);
    verdicts.reset(toServer);
    if (policyOf(ends.source)?.onDeny !== 'drop') verdicts.reset(toClient);
  }

  #hold(packet: WaitingPacket, connection: Connection): void {
    connection.began ??= this.#options.now();
    connection.held.push(packet);
    connection.holder.packets += 1;
    this.#packets += 1;
  }

  #release(connection: Connection, packets: readonly WaitingPacket[], how: 'pass' | 'drop' | 'deny'): void {
    connection.holder.packets -= packets.length;
    this.#packets -= packets.length;
    for (const packet of packets) this.#options.verdicts[how](packet);
  }

  /** Forgets a connection, and drops what waits of it. */
  #end(connection: Connection): void {
    const { key, ends, holder, bytes, held } = connection;
    this.#release(connection, held.splice(0), 'drop');
    holder.bytes -= bytes.size;
    holder.connections.delete(key);
    this.#connections.delete(key);
    if (holder.connections.size === 0) this.#holders.delete(ends.source);
  }

  #keepToBounds(holder: Holder): void {
    while (holder.packets > bounds.packets || holder.bytes > bounds.bytes) this.#refuseOldest(holder);
    while (this.#packets > bounds.packetsOfAll) {
      const most = [...this.#holders.values()].toSorted((one, other) => other.packets - one.packets)[0];
      if (most === undefined) return;
      this.#refuseOldest(most);
    }
  }

  #refuseOldest(holder: Holder): void {
    for (const connection of holder.connections.values()) {
      if (connection.bytes.size === 0) continue;
      if (connection.allowed !== undefined) return this.#end(connection);
      return this.#refuse(connection, { kind: 'refused', why: 'its container has too many unfinished requests' });
    }
  }

  /** One that idles is forgotten: when it speaks at last its beginning is not known any more. */
  #endOldest(holder: Holder): void {
    for (const connection of holder.connections.values()) return this.#end(connection);
  }

  #holderOf(address: string): Holder {
    const known = this.#holders.get(address);
    if (known !== undefined) return known;
    const holder = { connections: new Map<string, Connection>(), packets: 0, bytes: 0 };
    this.#holders.set(address, holder);
    return holder;
  }
}

const reasons = {
  conflict: 'its first bytes were sent twice and differ',
  'too many': 'its first bytes come in too many pieces',
} as const;

function keyOfAnswer({ source, destination, sourcePort, destinationPort }: Ends): string {
  return `${destination}${source}${String.fromCharCode(destinationPort, sourcePort)}`;
}
