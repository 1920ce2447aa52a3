import { ByteReader, concatBytes } from './byte-reader.ts';
import type { FirstBytes } from './first-bytes.ts';
import { decodeHeaders } from './hpack.ts';
import { readAuthority } from './host-name.ts';

/** What a client with prior knowledge sends first (RFC 9113, 3.4). */
export const http2Preface = new TextEncoder().encode('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** Frame types and flags (RFC 9113, 6). */
const frame = { headers: 1, settings: 4, ping: 6, goaway: 7, windowUpdate: 8, continuation: 9, priority: 2 } as const;
const flag = { endHeaders: 4, padded: 8, priority: 32 } as const;
const harmless: readonly number[] = [frame.settings, frame.ping, frame.windowUpdate, frame.priority];

/** A frame may have 2^14 bytes until settings were exchanged (RFC 9113, 4.2). */
const longestFrame = 16_384;

/** Reads the authority of the first request of an HTTP/2 connection that begins with the preface. */
export function readHttp2(bytes: Uint8Array): FirstBytes {
  if (bytes.length < http2Preface.length) return { kind: 'more' };
  const reader = new ByteReader(bytes.subarray(http2Preface.length));
  const parts: Uint8Array[] = [];
  let stream: number | undefined;
  for (;;) {
    const length = reader.number(3);
    const type = reader.number(1);
    const flags = reader.number(1);
    const id = reader.number(4);
    if (length === undefined || type === undefined || flags === undefined || id === undefined) return { kind: 'more' };
    if (length > longestFrame) return { kind: 'none', why: malformed };
    const payload = reader.take(length);
    if (payload === undefined) return { kind: 'more' };
    if (stream === undefined && type === frame.headers) {
      const fragment = headerFragment(payload, flags);
      if (fragment === undefined) return { kind: 'none', why: malformed };
      stream = id;
      parts.push(fragment);
    } else if (stream !== undefined && type === frame.continuation && id === stream) parts.push(payload);
    else if (stream !== undefined || !(harmless.includes(type) || type > frame.continuation))
      return { kind: 'none', why: malformed };
    if (stream !== undefined && (flags & flag.endHeaders) !== 0) return judgeHeaders(concatBytes(parts));
  }
}

const malformed = 'its HTTP/2 request is malformed';

/** Without padding and priority. */
function headerFragment(payload: Uint8Array, flags: number): Uint8Array | undefined {
  const reader = new ByteReader(payload);
  const padding = (flags & flag.padded) === 0 ? 0 : reader.number(1);
  if (padding === undefined) return undefined;
  if ((flags & flag.priority) !== 0 && reader.take(5) === undefined) return undefined;
  return reader.take(reader.left - padding);
}

function judgeHeaders(block: Uint8Array): FirstBytes {
  const headers = decodeHeaders(block);
  if (headers === undefined) return { kind: 'none', why: malformed };
  const authorities = headers.filter(([name]) => name === ':authority' || name.toLowerCase() === 'host');
  if (authorities.length === 0) return { kind: 'none', why: 'its HTTP/2 request has no authority' };
  const read = authorities.map(([, value]) => readAuthority(value));
  const [first] = read;
  if (first === undefined || read.includes(undefined))
    return { kind: 'none', why: 'the authority of its HTTP/2 request is no name of a host' };
  if (read.some((other) => other?.name !== first.name))
    return { kind: 'none', why: 'its HTTP/2 request names two hosts' };
  return { kind: 'name', protocol: 'http2', ...first };
}
