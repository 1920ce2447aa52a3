import { describe, expect, test } from 'vitest';
import { intervalOf } from '../../src/egress/interval.ts';
import { insideOf, leadingTo, nat64Text, parseNat64 } from '../../src/egress/nat64-prefixes.ts';

const file = '/etc/drawbridge/nat64';
const only = (prefix: string): ReturnType<typeof parseNat64>[number] => {
  const [one] = parseNat64(prefix, file);
  if (one === undefined) throw new Error(prefix);
  return one;
};

describe('an IPv4 address behind NAT64', () => {
  // RFC 6052, 2.4: 192.0.2.33.
  test.each([
    ['2001:db8::/32', '2001:db8:c000:221::/64'],
    ['2001:db8:100::/40', '2001:db8:1c0:2:21::/80'],
    ['2001:db8:122::/48', '2001:db8:122:c000:2:2100::/88'],
    ['2001:db8:122:300::/56', '2001:db8:122:3c0:0:221::/96'],
    ['2001:db8:122:344::/64', '2001:db8:122:344:c0:2:2100:0/104'],
    ['2001:db8:122:344::/96', '2001:db8:122:344::c000:221/128'],
  ])('stands in %s as in %s', (prefix, behind) => {
    const one = only(prefix);
    expect(intervalOf(leadingTo(one, '192.0.2.33/32'))).toEqual(intervalOf(behind));
    const { from } = intervalOf(behind);
    expect(insideOf(one, { family: 6, from, to: from })).toEqual(intervalOf('192.0.2.33'));
    // What stands behind the IPv4 address leads nowhere else.
    if (prefix !== '2001:db8:122:344::/96')
      expect(insideOf(one, { family: 6, from: from + 5n, to: from + 5n })).toEqual(intervalOf('192.0.2.33'));
  });

  test.each([32, 40, 48, 56, 64, 96])('of a prefix is in the prefix that leads to it, at %i bits', (length) => {
    const one = only(`2001:db8::/${length}`);
    for (const prefix of ['0.0.0.0/0', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '192.88.99.0/24', '8.8.8.8/32'])
      expect(insideOf(one, intervalOf(leadingTo(one, prefix)))).toEqual(intervalOf(prefix));
  });

  test('is none where a bit of the octet behind bit 64 is set', () => {
    const { from } = intervalOf('2001:db8:122:c000:8002:2100::');
    expect(insideOf(only('2001:db8:122::/48'), { family: 6, from, to: from })).toBeUndefined();
  });
});

describe('a file of prefixes', () => {
  test('may have remarks, doubles, and the well-known one, and is said in words that it is read in', () => {
    const read = parseNat64('# ours\n2001:DB8:64::/96\n\n fd00:64::/64 # lab\n64:ff9b::/96\n2001:db8:64::/96\n', file);
    expect(nat64Text(read)).toBe('2001:db8:64::/96\nfd00:64::/64\n');
    expect(parseNat64(nat64Text(read), file)).toEqual(read);
  });

  test.each([
    ['10.0.0.0/8', 1, 'is no prefix of IPv6'],
    ['\n2001:db8:64::', 2, 'is no prefix of IPv6'],
    ['2001:db8:64::1/96', 1, 'has bits behind its length'],
    ['2001:db8:64::/72', 1, 'has a length that NAT64 does not know'],
    ['2001:db8:64:0:100::/96', 1, 'has bits 64 to 71 set'],
    ['2002::/32', 1, 'has addresses of 2002::/16 in it'],
    ['fe80::/64', 1, 'is nothing that a network may have'],
    ['::ffff:0:0/96', 1, 'is n'],
    ['2001:db8::/32\n2001:db8:64::/96', 2, 'overlaps 2001:db8::/32'],
    ['2001:db8:64::/96 2001:db8:65::/96', 1, 'is no prefix of IPv6'],
  ])('that says %j is refused at line %i', (text, line, why) => {
    expect(() => parseNat64(text, file)).toThrow(
      expect.objectContaining({ code: 7, message: expect.stringMatching(new RegExp(`${file}:${line}[^]*${why}`)) }),
    );
  });
});
