import { expect, test } from 'vitest';
import { readPacketHead } from '../../src/ip/packet.ts';

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(/\s/g, ''), 'hex'));

/** RFC 791 and RFC 9293: 10.88.0.2:50000 -> 9.9.9.9:443. */
const tcp4 = '45000028 00014000 40060000 0a580002 09090909 c350 01bb 00000000';

test.for([
  [
    'TCP',
    0x0800,
    tcp4,
    { protocol: 'tcp', source: '10.88.0.2', destination: '9.9.9.9', sourcePort: 50000, destinationPort: 443 },
  ],
  [
    'options before the ports',
    0x0800,
    tcp4.replace('4500', '4600').replace('c350', '01010101 c350'),
    { sourcePort: 50000 },
  ],
  [
    'a later fragment, which has no ports',
    0x0800,
    tcp4.replace('00014000', '00010010'),
    { protocol: 'tcp', destination: '9.9.9.9' },
  ],
  ['ICMP', 0x0800, '4500001c 00014000 40010000 0a580002 09090909 0800 0000', { protocol: 'icmp' }],
  ['a protocol without a name', 0x0800, '4500001c 00014000 402f0000 0a580002 09090909', { protocol: '47' }],
  [
    'IPv6 and UDP',
    0x86dd,
    `60000000 000c 11 40 ${'fd000088'.padEnd(30, '0')}02 ${'20010db8'.padEnd(30, '0')}09 1000 0035 0000`,
    { protocol: 'udp', source: 'fd00:88::2', destination: '2001:db8::9', destinationPort: 53 },
  ],
  [
    'UDP behind a hop-by-hop header',
    0x86dd,
    `60000000 0014 00 40 ${'fd000088'.padEnd(30, '0')}02 ${'20010db8'.padEnd(30, '0')}09 1100000000000000 1000 0035 0000`,
    { protocol: 'udp', destinationPort: 53 },
  ],
  [
    'a solicitation, by the address that it asks for',
    0x86dd,
    `60000000 0018 3a ff ${'fd000088'.padEnd(30, '0')}02 ${'ff02'.padEnd(30, '0')}03 87000000 00000000 ${'fd000088'.padEnd(30, '0')}03`,
    { protocol: 'ndp', destination: 'fd00:88::3' },
  ],
  [
    'ARP',
    0x0806,
    '0001 0800 06 04 0001 020000000001 0a580002 000000000000 0a580003',
    { protocol: 'arp', source: '10.88.0.2', destination: '10.88.0.3' },
  ],
] as const)('reads %s', ([, etherType, hex, expected]) => {
  expect(readPacketHead(etherType, bytes(hex))).toMatchObject(expected);
});

test('a packet that is cut off at any byte is read as far as it is there', () => {
  const whole = bytes(tcp4);
  for (let length = 0; length <= whole.length; length += 1) {
    const head = readPacketHead(0x0800, whole.subarray(0, length));
    expect(head === undefined).toBe(length < 20);
    expect(head?.destinationPort).toBe(length < 24 ? undefined : 443);
  }
});

test('what is neither IP nor ARP is not read', () => {
  expect(readPacketHead(0x88cc, bytes(tcp4))).toBeUndefined();
  expect(readPacketHead(0x0806, bytes('0001 86dd 06 10'))).toBeUndefined();
});
