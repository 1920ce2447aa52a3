import { describe, expect, test } from 'vitest';
import { CniError } from '../../../src/cni/errors.ts';
import { parseEntry, parsePortEntry } from '../../../src/egress/entry.ts';

const place = { key: 'allow', path: 'egress.allow[0]' };

function refusalOf(read: () => unknown): CniError {
  try {
    read();
  } catch (error) {
    if (error instanceof CniError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

describe('parseEntry() refuses', () => {
  test.each([
    ['a number', 443, 'it is not a string'],
    ['null', null, 'it is not a string'],
    ['an object', {}, 'it is not a string'],
    ['an empty text', '', 'it is empty'],
    ['white space', 'example.org :443', 'white space'],
    ['a line break', 'example.org\n', 'white space'],
    ['an invisible character', 'exam\u200bple.org', 'control characters'],
    ['an unchecked address', '8.8.8.8:22/tcp/unchecked', 'connections to a literal address are never checked'],
    ['"unchecked" before the protocol', 'example.org:22/unchecked/tcp', 'is neither a port nor a protocol'],
    ['everything', '*', 'it would open everything'],
    ['everything at a port', '*:443', 'it would open everything'],
    ['a wildcard of a top-level domain', '*.com', '"com" belongs to more than one owner'],
    ['a wildcard of a country registry', '*.co.uk', '"co.uk" belongs to more than one owner'],
    ['a wildcard of a suffix for everybody', '*.github.io', '"github.io" belongs to more than one owner'],
    ['a wildcard of all wildcards', '*.*', 'it would open everything'],
    ['a wildcard in the middle', 'a.*.org', 'whole labels at the start'],
    ['a wildcard of part of a label', '*api.example.org', 'whole labels at the start'],
    ['two wildcards', '*.*.example.org', 'whole labels at the start'],
    ['a port alone', ':443', 'there is no destination'],
    ['a URL', 'https://example.org', '"://example.org" is neither a port nor a protocol'],
    ['a path', 'example.org/v1/', '"/v1/" is neither a port nor a protocol'],
    ['user information', 'user@example.org', '"user@example" is not a label'],
    ['an empty label', 'a..example.org', '"" is not a label'],
    ['a leading dot', '.example.org', '"" is not a label'],
    ['a label that starts with a hyphen', '-a.example.org', '"-a" is not a label'],
    ['a label that ends with a hyphen', 'a-.example.org', '"a-" is not a label'],
    ['a label of 64 characters', `${'a'.repeat(64)}.org`, 'is not a label'],
    ['a name of more than 253 characters', `${'abcdefgh.'.repeat(29)}org`, 'it is not a host name'],
    ['a name with a prefix length', 'example.org/24', 'a name has no prefix length'],
    ['three numbers', '10.0.1', '"10.0.1" is not an IPv4 address'],
    ['one number', '167772161', '"167772161" is not an IPv4 address'],
    ['hexadecimal IPv4', '0x7f000001', '"0x7f000001" is not an IPv4 address'],
    ['hexadecimal parts', '10.0.0.0x1', '"10.0.0.0x1" is not an IPv4 address'],
    ['octal IPv4', '010.0.0.1', '"010.0.0.1" is not an IPv4 address'],
    ['a part over 255', '10.0.0.256', '"10.0.0.256" is not an IPv4 address'],
    ['IPv4 with a trailing dot', '10.0.0.1.', '"10.0.0.1." is not an IPv4 address'],
    ['IPv4 in brackets', '[192.0.2.1]:443', 'only an IPv6 address or prefix stands in brackets'],
    ['a name in brackets', '[example.org]:443', 'only an IPv6 address or prefix stands in brackets'],
    ['a bracket that is not closed', '[2001:db8::1', '"[2001:db8::1" is not an IPv6 address'],
    ['two lengths', '[2001:db8::/32]/32', 'only an IPv6 address or prefix stands in brackets'],
    ['two double colons', '2001::db8::1', '"2001::db8::1" is not an IPv6 address'],
    ['a zone', 'fe80::1%eth0', '"fe80::1%eth0" is not an IPv6 address'],
    ['an IPv4-mapped address', '::ffff:192.0.2.1', 'an IPv4-mapped IPv6 address never stands on the wire'],
    [
      'an IPv4-mapped address in hexadecimal',
      '[::ffff:c000:201]:443',
      'an IPv4-mapped IPv6 address never stands on the wire',
    ],
    ['host bits in IPv4', '203.0.113.5/24', 'bits set beyond its prefix length of 24'],
    ['host bits in IPv6', '2001:db8::1/32', 'bits set beyond its prefix length of 32'],
    ['a prefix length over 32', '203.0.113.0/33', '"/33" is not a prefix length'],
    ['a prefix length over 128', '2001:db8::/129', '"/129" is not a prefix length'],
    ['a prefix length with a leading zero', '203.0.113.0/024', '"/024" is not a prefix length'],
    ['a netmask', '203.0.113.0/255.255.255.0', 'is neither a port nor a protocol'],
    ['port 0', 'example.org:0', '"0" is not a port'],
    ['port 65536', 'example.org:65536', '"65536" is not a port'],
    ['a port with a leading zero', 'example.org:0443', '"0443" is not a port'],
    ['a port by name', 'example.org:https', '":https" is neither a port nor a protocol'],
    ['a negative port', 'example.org:-1', '":-1" is neither a port nor a protocol'],
    ['a port that is empty', 'example.org:', '":" is neither a port nor a protocol'],
    ['a reversed range', 'example.org:9000-8000', 'the port range 9000-8000 is reversed'],
    ['an open range', 'example.org:8000-', '":8000-" is neither a port nor a protocol'],
    ['a list of ports', 'example.org:80,443', '":80,443" is neither a port nor a protocol'],
    ['an unknown protocol', 'example.org:443/quic', '"quic" is not a protocol'],
    ['a protocol by number', '192.0.2.1/6', 'bits set beyond its prefix length of 6'],
    ['ICMP with a port', '192.0.2.1:1/icmp', 'ICMP has no ports'],
    ['trailing rubbish', '192.0.2.1:443/tcp/x', 'is neither a port nor a protocol'],
    ['two entries in one', 'a.example.org;b.example.org', 'is not a label'],
  ])('%s', (_what, value, problem) => {
    const error = refusalOf(() => parseEntry(value, place));
    expect(error.code).toBe(7);
    expect(error.message).toMatch(/^Cannot use .* in "egress\.allow\[0\]": /);
    expect(error.message).toContain(problem);
    expect(error.details).toMatch(/^(expected|use|leave|an IPv4 address has) /);
  });

  test('host bits with the network and the address in its details', () => {
    expect(refusalOf(() => parseEntry('203.0.113.5/24', place)).details).toBe(
      'expected "203.0.113.0/24" for the network or "203.0.113.5" for the address',
    );
  });

  test('an IPv4-mapped address with the IPv4 form in its details', () => {
    expect(refusalOf(() => parseEntry('::ffff:192.0.2.1', place)).details).toBe('expected the IPv4 form, "192.0.2.1"');
  });
});

describe('parseEntry() reads', () => {
  test.each([
    ['8.8.8.8', { family: 4, prefix: '8.8.8.8/32', protocol: 'any' }],
    ['203.0.113.0/24', { family: 4, prefix: '203.0.113.0/24', protocol: 'any' }],
    [
      '203.0.113.0/24:5432/tcp',
      { family: 4, prefix: '203.0.113.0/24', protocol: 'tcp', ports: { from: 5432, to: 5432 } },
    ],
    ['192.0.2.1:53', { family: 4, prefix: '192.0.2.1/32', protocol: 'any', ports: { from: 53, to: 53 } }],
    ['192.0.2.1/tcp', { family: 4, prefix: '192.0.2.1/32', protocol: 'tcp' }],
    ['192.0.2.1/SCTP', { family: 4, prefix: '192.0.2.1/32', protocol: 'sctp' }],
    ['192.0.2.0/24/icmp', { family: 4, prefix: '192.0.2.0/24', protocol: 'icmp' }],
    ['0.0.0.0/0', { family: 4, prefix: '0.0.0.0/0', protocol: 'any' }],
    ['::/0', { family: 6, prefix: '::/0', protocol: 'any' }],
    ['2001:DB8:0::0:1', { family: 6, prefix: '2001:db8::1/128', protocol: 'any' }],
    ['2001:db8::/32', { family: 6, prefix: '2001:db8::/32', protocol: 'any' }],
    ['2001:db8::/32:443/udp', { family: 6, prefix: '2001:db8::/32', protocol: 'udp', ports: { from: 443, to: 443 } }],
    ['[2001:db8::1]:443', { family: 6, prefix: '2001:db8::1/128', protocol: 'any', ports: { from: 443, to: 443 } }],
    ['[2001:db8::]/32:443', { family: 6, prefix: '2001:db8::/32', protocol: 'any', ports: { from: 443, to: 443 } }],
    ['[2001:db8::/32]:443', { family: 6, prefix: '2001:db8::/32', protocol: 'any', ports: { from: 443, to: 443 } }],
    ['[2001:db8::1]/icmp', { family: 6, prefix: '2001:db8::1/128', protocol: 'icmp' }],
    // Without brackets the last group is part of the address.
    ['2001:db8::1:443', { family: 6, prefix: '2001:db8::1:443/128', protocol: 'any' }],
  ])('the address entry %s', (text, rule) => {
    expect(parseEntry(text, place)).toEqual({ kind: 'address', rule: { ...rule, source: `allow "${text}"` } });
  });

  test.each([
    ['github.com:443', { name: 'github.com', protocol: 'any', ports: { from: 443, to: 443 } }],
    ['*.example.org', { name: '*.example.org', protocol: 'any' }],
    ['*.a.example.co.uk:443/tcp', { name: '*.a.example.co.uk', protocol: 'tcp', ports: { from: 443, to: 443 } }],
    ['host:8000-8100/udp', { name: 'host', protocol: 'udp', ports: { from: 8000, to: 8100 } }],
    ['GitHub.COM.', { name: 'github.com', protocol: 'any' }],
    ['example.org/tcp', { name: 'example.org', protocol: 'tcp' }],
    ['bücher.example:443', { name: 'xn--bcher-kva.example', protocol: 'any', ports: { from: 443, to: 443 } }],
    ['my_bucket.example.org', { name: 'my_bucket.example.org', protocol: 'any' }],
    ['1and1.example', { name: '1and1.example', protocol: 'any' }],
    ['a.example.org:1-65535', { name: 'a.example.org', protocol: 'any', ports: { from: 1, to: 65535 } }],
  ])('the name entry %s', (text, rule) => {
    expect(parseEntry(text, place)).toEqual({ kind: 'name', rule: { ...rule, source: `allow "${text}"` } });
  });
});

describe('parsePortEntry()', () => {
  const ports = { key: 'hostPorts', path: 'hostPorts[1]' };

  test.each([
    '',
    'x',
    '53/',
    '0/tcp',
    '65536',
    '53/quic',
    '-1',
    '53:54',
    '53 /udp',
    '100-50/tcp',
    true,
    1.5,
    -1,
    65536,
  ])('refuses %j', (value) => {
    const error = refusalOf(() => parsePortEntry(value, ports));
    expect(error.code).toBe(7);
    expect(error.message).toContain(`Cannot use ${JSON.stringify(value)} in "hostPorts[1]"`);
  });

  test.each([
    ['53/udp', { protocol: 'udp', ports: { from: 53, to: 53 } }],
    ['8000-8100/TCP', { protocol: 'tcp', ports: { from: 8000, to: 8100 } }],
    ['5000', { protocol: 'any', ports: { from: 5000, to: 5000 } }],
    [5000, { protocol: 'any', ports: { from: 5000, to: 5000 } }],
    ['icmp', { protocol: 'icmp' }],
  ])('reads %j', (value, rule) => {
    expect(parsePortEntry(value, ports)).toEqual(rule);
  });
});
