import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  broadcast,
  formatAddress,
  formatPrefix,
  makePrefix,
  networkPlus,
  parseAddress,
  parsePrefix,
  prefixContains,
  prefixNetmask,
  readAddress,
  readAnyAddress,
  readPrefix,
} from '../../src/ip/address.ts';

const v4 = fc.bigInt({ min: 0n, max: 2n ** 32n - 1n });
/** Half of them with runs of zero groups, where RFC 5952 has its rules. */
const v6 = fc
  .array(fc.oneof(fc.constant(0n), fc.bigInt({ min: 0n, max: 0xffffn })), { minLength: 8, maxLength: 8 })
  .map((groups) => groups.reduce((value, group) => (value << 16n) | group, 0n))
  .filter((value) => value >> 32n !== 0xffffn);

describe('parseAddress()', () => {
  test.each([
    ['', 'nothing'],
    ['10.0.0', 'three parts'],
    ['10.0.0.1.', 'a trailing dot'],
    ['10.0.0.256', 'a part over 255'],
    ['010.0.0.1', 'a leading zero'],
    ['0x0a.0.0.1', 'hexadecimal'],
    ['+1.0.0.1', 'a sign'],
    [' 10.0.0.1', 'a space'],
    ['10.0.0.1\n', 'a newline'],
    ['10.0.0.1/24', 'a prefix length'],
    ['1::2::3', 'two gaps'],
    ['1:2:3:4:5:6:7:8:9', 'nine groups'],
    ['00001::', 'a group of five digits'],
    ['fe80::1%eth0', 'a zone'],
    ['[::1]', 'brackets'],
    ['::ffff:10.0.0.1', 'IPv4 in IPv6'],
    ['::ffff:a00:1', 'IPv4 in IPv6 in hexadecimal'],
    ['example.org', 'a name'],
  ])('refuses %j: %s', (text) => {
    expect(() => parseAddress(text)).toThrow(`Cannot read ${JSON.stringify(text)} as an IP address`);
    expect(readAddress(text)).toBeUndefined();
  });

  test('reads what formatAddress() wrote, for every IPv4 address', () => {
    fc.assert(
      fc.property(v4, (value) => {
        expect(parseAddress(formatAddress({ family: 4, value }))).toEqual({ family: 4, value });
      }),
    );
  });

  test('reads what formatAddress() wrote, for every IPv6 address', () => {
    fc.assert(
      fc.property(v6, (value) => {
        expect(parseAddress(formatAddress({ family: 6, value }))).toEqual({ family: 6, value });
      }),
    );
  });
});

describe('formatAddress()', () => {
  test('writes IPv6 as the URL standard does, which has the rules of RFC 5952', () => {
    fc.assert(
      fc.property(v6, (value) => {
        const long = (value.toString(16).padStart(32, '0').match(/.{4}/g) ?? []).join(':');
        expect(`[${formatAddress({ family: 6, value })}]`).toBe(new URL(`http://[${long}]/`).hostname);
      }),
    );
  });
});

describe('parsePrefix()', () => {
  test.each([
    '10.0.0.0',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/08',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '10.0.0.0/255.0.0.0',
    '::/129',
    '::/064',
    '/8',
    '10.0.0.0/ 8',
  ])('refuses %j', (text) => {
    expect(() => parsePrefix(text)).toThrow(`Cannot read ${JSON.stringify(text)} as an address with a prefix length`);
    expect(readPrefix(text)).toBeUndefined();
  });

  test('keeps the address as written beside the network when there are host bits', () => {
    expect(parsePrefix('10.88.3.1/16')).toEqual({
      family: 4,
      value: 0x0a580000n,
      address: 0x0a580301n,
      length: 16,
      hostBits: true,
    });
  });

  test('sees no host bits in a network', () => {
    expect(parsePrefix('fd00:88::/64').hostBits).toBe(false);
  });
});

describe('prefix arithmetic', () => {
  test.each([
    ['10.88.0.0/16', '255.255.0.0', '10.88.0.1', '10.88.255.255'],
    ['0.0.0.0/0', '0.0.0.0', '0.0.0.1', '255.255.255.255'],
    ['10.0.0.4/30', '255.255.255.252', '10.0.0.5', '10.0.0.7'],
    ['fd00:88::/64', 'ffff:ffff:ffff:ffff::', 'fd00:88::1', 'fd00:88::ffff:ffff:ffff:ffff'],
  ])('of %s has netmask %s, first host %s, last address %s', (text, mask, first, last) => {
    const prefix = parsePrefix(text);
    expect([
      prefixNetmask(prefix),
      formatAddress(networkPlus(prefix, 1)),
      formatAddress(broadcast(prefix)),
      formatPrefix(prefix),
    ]).toEqual([mask, first, last, text]);
  });

  test('prefixContains() holds from the network to the last address and for nothing beside them', () => {
    fc.assert(
      fc.property(v4, fc.integer({ min: 0, max: 32 }), v4, (value, length, other) => {
        const prefix = makePrefix({ family: 4, value }, length);
        const last = broadcast(prefix).value;
        expect(prefixContains(prefix, { family: 4, value: other })).toBe(prefix.value <= other && other <= last);
        expect(prefixContains(prefix, { family: 4, value: prefix.value })).toBe(true);
        expect(prefixContains(prefix, { family: 4, value: last })).toBe(true);
      }),
    );
  });

  test('prefixContains() is false for another family and for a wider prefix', () => {
    expect(prefixContains(parsePrefix('::/0'), parseAddress('10.0.0.1'))).toBe(false);
    expect(prefixContains(parsePrefix('10.0.0.0/16'), parsePrefix('10.0.0.0/8'))).toBe(false);
    expect(prefixContains(parsePrefix('10.0.0.0/8'), parsePrefix('10.1.0.0/16'))).toBe(true);
  });
});

test.each([
  '',
  '1.2.3',
  '01.2.3.4',
  '1.2.3.4/32',
  '1.2.3.4 ',
  '::1%lo',
  '::1/128',
  ':::',
  '1:2:3:4:5:6:7:8:9',
  '12345::',
  '１.2.3.4',
  '[::1]',
])('readAnyAddress() reads nothing in %j', (text) => {
  expect(readAnyAddress(text)).toBeUndefined();
});

test('formatAddress() is undone by readAnyAddress()', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }), (value) => {
      expect(readAnyAddress(formatAddress({ family: 6, value }))).toEqual({ family: 6, value });
    }),
  );
});
