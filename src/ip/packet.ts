/** Addresses and ports out of the first bytes of a packet. Pure. */
import { addressText } from './bytes.ts';

export interface PacketHead {
  /** "tcp", "udp", "sctp", "icmp", "arp", "ndp", or a number of IANA's. */
  readonly protocol: string;
  readonly source: string;
  readonly destination: string;
  /** Of tcp, udp and sctp, unless it is a later fragment. */
  readonly sourcePort?: number;
  readonly destinationPort?: number;
}

/** EtherTypes (IEEE 802). */
const etherTypes = { ipv4: 0x0800, arp: 0x0806, ipv6: 0x86dd } as const;

/**
 * Reads a packet from its network header on, as far as it is there. Undefined for what is neither IPv4, IPv6 nor ARP
 * over Ethernet, and where the addresses are cut off.
 */
export function readPacketHead(etherType: number, bytes: Uint8Array): PacketHead | undefined {
  if (etherType === etherTypes.ipv4) return readIpv4(bytes);
  if (etherType === etherTypes.ipv6) return readIpv6(bytes);
  return etherType === etherTypes.arp ? readArp(bytes) : undefined;
}

const IPPROTO_ICMPV6 = 58;

/** Numbers of IANA's registry; those of {@link portProtocols} have ports. */
const protocolNames: Readonly<Record<number, string>> = {
  1: 'icmp',
  6: 'tcp',
  17: 'udp',
  [IPPROTO_ICMPV6]: 'icmp',
  132: 'sctp',
};
const portProtocols: ReadonlySet<number> = new Set([6, 17, 132]);

/** RFC 791: the length of the header in words, and how far into the packet this fragment begins. */
function readIpv4(bytes: Uint8Array): PacketHead | undefined {
  if (bytes.length < 20) return undefined;
  const number = bytes[9] ?? 0;
  const isFirst = (word(bytes, 6) & 0x1fff) === 0;
  const payload = isFirst ? bytes.subarray(((bytes[0] ?? 0) & 15) * 4) : bytes.subarray(bytes.length);
  return {
    source: addressText(bytes.subarray(12, 16)),
    destination: addressText(bytes.subarray(16, 20)),
    ...transport(number, payload),
  };
}

/** Extension headers of RFC 8200 and RFC 4302 that stand between the header and what it carries. */
const extensions: ReadonlySet<number> = new Set([0, 43, 44, 51, 60]);
const fragmentHeader = 44;
const authenticationHeader = 51;

function readIpv6(bytes: Uint8Array): PacketHead | undefined {
  if (bytes.length < 40) return undefined;
  let number = bytes[6] ?? 0;
  let at = 40;
  let isFirst = true;
  while (extensions.has(number) && at + 8 <= bytes.length) {
    if (number === fragmentHeader && word(bytes, at + 2) >> 3 !== 0) isFirst = false;
    const length = bytes[at + 1] ?? 0;
    const size = number === fragmentHeader ? 8 : number === authenticationHeader ? (length + 2) * 4 : (length + 1) * 8;
    number = bytes[at] ?? 0;
    at += size;
  }
  const payload = isFirst ? bytes.subarray(at) : bytes.subarray(bytes.length);
  const [source, destination] = [addressText(bytes.subarray(8, 24)), addressText(bytes.subarray(24, 40))];
  // RFC 4861: a solicitation asks for the address in its body.
  if (number === IPPROTO_ICMPV6 && payload[0] === 135 && payload.length >= 24)
    return { protocol: 'ndp', source, destination: addressText(payload.subarray(8, 24)) };
  return { source, destination, ...transport(number, payload) };
}

/** RFC 826, of IPv4 over Ethernet. */
function readArp(bytes: Uint8Array): PacketHead | undefined {
  if (bytes.length < 28 || word(bytes, 2) !== etherTypes.ipv4 || bytes[4] !== 6 || bytes[5] !== 4) return undefined;
  return {
    protocol: 'arp',
    source: addressText(bytes.subarray(14, 18)),
    destination: addressText(bytes.subarray(24, 28)),
  };
}

function transport(
  number: number,
  payload: Uint8Array,
): Pick<PacketHead, 'protocol' | 'sourcePort' | 'destinationPort'> {
  const protocol = protocolNames[number] ?? String(number);
  if (!portProtocols.has(number) || payload.length < 4) return { protocol };
  return { protocol, sourcePort: word(payload, 0), destinationPort: word(payload, 2) };
}

/** In network byte order. */
function word(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0);
}
