/** A TCP segment in a packet of IPv4 or IPv6 (RFC 791, RFC 8200, RFC 9293). */
export interface Segment {
  readonly family: 4 | 6;
  /** Addresses in bytes, as one character each: keys of maps. */
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledged: number;
  readonly flags: number;
  /** Part of the packet that was read, not a copy. */
  readonly data: Uint8Array;
}

/** Both ends, as segments of one of them name them. */
export type Ends = Pick<Segment, 'family' | 'source' | 'destination' | 'sourcePort' | 'destinationPort'>;

export const tcpFlag = { fin: 1, syn: 2, rst: 4, ack: 16 } as const;

const tcp = 6;
const addresses = { 4: { at: 12, length: 4 }, 6: { at: 8, length: 16 } } as const;

/** Undefined for anything else, and for what is cut short. Of IPv6 a header before TCP's makes it something else. */
export function readSegment(packet: Uint8Array): Segment | undefined {
  const version = (packet[0] ?? 0) >> 4;
  if (version !== 4 && version !== 6) return undefined;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  const at = version === 4 ? ((packet[0] ?? 0) & 15) * 4 : 40;
  if (packet.length < at + 20 || packet[version === 4 ? 9 : 6] !== tcp) return undefined;
  const end = version === 4 ? view.getUint16(2) : 40 + view.getUint16(4);
  const dataAt = at + ((packet[at + 12] ?? 0) >> 4) * 4;
  if (at < 20 || dataAt < at + 20 || end > packet.length || dataAt > end) return undefined;
  const { at: addressAt, length } = addresses[version];
  const text = Buffer.from(packet.buffer, packet.byteOffset, packet.byteLength);
  return {
    family: version,
    source: text.toString('latin1', addressAt, addressAt + length),
    destination: text.toString('latin1', addressAt + length, addressAt + 2 * length),
    sourcePort: view.getUint16(at),
    destinationPort: view.getUint16(at + 2),
    sequence: view.getUint32(at + 4),
    acknowledged: view.getUint32(at + 8),
    flags: packet[at + 13] ?? 0,
    data: packet.subarray(dataAt, end),
  };
}

/** Tells one direction of a connection from all others. */
export function keyOf({ source, destination, sourcePort, destinationPort }: Ends): string {
  return `${source}${destination}${String.fromCharCode(sourcePort, destinationPort)}`;
}

/** What {@link Segment} has of an address, as bytes. */
export function addressOf(text: string): Uint8Array {
  return Buffer.from(text, 'latin1');
}
