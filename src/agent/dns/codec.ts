import dnsPacket from 'dns-packet';

/** One of the library's codecs; `bytes` is what the last call of that function read or wrote. */
interface Codec<T> {
  readonly encode: ((value: T, buffer?: Buffer, offset?: number) => Buffer) & { readonly bytes: number };
  readonly decode: ((buffer: Buffer, offset: number) => T) & { readonly bytes: number };
}

interface Codecs {
  readonly name: Codec<string>;
  /** Of the RDATA with its length before it. */
  readonly record: (type: string) => Codec<unknown>;
}

/** The library exports its codecs of names and RDATA, its declarations leave them out. */
const codecs = dnsPacket as unknown as Codecs;

/**
 * Reads a name, compressed or not. Throws on pointers that do not lead back, past the end of the message, and
 * on labels whose text would be written as other bytes: with a dot inside, or not of printable ASCII.
 */
export function readName(message: Buffer, offset: number): { name: string; end: number } {
  const read = codecs.name.decode(message, offset);
  const end = offset + codecs.name.decode.bytes;
  const name = read === '.' ? '' : read;
  if (!/^[\x21-\x7e]*$/.test(name) || /^\.|\.\.|\.$/.test(name))
    throw new RangeError('a name has a label that is no text');
  return { name, end };
}

/** Wire form of a name without compression; "" is the root. Throws RangeError when it has a label that is too long. */
export function nameBytes(name: string): Buffer {
  if (name.split('.').some((label) => Buffer.byteLength(label) > 63) || Buffer.byteLength(name) > 253)
    throw new RangeError(`Cannot write the name ${JSON.stringify(name)}: it is longer than DNS allows`);
  return codecs.name.encode(name === '' ? '.' : name);
}

/** RDATA of a type that holds names, with the names written out. Throws when it is not of that type. */
export function expandRdata(type: string, message: Buffer, lengthOffset: number): Buffer {
  const codec = codecs.record(type);
  const value = codec.decode(message, lengthOffset);
  return codec.encode(value).subarray(2);
}

/** RDATA of a SOA record (RFC 1035, 3.3.13). */
export function soaRdata(soa: { mname: string; rname: string; serial: number; minimum: number }): Buffer {
  return codecs
    .record('SOA')
    .encode({ refresh: 3600, retry: 600, expire: 86_400, ...soa })
    .subarray(2);
}
