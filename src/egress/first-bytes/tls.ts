import { ByteReader, concatBytes } from './byte-reader.ts';
import type { FirstBytes } from './first-bytes.ts';
import { readClientHello } from './client-hello.ts';

/** ContentType "handshake" (RFC 8446, 5.1). */
export const tlsHandshakeRecord = 22;

/** Bytes of a record at most: 2^14 (RFC 8446, 5.1). */
const longestRecord = 16_384;
const clientHello = 1;

/** Reads the server name of a ClientHello, which may come in several records. */
export function readTls(bytes: Uint8Array): FirstBytes {
  const handshake = joinRecords(bytes);
  if (typeof handshake === 'string') return { kind: 'none', why: handshake };
  const reader = new ByteReader(handshake);
  const type = reader.number(1);
  if (type === undefined) return { kind: 'more' };
  if (type !== clientHello) return { kind: 'none', why: 'the first TLS message is no ClientHello' };
  const length = reader.number(3);
  if (length === undefined) return { kind: 'more' };
  if (length > 0xffff) return { kind: 'none', why: 'its TLS ClientHello is longer than 65535 bytes' };
  const body = reader.take(length);
  return body === undefined ? { kind: 'more' } : readClientHello(body, 'tls');
}

/** The bytes of handshake messages so far; a sentence when these are no TLS records. */
function joinRecords(bytes: Uint8Array): Uint8Array | string {
  const reader = new ByteReader(bytes);
  const parts: Uint8Array[] = [];
  while (reader.left > 0) {
    const type = reader.number(1);
    if (type !== tlsHandshakeRecord) return 'a TLS record of another kind comes before the end of its ClientHello';
    const major = reader.number(1);
    if (major !== undefined && major !== 3) return 'its first bytes are no TLS of version 3';
    reader.number(1);
    const length = reader.number(2);
    if (length === undefined) break;
    if (length === 0 || length > longestRecord) return `its TLS record says that it has ${length} bytes`;
    const part = reader.take(Math.min(length, reader.left));
    if (part !== undefined) parts.push(part);
    if (isWhole(parts)) break;
  }
  return concatBytes(parts);
}

/** Whether the first message is there: what comes behind it is not looked at. */
function isWhole(parts: readonly Uint8Array[]): boolean {
  const reader = new ByteReader(concatBytes(parts));
  reader.number(1);
  const length = reader.number(3);
  return length !== undefined && reader.left >= length;
}
