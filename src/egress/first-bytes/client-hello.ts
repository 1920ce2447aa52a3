import { ByteReader } from './byte-reader.ts';
import type { FirstBytes } from './first-bytes.ts';
import { readHostName } from './host-name.ts';

/** Extension types: IANA, "TLS ExtensionType Values". */
const serverName = 0;
const encryptedClientHello = 0xfe0d;
const hostNameType = 0;

/** Reads the server name of the body of a ClientHello (RFC 8446, 4.1.2; RFC 6066, 3). */
export function readClientHello(body: Uint8Array, protocol: 'tls' | 'quic'): FirstBytes {
  const extensions = readExtensions(body);
  if (extensions === undefined) return { kind: 'none', why: 'its TLS ClientHello is malformed' };
  const names = extensions.filter(({ type }) => type === serverName);
  const [only] = names;
  if (only === undefined) return { kind: 'none', why: 'its TLS ClientHello has no server name' };
  if (names.length > 1) return { kind: 'none', why: 'its TLS ClientHello has more than one list of server names' };
  const name = readServerName(only.data);
  if (typeof name !== 'object') return { kind: 'none', why: name };
  const isOuter = extensions.some(({ type }) => type === encryptedClientHello);
  return { kind: 'name', protocol, name: name.name, ...(isOuter ? { isOuter } : {}) };
}

interface Extension {
  readonly type: number;
  readonly data: Uint8Array;
}

function readExtensions(body: Uint8Array): Extension[] | undefined {
  const reader = new ByteReader(body);
  const fixed = reader.take(2 + 32);
  const session = reader.vector(1);
  const suites = reader.vector(2);
  const compression = reader.vector(1);
  if (fixed === undefined || session === undefined || suites === undefined || compression === undefined)
    return undefined;
  // A hello of TLS 1.2 may end here.
  if (reader.left === 0) return [];
  const block = reader.vector(2);
  if (block === undefined || reader.left > 0) return undefined;
  const list = new ByteReader(block);
  const extensions: Extension[] = [];
  while (list.left > 0) {
    const type = list.number(2);
    const data = list.vector(2);
    if (type === undefined || data === undefined) return undefined;
    extensions.push({ type, data });
  }
  return extensions;
}

/** The one host name of the extension; else why there is none. */
function readServerName(data: Uint8Array): { readonly name: string } | string {
  const malformed = 'the server name of its TLS ClientHello is malformed';
  const outer = new ByteReader(data);
  const list = outer.vector(2);
  if (list === undefined || outer.left > 0) return malformed;
  const reader = new ByteReader(list);
  const names: string[] = [];
  while (reader.left > 0) {
    const type = reader.number(1);
    const value = reader.vector(2);
    if (type !== hostNameType || value === undefined) return malformed;
    names.push(String.fromCharCode(...value.subarray(0, 256)));
  }
  const [only, ...more] = names;
  if (only === undefined) return malformed;
  if (more.length > 0) return 'its TLS ClientHello has more than one server name';
  const name = readHostName(only);
  return name === undefined ? 'the server name of its TLS ClientHello is no name of a host' : { name };
}
