import { addressOf, tcpFlag, type Ends } from './segment.ts';

/** A reset that seems to come from the source of these ends. */
export interface Reset extends Ends {
  /** The next byte that the receiver waits for: it believes no other reset (RFC 5961). */
  readonly sequence: number;
  readonly acknowledged: number;
}

/** What a client's last segment said: the next byte that it waits for, and the next one of its own. */
export interface LastSegment {
  readonly acknowledged: number;
  readonly next: number;
}

/** Resets for the server, which waits for the byte `expected`, and for the client. */
export function resetsOf(ends: Ends, { acknowledged, next }: LastSegment, expected: number): [Reset, Reset] {
  const { family, source, destination, sourcePort, destinationPort } = ends;
  const back = { source: destination, destination: source, sourcePort: destinationPort, destinationPort: sourcePort };
  return [
    { ...ends, sequence: expected, acknowledged },
    { family, ...back, sequence: acknowledged, acknowledged: next },
  ];
}

const tcpLength = 20;
const tcp = 6;
const hops = 64;

/** The packet of a reset, with its checksums. */
export function resetPacket(reset: Reset): Uint8Array {
  const ipLength = reset.family === 4 ? 20 : 40;
  const packet = new Uint8Array(ipLength + tcpLength);
  const view = new DataView(packet.buffer);
  if (reset.family === 4) {
    packet.set([0x45, 0, 0, packet.length, 0, 0, 0x40, 0, hops, tcp]);
    packet.set(addressOf(reset.source), 12);
    packet.set(addressOf(reset.destination), 16);
    view.setUint16(10, checksum(packet.subarray(0, ipLength)));
  } else {
    packet.set([0x60, 0, 0, 0, 0, tcpLength, tcp, hops]);
    packet.set(addressOf(reset.source), 8);
    packet.set(addressOf(reset.destination), 24);
  }
  view.setUint16(ipLength, reset.sourcePort);
  view.setUint16(ipLength + 2, reset.destinationPort);
  view.setUint32(ipLength + 4, reset.sequence);
  view.setUint32(ipLength + 8, reset.acknowledged);
  packet[ipLength + 12] = (tcpLength / 4) << 4;
  packet[ipLength + 13] = tcpFlag.rst | tcpFlag.ack;
  view.setUint16(ipLength + 16, checksum(withPseudoHeader(reset, packet.subarray(ipLength))));
  return packet;
}

/**
 * RFC 9293, 3.1. Protocol and length are two numbers in either family, at other places: for the sum that is the same.
 */
function withPseudoHeader({ source, destination }: Reset, segment: Uint8Array): Uint8Array {
  return Buffer.concat([
    addressOf(source),
    addressOf(destination),
    Uint8Array.of(0, tcp, segment.length >> 8, segment.length & 255),
    segment,
  ]);
}

/** RFC 1071. */
function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}
