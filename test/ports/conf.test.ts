import { describe, expect, test } from 'vitest';
import { Fields } from '../../src/cni/fields.ts';
import { parsePortMappings, parseSnat } from '../../src/ports/conf.ts';
import type { PortMapping } from '../../src/ports/mapping.ts';

function parse(...entries: object[]): PortMapping[] {
  return parsePortMappings(entries.map((entry, index) => new Fields(entry, `runtimeConfig.portMappings[${index}]`)));
}

const both = { protocol: 'tcp', families: [4, 6], hostPort: 8080, containerPort: 80 };

describe('parsePortMappings()', () => {
  test.for<[string, object[], object[]]>([
    ['takes tcp on every address by default', [{ hostPort: 8080, containerPort: 80 }], [both]],
    [
      'matches keys in any case',
      [{ HostPort: 8080, ContainerPort: 80, Protocol: 'UDP', HostIP: '' }],
      [{ ...both, protocol: 'udp' }],
    ],
    ['takes sctp', [{ hostPort: 8080, containerPort: 80, protocol: 'Sctp' }], [{ ...both, protocol: 'sctp' }]],
    [
      'takes 0.0.0.0 for IPv4',
      [{ hostPort: 8080, containerPort: 80, hostIP: '0.0.0.0' }],
      [{ ...both, families: [4] }],
    ],
    ['takes :: for IPv6', [{ hostPort: 8080, containerPort: 80, hostIP: '::' }], [{ ...both, families: [6] }]],
    [
      'takes an IPv4 address',
      [{ hostPort: 8080, containerPort: 80, hostIP: '192.0.2.1' }],
      [{ ...both, hostIp: '192.0.2.1', families: [4] }],
    ],
    [
      'takes an IPv6 address in any text',
      [{ hostPort: 8080, containerPort: 80, hostIP: '2001:DB8:0::1' }],
      [{ ...both, hostIp: '2001:db8::1', families: [6] }],
    ],
    ['takes the limits', [{ hostPort: 1, containerPort: 65_535 }], [{ ...both, hostPort: 1, containerPort: 65_535 }]],
    ['ignores keys that it does not know', [{ hostPort: 8080, containerPort: 80, name: 'web' }], [both]],
    [
      'leaves out what an entry before it says',
      [
        { hostPort: 8080, containerPort: 80 },
        { hostPort: 8080, containerPort: 80, hostIP: '192.0.2.1' },
      ],
      [both],
    ],
    [
      'keeps an entry that says more than one before it',
      [
        { hostPort: 8080, containerPort: 80, hostIP: '192.0.2.1' },
        { hostPort: 8080, containerPort: 80 },
      ],
      [{ ...both, hostIp: '192.0.2.1', families: [4] }, both],
    ],
    [
      'sends one port of two protocols to two places',
      [
        { hostPort: 8080, containerPort: 80 },
        { hostPort: 8080, containerPort: 81, protocol: 'udp' },
      ],
      [both, { ...both, protocol: 'udp', containerPort: 81 }],
    ],
    [
      'sends one port of two addresses to two places',
      [
        { hostPort: 8080, containerPort: 80, hostIP: '192.0.2.1' },
        { hostPort: 8080, containerPort: 81, hostIP: '192.0.2.2' },
      ],
      [
        { ...both, hostIp: '192.0.2.1', families: [4] },
        { ...both, hostIp: '192.0.2.2', families: [4], containerPort: 81 },
      ],
    ],
    ['takes none', [], []],
  ])('%s', ([, entries, mappings]) => {
    expect(parse(...entries)).toEqual(mappings);
  });

  test.for<[object, string]>([
    [
      { containerPort: 80 },
      'Invalid "runtimeConfig.portMappings[0].hostPort": it is missing, a whole number from 1 to 65535 is expected',
    ],
    [
      { hostPort: 8080 },
      'Invalid "runtimeConfig.portMappings[0].containerPort": it is missing, a whole number from 1 to 65535 is expected',
    ],
    [
      { hostPort: 0, containerPort: 80 },
      'Invalid "runtimeConfig.portMappings[0].hostPort": it is 0, a whole number from 1 to 65535 is expected',
    ],
    [
      { hostPort: 65_536, containerPort: 80 },
      'Invalid "runtimeConfig.portMappings[0].hostPort": it is 65536, a whole number from 1 to 65535 is expected',
    ],
    [
      { hostPort: 80, containerPort: -1 },
      'Invalid "runtimeConfig.portMappings[0].containerPort": it is -1, a whole number from 1 to 65535 is expected',
    ],
    [
      { hostPort: 80.5, containerPort: 80 },
      'Invalid "runtimeConfig.portMappings[0].hostPort": it is 80.5, a whole number from 1 to 65535 is expected',
    ],
    [
      { hostPort: '80', containerPort: 80 },
      'Invalid "runtimeConfig.portMappings[0].hostPort": it is "80", a whole number from 1 to 65535 is expected',
    ],
    [
      { hostPort: 80, containerPort: 80, protocol: 'icmp' },
      'Invalid "runtimeConfig.portMappings[0].protocol": it is "icmp", "tcp", "udp" or "sctp" is expected',
    ],
    [
      { hostPort: 80, containerPort: 80, hostIP: 'localhost' },
      'Invalid "runtimeConfig.portMappings[0].hostIP": it is "localhost", an IPv4 or IPv6 address without prefix length and zone, or "" is expected',
    ],
    [
      { hostPort: 80, containerPort: 80, hostIP: 'fe80::1%eth0' },
      'Invalid "runtimeConfig.portMappings[0].hostIP": it is "fe80::1%eth0", an IPv4 or IPv6 address without prefix length and zone, or "" is expected',
    ],
    [
      { hostPort: 80, containerPort: 80, hostIP: '::ffff:192.0.2.1' },
      'Invalid "runtimeConfig.portMappings[0].hostIP": it is "::ffff:192.0.2.1", an IPv4 or IPv6 address without prefix length and zone, or "" is expected',
    ],
  ])('refuses %j', ([entry, message]) => {
    expect(() => parse(entry)).toThrow(expect.objectContaining({ code: 7, message }));
  });

  test('refuses two places for one port of the host', () => {
    expect(() =>
      parse({ hostPort: 80, containerPort: 80 }, { hostPort: 80, containerPort: 81, hostIP: '192.0.2.1' }),
    ).toThrow(
      expect.objectContaining({
        code: 7,
        message:
          'Invalid "runtimeConfig.portMappings[1]": it sends port "80/tcp" of "192.0.2.1" to port "81" of the container, an entry before it sends port "80/tcp" of "the host" to port "80"',
      }),
    );
  });
});

test('parseSnat() is true unless the conf says false', () => {
  expect([{}, { snat: null }, { snat: true }, { Snat: false }].map((conf) => parseSnat(new Fields(conf)))).toEqual([
    true,
    true,
    true,
    false,
  ]);
  expect(() => parseSnat(new Fields({ snat: 'no' }))).toThrow(expect.objectContaining({ code: 7 }));
});
