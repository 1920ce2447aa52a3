import type { FirstBytes } from './first-bytes.ts';
import { readAuthority } from './host-name.ts';

/** Bytes of a request's head at most; servers take 8 to 32 kB. */
const longestHead = 32_768;

/** Reads the host that an HTTP/1 request asks for: the authority of its target, or its Host field (RFC 9112, 3.2). */
export function readHttp1(bytes: Uint8Array): FirstBytes {
  const text = latin1(bytes.subarray(0, longestHead));
  if (!beginnings.test(text)) return { kind: 'none', why: 'its first bytes are neither TLS nor HTTP' };
  const end = text.indexOf('\r\n\r\n');
  if (end === -1 && bytes.length < longestHead)
    return hasBareLineFeed(text) ? { kind: 'none', why: malformed } : { kind: 'more' };
  if (end === -1) return { kind: 'none', why: `the head of its HTTP request is longer than ${longestHead} bytes` };
  const [request = '', ...fields] = text.slice(0, end).split('\r\n');
  const target = /^[!#$%&'*+.^_`|~\w-]+ (\S+) HTTP\/1\.[01]$/u.exec(request)?.[1];
  if (target === undefined || hasBareLineFeed(text.slice(0, end))) return { kind: 'none', why: malformed };
  return judgeHead(request.startsWith('CONNECT '), target, fields);
}

const malformed = 'its HTTP request is malformed';

/** A method, and what may follow: as much of it as is there. */
const beginnings = /^[A-Z][A-Z-]{0,23}(?:$| (?:[\x21-\x7e]*$|[\x21-\x7e]+ (?:$|H)))/u;

function judgeHead(isConnect: boolean, target: string, fields: readonly string[]): FirstBytes {
  const hosts: string[] = [];
  for (const field of fields) {
    // A folded line, or white space before the colon, is read in two ways by servers (RFC 9112, 5.1 and 5.2).
    const [, name, value = ''] = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*(.*?)[ \t]*$/u.exec(field) ?? [];
    if (name === undefined) return { kind: 'none', why: malformed };
    if (name.toLowerCase() === 'host') hosts.push(value);
  }
  if (hosts.length > 1) return { kind: 'none', why: 'its HTTP request has more than one Host' };
  const inTarget = isConnect ? target : /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/iu.exec(target)?.[1];
  if (inTarget === undefined && !target.startsWith('/') && target !== '*') return { kind: 'none', why: malformed };
  const asked = [...(inTarget === undefined ? [] : [inTarget]), ...hosts];
  if (asked.length === 0) return { kind: 'none', why: 'its HTTP request has no Host' };
  const [first, second] = asked.map(readAuthority);
  if (first === undefined || (asked.length > 1 && second === undefined))
    return { kind: 'none', why: 'the Host of its HTTP request is no name of a host' };
  if (second !== undefined && second.name !== first.name)
    return { kind: 'none', why: 'the target of its HTTP request and its Host name two hosts' };
  return { kind: 'name', protocol: 'http', ...first };
}

function hasBareLineFeed(text: string): boolean {
  return /(?:^|[^\r])\n|\r(?!\n|$)|\0/u.test(text);
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
