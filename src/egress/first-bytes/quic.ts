/**
 * The server name in the Initial packets of a QUIC connection (RFC 9000, RFC 9001, RFC 9369). Their keys follow from
 * the connection id that the client chose, so that anybody on the way can read them.
 */
import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { ByteReader } from './byte-reader.ts';
import { readClientHello } from './client-hello.ts';
import type { FirstBytes } from './first-bytes.ts';

interface Version {
  /** RFC 9001, 5.2; RFC 9369, 3.3.1. */
  readonly salt: string;
  readonly label: string;
  /** The two bits of an Initial in the first byte. */
  readonly initial: number;
}

const versions: ReadonlyMap<number, Version> = new Map([
  [0x00000001, { salt: '38762cf7f55934b34d179ae6a4c80cadccbb7f0a', label: 'quic', initial: 0 }],
  [0x6b3343cf, { salt: '0dede3def700a6db819381be6e269dcbf9bd2ed9', label: 'quicv2', initial: 1 }],
]);

/** Bytes of a ClientHello that are collected, at most. */
const longestHello = 65_536;
const tagLength = 16;

/**
 * Collects the handshake of one connection from the datagrams that its client sends. Datagrams may come in any order
 * and twice; a ClientHello may span several of them.
 */
export class QuicHello {
  readonly #parts = new Map<number, Uint8Array>();
  #connection: string | undefined;

  /** What is known with this datagram too. A datagram that is no Initial of the connection adds nothing. */
  add(datagram: Uint8Array): FirstBytes {
    let rest = datagram;
    let isFirst = true;
    while (rest.length > 0) {
      const packet = readInitial(rest);
      if (packet === undefined) {
        return isFirst && this.#parts.size === 0
          ? { kind: 'none', why: 'its first datagram is no QUIC Initial of a version that can be read' }
          : this.#read();
      }
      this.#connection ??= packet.connection;
      if (packet.connection !== this.#connection) return { kind: 'none', why: 'two QUIC connections share one flow' };
      for (const { offset, data } of readCrypto(packet.payload)) {
        if (offset + data.length > longestHello)
          return { kind: 'none', why: `its QUIC ClientHello is longer than ${longestHello} bytes` };
        if ((this.#parts.get(offset)?.length ?? -1) < data.length) this.#parts.set(offset, data);
      }
      rest = packet.rest;
      isFirst = false;
    }
    return this.#read();
  }

  #read(): FirstBytes {
    const handshake = joinParts(this.#parts);
    const reader = new ByteReader(handshake);
    const type = reader.number(1);
    const length = reader.number(3);
    if (type !== undefined && type !== 1) return { kind: 'none', why: 'its first QUIC message is no ClientHello' };
    if (length === undefined) return { kind: 'more' };
    const body = reader.take(length);
    return body === undefined ? { kind: 'more' } : readClientHello(body, 'quic');
  }
}

/**
 * What is there from the beginning on, without a gap. Of two that overlap the first one counts: they have to agree (RFC
 * 9000, 2.2).
 */
function joinParts(parts: ReadonlyMap<number, Uint8Array>): Uint8Array {
  const joined: number[] = [];
  for (const [offset, data] of [...parts].toSorted(([a], [b]) => a - b)) {
    if (offset > joined.length) break;
    joined.push(...data.subarray(Math.max(0, joined.length - offset)));
  }
  return Uint8Array.from(joined);
}

interface Initial {
  /** The client's destination connection id, in hex. */
  readonly connection: string;
  readonly payload: Uint8Array;
  /** What comes behind it in the datagram. */
  readonly rest: Uint8Array;
}

/** Takes the first packet of a datagram, when it is an Initial of a client that can be read. */
function readInitial(bytes: Uint8Array): Initial | undefined {
  const reader = new ByteReader(bytes);
  const first = reader.number(1) ?? 0;
  const version = versions.get(reader.number(4) ?? 0);
  if (version === undefined || (first & 0xc0) !== 0xc0 || ((first >> 4) & 3) !== version.initial) return undefined;
  const destination = reader.vector(1);
  const source = reader.vector(1);
  const token = variable(reader);
  if (destination === undefined || source === undefined || token === undefined || reader.take(token) === undefined)
    return undefined;
  const length = variable(reader);
  if (length === undefined || length < tagLength + 4 || destination.length > 20) return undefined;
  const numberAt = bytes.length - reader.left;
  const body = reader.take(length);
  if (body === undefined) return undefined;
  const payload = open(bytes.subarray(0, numberAt), body, deriveKeys(version, destination));
  if (payload === undefined) return undefined;
  return {
    connection: Buffer.from(destination).toString('hex'),
    payload,
    rest: bytes.subarray(numberAt + length),
  };
}

interface Keys {
  readonly key: Uint8Array;
  readonly iv: Uint8Array;
  readonly headerProtection: Uint8Array;
}

/** RFC 9001, 5.1 and 5.2. */
function deriveKeys({ salt, label }: Version, destination: Uint8Array): Keys {
  const initial = createHmac('sha256', Buffer.from(salt, 'hex')).update(destination).digest();
  const client = expand(initial, 'client in', 32);
  return {
    key: expand(client, `${label} key`, 16),
    iv: expand(client, `${label} iv`, 12),
    headerProtection: expand(client, `${label} hp`, 16),
  };
}

/**
 * HKDF-Expand-Label with an empty context (RFC 8446, 7.1): one block of HKDF, since no more than 32 bytes are asked
 * for.
 */
function expand(secret: Uint8Array, label: string, length: number): Uint8Array {
  const name = Buffer.from(`tls13 ${label}`);
  const info = Buffer.concat([Buffer.from([0, length, name.length]), name, Buffer.from([0])]);
  return createHmac('sha256', secret).update(info).update(Uint8Array.of(1)).digest().subarray(0, length);
}

/**
 * Takes header protection and encryption off (RFC 9001, 5.3 and 5.4); undefined when the packet was not protected so.
 */
function open(head: Uint8Array, body: Uint8Array, { key, iv, headerProtection }: Keys): Uint8Array | undefined {
  const sample = body.subarray(4, 20);
  const mask = createCipheriv('aes-128-ecb', headerProtection, null).update(sample);
  const first = (head[0] ?? 0) ^ ((mask[0] ?? 0) & 0x0f);
  const numberLength = (first & 3) + 1;
  const number = body.subarray(0, numberLength).map((byte, at) => byte ^ (mask[at + 1] ?? 0));
  const nonce = Uint8Array.from(iv);
  number.forEach((byte, at) => {
    const place = nonce.length - numberLength + at;
    nonce[place] = (nonce[place] ?? 0) ^ byte;
  });
  const decipher = createDecipheriv('aes-128-gcm', key, nonce);
  decipher.setAAD(Buffer.concat([Buffer.from([first]), head.subarray(1), number]));
  decipher.setAuthTag(body.subarray(body.length - tagLength));
  try {
    return Buffer.concat([decipher.update(body.subarray(numberLength, body.length - tagLength)), decipher.final()]);
  } catch {
    return undefined;
  }
}

/** Frames that a client may send in an Initial (RFC 9000, 12.4, table 3). */
const frame = { padding: 0, ping: 1, ack: 2, ackWithCounts: 3, crypto: 6 } as const;

/** What the CRYPTO frames of a packet hold, up to the first frame that cannot be read. */
function readCrypto(payload: Uint8Array): { readonly offset: number; readonly data: Uint8Array }[] {
  const reader = new ByteReader(payload);
  const found: { offset: number; data: Uint8Array }[] = [];
  while (reader.left > 0) {
    const type = variable(reader);
    if (type === frame.padding || type === frame.ping) continue;
    if (type === frame.ack || type === frame.ackWithCounts) {
      if (!skipAck(reader, type === frame.ackWithCounts)) break;
      continue;
    }
    const offset = variable(reader);
    const length = variable(reader);
    const data = length === undefined ? undefined : reader.take(length);
    if (type !== frame.crypto || offset === undefined || data === undefined) break;
    found.push({ offset, data });
  }
  return found;
}

function skipAck(reader: ByteReader, hasCounts: boolean): boolean {
  variable(reader);
  variable(reader);
  const ranges = variable(reader);
  if (ranges === undefined || ranges > 256) return false;
  const numbers = 1 + ranges * 2 + (hasCounts ? 3 : 0);
  return Array.from({ length: numbers }, () => variable(reader)).every((value) => value !== undefined);
}

/** A variable-length integer (RFC 9000, 16); one beyond 2^32 is not needed here and ends the reading. */
function variable(reader: ByteReader): number | undefined {
  const first = reader.number(1);
  if (first === undefined) return undefined;
  const size = 2 ** (first >> 6);
  let value = first & 0x3f;
  for (let at = 1; at < size; at += 1) {
    const byte = reader.number(1);
    if (byte === undefined) return undefined;
    value = value * 256 + byte;
  }
  return Number.isSafeInteger(value) ? value : undefined;
}
