import type { CniError } from '../cni/errors.ts';
import { PlaceError } from '../cni/errors.ts';
import { show } from '../cni/fields.ts';
import { addressBits, formatAddress, readAnyAddress } from '../ip/address.ts';
import { parseName } from './name.ts';
import type { AddressRule, NameRule, PortRule } from './policy.ts';
import { ipv4Inside } from './ranges-reserved.ts';

/** Where an entry stands. */
export interface Place {
  /** The key of the list: "allow". */
  readonly key: string;
  /** The way to the entry from the top of the configuration: "egress.allow[2]". */
  readonly path: string;
}

export type Entry =
  | { readonly kind: 'address'; readonly rule: AddressRule }
  | { readonly kind: 'name'; readonly rule: NameRule };

/**
 * Reads one entry of `allow`, `allowPrivate` or `deny`:
 *
 *     DESTINATION[:PORT[-PORT]][/PROTOCOL][/unchecked]
 *
 * DESTINATION is a name (`github.com`, `*.example.org`), an address (`8.8.8.8`, `2001:db8::1`,
 * `[2001:db8::1]`) or a prefix without host bits (`203.0.113.0/24`, `[2001:db8::]/32`). An IPv6 address
 * that is followed by a port needs the brackets. PORT is 1 to 65535. PROTOCOL is tcp, udp, sctp or
 * icmp; icmp takes no port and means ICMPv6 where the destination is IPv6. Without a protocol, a port
 * is meant in tcp, udp and sctp, and no port means every IP protocol. "unchecked" stands behind names alone: with
 * `verifyNames` too, the first bytes of its connections are not looked at.
 *
 * Throws {@link CniError} with code 7.
 */
export function parseEntry(value: unknown, place: Place): Entry {
  if (typeof value !== 'string') throw refusal(show(value), place, 'it is not a string', formExpected);
  const quoted = show(value);
  if (value === '') throw refusal(quoted, place, 'it is empty', formExpected);
  if (/[\s\p{Cc}\p{Cf}]/u.test(value))
    throw refusal(quoted, place, 'it has white space or control characters in it', formExpected);
  const isUnchecked = /\/unchecked$/i.test(value);
  const { destination, length, rest } = split(isUnchecked ? value.slice(0, -'/unchecked'.length) : value, place);
  const ports = parseTail(rest, quoted, place);
  const source = `${place.key} ${quoted}`;

  const address = readAnyAddress(destination);
  if (address !== undefined && isUnchecked)
    throw refusal(quoted, place, 'connections to a literal address are never checked', 'leave "/unchecked" out');
  if (address !== undefined)
    return {
      kind: 'address',
      rule: { family: address.family, prefix: prefixText(address, length, quoted, place), ...ports, source },
    };
  if (destination.includes(':') || destination.includes('%'))
    throw refusal(quoted, place, `"${destination}" is not an IPv6 address`, formExpected);
  if (looksNumeric(destination))
    throw refusal(
      quoted,
      place,
      `"${destination}" is not an IPv4 address`,
      'an IPv4 address has four decimal numbers from 0 to 255 without leading zeros',
    );
  if (length !== undefined) throw refusal(quoted, place, 'a name has no prefix length', formExpected);
  const isClosing = place.key === 'deny';
  if (isUnchecked && isClosing)
    throw refusal(quoted, place, 'a denied name is looked for wherever names are looked at', 'leave "/unchecked" out');
  const name = parseName(destination, { isClosing });
  if ('refused' in name) throw refusal(quoted, place, name.refused, name.expected);
  return {
    kind: 'name',
    rule: { name: name.name, ...ports, ...(isUnchecked ? { unchecked: true as const } : {}), source },
  };
}

/**
 * Reads an entry of `hostPorts`: `53/udp`, `8000-8100/tcp`, `5000` (tcp, udp and sctp), `icmp`
 * (every type; echo is answered without it).
 *
 * Throws {@link CniError} with code 7.
 */
export function parsePortEntry(value: unknown, place: Place): PortRule {
  const quoted = show(value);
  if (typeof value === 'number') return parseTail(`:${value}`, quoted, place);
  if (typeof value === 'string' && value.toLowerCase() === 'icmp') return { protocol: 'icmp' };
  if (typeof value !== 'string' || !/^\d+(?:-\d+)?(?:\/[a-zA-Z0-9]+)?$/.test(value))
    throw refusal(quoted, place, 'it is not a port', 'expected "53/udp", "8000-8100/tcp", "5000" or "icmp"');
  return parseTail(`:${value}`, quoted, place);
}

/** The error for an entry: names key and value, and says in its details what is expected. */
export function refusal(quoted: string, { path }: Place, what: string, expected: string): CniError {
  return new PlaceError(path, `Cannot use ${quoted} in "${path}": ${what}`, expected);
}

const formExpected =
  'expected DESTINATION[:PORT[-PORT]][/PROTOCOL], such as "github.com:443", "*.example.org", "203.0.113.0/24:5432/tcp" or "[2001:db8::1]:443"';

interface Parts {
  readonly destination: string;
  readonly length: string | undefined;
  readonly rest: string;
}

/** Cuts an entry into destination, prefix length and what follows. */
function split(value: string, place: Place): Parts {
  const bracketed = /^\[([^\][]*)\](?:\/(\d+))?(.*)$/s.exec(value);
  if (bracketed !== null) {
    const [, inside = '', after, rest = ''] = bracketed;
    const [destination = '', within] = inside.split('/', 2);
    if (!destination.includes(':') || (within !== undefined && after !== undefined) || inside.split('/').length > 2) {
      throw refusal(show(value), place, 'only an IPv6 address or prefix stands in brackets', formExpected);
    }
    return { destination, length: within ?? after, rest };
  }
  const beforeSlash = value.split('/', 1)[0] ?? '';
  const end = beforeSlash.indexOf(':') === beforeSlash.lastIndexOf(':') ? value.search(/[:/]|$/) : beforeSlash.length;
  const tail = /^(?:\/(\d+))?(.*)$/s.exec(value.slice(end));
  return { destination: value.slice(0, end), length: tail?.[1], rest: tail?.[2] ?? '' };
}

/** Reads `[:PORT[-PORT]][/PROTOCOL]`. */
function parseTail(rest: string, quoted: string, place: Place): PortRule {
  const match = /^(?::(\d+)(?:-(\d+))?)?(?:\/([a-zA-Z][a-zA-Z0-9]*))?$/.exec(rest);
  if (match === null) throw refusal(quoted, place, `"${rest}" is neither a port nor a protocol`, formExpected);
  const [, first, last, word] = match;
  const protocol = parseProtocol(word, quoted, place);
  if (first === undefined) return { protocol };
  if (protocol === 'icmp')
    throw refusal(quoted, place, 'ICMP has no ports', 'leave the port out, or name tcp, udp or sctp');
  const from = parsePort(first, quoted, place);
  const to = last === undefined ? from : parsePort(last, quoted, place);
  if (from > to) throw refusal(quoted, place, `the port range ${from}-${to} is reversed`, `expected ${to}-${from}`);
  return { protocol, ports: { from, to } };
}

function parseProtocol(word: string | undefined, quoted: string, place: Place): PortRule['protocol'] {
  if (word === undefined) return 'any';
  const folded = word.toLowerCase();
  if (folded === 'tcp' || folded === 'udp' || folded === 'sctp' || folded === 'icmp') return folded;
  throw refusal(
    quoted,
    place,
    `"${word}" is not a protocol that a policy knows`,
    'expected tcp, udp, sctp or icmp, or none for every protocol',
  );
}

function parsePort(digits: string, quoted: string, place: Place): number {
  const port = Number(digits);
  if (port >= 1 && port <= 65535 && String(port) === digits) return port;
  throw refusal(quoted, place, `"${digits}" is not a port`, 'expected 1 to 65535, without leading zeros');
}

function prefixText(
  { family, value }: { family: 4 | 6; value: bigint },
  lengthText: string | undefined,
  quoted: string,
  place: Place,
): string {
  const bits = addressBits(family);
  const length = lengthText === undefined ? bits : Number(lengthText);
  if (length > bits || String(length) !== (lengthText ?? String(length)))
    throw refusal(quoted, place, `"/${lengthText}" is not a prefix length`, `expected /0 to /${bits}`);
  const inside = family === 6 ? ipv4Inside(value) : undefined;
  if (inside !== undefined)
    throw refusal(
      quoted,
      place,
      'an IPv4-mapped IPv6 address never stands on the wire',
      `expected the IPv4 form, "${inside}"`,
    );
  const network = (value >> BigInt(bits - length)) << BigInt(bits - length);
  const prefix = `${formatAddress({ family, value: network })}/${length}`;
  if (network === value) return prefix;
  throw refusal(
    quoted,
    place,
    `the address has bits set beyond its prefix length of ${length}`,
    `expected "${prefix}" for the network or "${formatAddress({ family, value })}" for the address`,
  );
}

/** What the URL standard reads as an IPv4 address, or fails on: a name whose last label is a number. */
function looksNumeric(destination: string): boolean {
  const labels = destination.split('.');
  if (labels.length > 1 && labels.at(-1) === '') labels.pop();
  return /^(?:\d+|0[xX][0-9a-fA-F]*)$/.test(labels.at(-1) ?? '');
}
