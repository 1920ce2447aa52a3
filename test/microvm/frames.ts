/** Frames in hexadecimal digits, as root of a guest may send them. */
import { addressBytes } from '../../src/ip/bytes.ts';

const hex = (...parts: readonly (string | number | Uint8Array)[]): string =>
  parts
    .map((part) =>
      typeof part === 'number'
        ? part.toString(16).padStart(4, '0')
        : typeof part === 'string'
          ? part
          : Buffer.from(part).toString('hex'),
    )
    .join('');
const raw = (text: string): Uint8Array => addressBytes(text) ?? new Uint8Array();
const macHex = (mac: string): string => mac.replaceAll(':', '');

/** Sum of 16-bit words in ones' complement (RFC 1071). */
function checksum(bytes: string): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 4) sum += Number.parseInt(bytes.slice(at, at + 4).padEnd(4, '0'), 16);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

interface Datagram {
  readonly to: string;
  readonly from: string;
  readonly source: string;
  readonly target: string;
  readonly port?: number;
  readonly tag?: string;
}

/** A datagram "x" as a frame in hexadecimal digits; `tag` is an 802.1Q header. */
export function datagram({ to, from, source, target, port = 9, tag = '' }: Datagram): string {
  const udp = hex(40_000, port, 9, 0, '78');
  const head = (sum: number): string =>
    hex('4500', 20 + udp.length / 2, '00010000', '4011', sum, raw(source), raw(target));
  return hex(macHex(to), macHex(from), tag, '0800', head(checksum(head(0))), udp);
}

/** The same of IPv6. */
export function datagram6({ to, from, source, target, port = 9, tag = '' }: Datagram): string {
  const udp = (sum: number): string => hex(40_000, port, 9, sum, '78');
  const pseudo = hex(raw(source), raw(target), '00000009', '00000011', udp(0));
  const head = hex('60000000', 9, '1140', raw(source), raw(target));
  return hex(macHex(to), macHex(from), tag, '86dd', head, udp(checksum(pseudo)));
}

export function arpReply(from: string, { mac, address }: { readonly mac: string; readonly address: string }): string {
  return hex(
    'ffffffffffff',
    macHex(from),
    '0806',
    '0001080006040002',
    macHex(mac),
    raw(address),
    'ffffffffffff',
    raw(address),
  );
}

/** A router advertisement of a router that has the link-local address fe80::bad, for an hour. */
export function routerAdvertisement(from: string): string {
  const [source, all] = [raw('fe80::bad'), raw('ff02::1')];
  const icmp = (sum: number): string => hex('8600', sum, '40000e10', '00000000', '00000000');
  const pseudo = hex(source, all, '00000010', '0000003a', icmp(0));
  return hex('333300000001', macHex(from), '86dd', '60000000', '0010', '3aff', source, all, icmp(checksum(pseudo)));
}

/** An unsolicited neighbour advertisement that overrides: the address is said to be at the sender. */
export function neighbourAdvertisement(from: string, address: string): string {
  const all = raw('ff02::1');
  const icmp = (sum: number): string => hex('8800', sum, '20000000', raw(address), '0201', macHex(from));
  const pseudo = hex(raw(address), all, '00000020', '0000003a', icmp(0));
  return hex(
    '333300000001',
    macHex(from),
    '86dd',
    '60000000',
    '0020',
    '3aff',
    raw(address),
    all,
    icmp(checksum(pseudo)),
  );
}
