import type { FirstBytes } from './first-bytes.ts';
import { readHttp1 } from './http1.ts';
import { http2Preface, readHttp2 } from './http2.ts';
import { readTls, tlsHandshakeRecord } from './tls.ts';

/**
 * Bytes after which a client that still has shown no name is refused: a ClientHello has at most 64 kB by its use of
 * 16-bit lengths.
 */
export const mostFirstBytes = 70_000;

/**
 * Reads which name a client asks for in the first bytes that it sends on a TCP connection: the server name of a
 * TLS ClientHello (RFC 8446, RFC 6066), the host of an HTTP/1 request (RFC 9112), the authority of an HTTP/2 request
 * with prior knowledge (RFC 9113).
 *
 * `bytes` are all bytes from the first one on, in order. Returns "more" while they may still become such a
 * message; after {@link mostFirstBytes} nothing is waited for. The same bytes cut at any place never give another name.
 */
export function readFirstBytes(bytes: Uint8Array): FirstBytes {
  const found = readProtocol(bytes);
  if (found.kind !== 'more' || bytes.length < mostFirstBytes) return found;
  return { kind: 'none', why: `the first ${mostFirstBytes} bytes hold no complete request` };
}

function readProtocol(bytes: Uint8Array): FirstBytes {
  const [first] = bytes;
  if (first === undefined) return { kind: 'more' };
  if (first === tlsHandshakeRecord) return readTls(bytes);
  const prefix = http2Preface.subarray(0, bytes.length);
  if (bytes.length >= http2Preface.length ? startsWith(bytes, http2Preface) : startsWith(prefix, bytes)) {
    return readHttp2(bytes);
  }
  return readHttp1(bytes);
}

function startsWith(bytes: Uint8Array, start: Uint8Array): boolean {
  return start.every((byte, at) => bytes[at] === byte);
}
