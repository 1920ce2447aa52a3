import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { resultFromWire, resultToWire } from '../../src/cni/result.ts';
import type { Result } from '../../src/cni/result.ts';
import { resultFamily, supportedVersions } from '../../src/cni/versions.ts';

const full: Result = {
  interfaces: [
    { name: 'drawbridge0', mac: '02:11:22:33:44:55' },
    {
      name: 'eth0',
      mac: '02:aa:bb:cc:dd:ee',
      mtu: 1500,
      sandbox: '/var/run/netns/c1',
      socketPath: '/s',
      pciID: '0000:00:1f.6',
    },
  ],
  ips: [
    { address: '10.88.0.2/16', gateway: '10.88.0.1', interface: 1 },
    { address: '10.89.0.2/16', gateway: '10.89.0.1', interface: 1 },
    { address: 'fd00:88::2/64', gateway: 'fd00:88::1', interface: 0 },
  ],
  routes: [
    { dst: '0.0.0.0/0', gw: '10.88.0.1', mtu: 1400, advmss: 1360, priority: 100, table: 0, scope: 0 },
    { dst: '::/0' },
  ],
  dns: { nameservers: ['1.1.1.1'], domain: 'a.test', search: ['b.test'], options: ['ndots:2'] },
};
const empty: Result = { interfaces: [], ips: [], routes: [], dns: {} };
const print = (value: unknown) => JSON.stringify(value, null, 1);

describe('resultToWire()', () => {
  test.each(['0.1.0', '0.2.0'] as const)(
    '[%s] tells the first address of each family, with dst and gw of its routes',
    (version) => {
      expect(print(resultToWire(full, version))).toBe(
        print({
          cniVersion: version,
          ip4: { ip: '10.88.0.2/16', gateway: '10.88.0.1', routes: [{ dst: '0.0.0.0/0', gw: '10.88.0.1' }] },
          ip6: { ip: 'fd00:88::2/64', gateway: 'fd00:88::1', routes: [{ dst: '::/0' }] },
          dns: { nameservers: ['1.1.1.1'], domain: 'a.test', search: ['b.test'], options: ['ndots:2'] },
        }),
      );
    },
  );

  test.each(['0.1.0', '0.2.0'] as const)('[%s] drops the routes of a family without an address', (version) => {
    expect(resultToWire({ ...full, ips: full.ips.slice(0, 1) }, version)).toEqual({
      cniVersion: version,
      ip4: { ip: '10.88.0.2/16', gateway: '10.88.0.1', routes: [{ dst: '0.0.0.0/0', gw: '10.88.0.1' }] },
      dns: full.dns,
    });
  });

  test.each(['0.1.0', '0.2.0'] as const)('[%s] refuses a result without addresses', (version) => {
    expect(() => resultToWire(empty, version)).toThrow(
      expect.objectContaining({
        code: 7,
        message: expect.stringContaining('cannot convert: no valid IP addresses') as string,
      }),
    );
  });

  test.each(['0.3.0', '0.3.1', '0.4.0'] as const)(
    '[%s] tells the version of each address, no mtu of interfaces, and routes whole',
    (version) => {
      expect(print(resultToWire(full, version))).toBe(
        print({
          cniVersion: version,
          interfaces: [
            { name: 'drawbridge0', mac: '02:11:22:33:44:55' },
            { name: 'eth0', mac: '02:aa:bb:cc:dd:ee', sandbox: '/var/run/netns/c1' },
          ],
          ips: [
            { version: '4', interface: 1, address: '10.88.0.2/16', gateway: '10.88.0.1' },
            { version: '4', interface: 1, address: '10.89.0.2/16', gateway: '10.89.0.1' },
            { version: '6', interface: 0, address: 'fd00:88::2/64', gateway: 'fd00:88::1' },
          ],
          routes: [
            { dst: '0.0.0.0/0', gw: '10.88.0.1', mtu: 1400, advmss: 1360, priority: 100, table: 0, scope: 0 },
            { dst: '::/0' },
          ],
          dns: { nameservers: ['1.1.1.1'], domain: 'a.test', search: ['b.test'], options: ['ndots:2'] },
        }),
      );
    },
  );

  test.each(['1.0.0', '1.1.0'] as const)('[%s] tells everything, keys in alphabetical order', (version) => {
    expect(print(resultToWire(full, version))).toBe(
      print({
        cniVersion: version,
        dns: { domain: 'a.test', nameservers: ['1.1.1.1'], options: ['ndots:2'], search: ['b.test'] },
        interfaces: [
          { mac: '02:11:22:33:44:55', name: 'drawbridge0' },
          {
            mac: '02:aa:bb:cc:dd:ee',
            mtu: 1500,
            name: 'eth0',
            pciID: '0000:00:1f.6',
            sandbox: '/var/run/netns/c1',
            socketPath: '/s',
          },
        ],
        ips: [
          { address: '10.88.0.2/16', gateway: '10.88.0.1', interface: 1 },
          { address: '10.89.0.2/16', gateway: '10.89.0.1', interface: 1 },
          { address: 'fd00:88::2/64', gateway: 'fd00:88::1', interface: 0 },
        ],
        routes: [
          { advmss: 1360, dst: '0.0.0.0/0', gw: '10.88.0.1', mtu: 1400, priority: 100, scope: 0, table: 0 },
          { dst: '::/0' },
        ],
      }),
    );
  });

  test.each(['0.3.0', '0.3.1', '0.4.0'] as const)('[%s] prints dns even if it is empty', (version) => {
    expect(resultToWire(empty, version)).toEqual({ cniVersion: version, dns: {} });
  });

  test.each(['1.0.0', '1.1.0'] as const)('[%s] leaves out what is empty', (version) => {
    expect(resultToWire({ ...empty, dns: { nameservers: [], domain: '' } }, version)).toEqual({ cniVersion: version });
  });
});

describe('resultFromWire()', () => {
  test.each(['0.1.0', '0.2.0'] as const)('[%s] reads ip4 and ip6', (version) => {
    const wire = {
      ip4: {
        ip: '10.1.0.2/24',
        gateway: '10.1.0.1',
        routes: [{ dst: '0.0.0.0/0' }, { dst: '10.0.0.0/8', gw: '10.1.0.254' }],
      },
      ip6: { ip: 'fd00::2/64', routes: [{ dst: '::/0', gw: 'fd00::1' }] },
      dns: { nameservers: ['10.1.0.1'] },
    };
    expect(resultFromWire(wire, version)).toEqual({
      interfaces: [],
      ips: [{ address: '10.1.0.2/24', gateway: '10.1.0.1' }, { address: 'fd00::2/64' }],
      routes: [{ dst: '0.0.0.0/0' }, { dst: '10.0.0.0/8', gw: '10.1.0.254' }, { dst: '::/0', gw: 'fd00::1' }],
      dns: { nameservers: ['10.1.0.1'] },
    });
  });

  test.each(['0.3.0', '0.3.1', '0.4.0'] as const)(
    '[%s] reads back what resultToWire() made, but for what the version has no room for',
    (version) => {
      const [bridge, eth0] = full.interfaces;
      const { mtu: _, socketPath: __, pciID: ___, ...old } = eth0 ?? { name: '' };
      expect(resultFromWire(resultToWire(full, version), version)).toEqual({ ...full, interfaces: [bridge, old] });
    },
  );

  test.each(['0.3.0', '0.3.1', '0.4.0'] as const)('[%s] does not read what the version has no room for', (version) => {
    const { interfaces } = resultFromWire(
      { interfaces: [{ name: 'eth0', mtu: 1500, socketPath: '/s', pciID: 'p' }] },
      version,
    );
    expect(interfaces).toEqual([{ name: 'eth0' }]);
  });

  test.each(['1.0.0', '1.1.0'] as const)('[%s] reads back what resultToWire() made', (version) => {
    expect(resultFromWire(resultToWire(full, version), version)).toEqual(full);
  });

  test.each(supportedVersions)('[%s] reads null as an empty result', (version) => {
    expect(resultFromWire(null, version)).toEqual(empty);
  });

  const cells = supportedVersions.flatMap((version) =>
    ['', ...supportedVersions, '9.8.7'].map((told) => ({ version, told })),
  );
  const sameShape = (told: string, version: (typeof supportedVersions)[number]) =>
    told === '' || supportedVersions.some((known) => known === told && resultFamily(known) === resultFamily(version));

  test.each(cells.filter(({ version, told }) => sameShape(told, version)))(
    '[$version] accepts a result that says it is "$told"',
    ({ version, told }) => {
      expect(resultFromWire({ cniVersion: told }, version)).toEqual(empty);
    },
  );

  test.each(cells.filter(({ version, told }) => !sameShape(told, version)))(
    '[$version] refuses a result that says it is "$told"',
    ({ version, told }) => {
      const range = { '0.2': '0.1.0 0.2.0', '0.4': '0.3.0 0.3.1 0.4.0', '1.x': '1.0.0 1.1.0' }[resultFamily(version)];
      expect(() => resultFromWire({ cniVersion: told }, version)).toThrow(
        expect.objectContaining({
          code: 6,
          message: `Invalid "result": result type supports [${range}] but unmarshalled CNIVersion is "${told}"`,
        }),
      );
    },
  );

  test('matches keys in any case', () => {
    expect(
      resultFromWire({ IPs: [{ Address: '10.0.0.2/8', Gateway: '' }], DNS: { Nameservers: ['10.0.0.1'] } }, '1.0.0'),
    ).toEqual({
      ...empty,
      ips: [{ address: '10.0.0.2/8' }],
      dns: { nameservers: ['10.0.0.1'] },
    });
  });

  test('keeps the entries that later plugins of a chain added', () => {
    const wire = {
      interfaces: [{ name: 'lo' }, { name: 'tap0', sandbox: 'c1' }],
      ips: [{ address: '127.0.0.1/8', interface: 0 }],
    };
    expect(resultFromWire(wire, '1.0.0')).toMatchObject(wire);
  });

  test.each<[unknown, string]>([
    [[], 'Invalid "result": it is a list, an object is expected'],
    [{ ips: {} }, 'Invalid "result.ips": it is an object, a list is expected'],
    [{ ips: [{}] }, 'Invalid "result.ips[0].address": it is missing, an address with prefix length is expected'],
    [
      { ips: [{ address: '10.0.0.1' }] },
      'Invalid "result.ips[0].address": it is "10.0.0.1", an address with prefix length is expected',
    ],
    [
      { ips: [{ address: '10.0.0.1/33' }] },
      'Invalid "result.ips[0].address": it is "10.0.0.1/33", an address with prefix length is expected',
    ],
    [
      { ips: [{ address: 'fd00::1/129' }] },
      'Invalid "result.ips[0].address": it is "fd00::1/129", an address with prefix length is expected',
    ],
    [
      { ips: [{ address: 'fe80::1%eth0/64' }] },
      'Invalid "result.ips[0].address": it is "fe80::1%eth0/64", an address with prefix length is expected',
    ],
    [
      { ips: [{ address: '10.0.0.1/8', gateway: 'x' }] },
      'Invalid "result.ips[0].gateway": it is "x", an address is expected',
    ],
    [
      { ips: [{ address: '10.0.0.1/8', interface: '0' }] },
      'Invalid "result.ips[0].interface": it is "0", a whole number is expected',
    ],
    [
      { routes: [{ dst: 'default' }] },
      'Invalid "result.routes[0].dst": it is "default", an address with prefix length is expected',
    ],
    [{ interfaces: [{ name: 1 }] }, 'Invalid "result.interfaces[0].name": it is 1, a string is expected'],
    [{ dns: { nameservers: '1.1.1.1' } }, 'Invalid "result.dns.nameservers": it is "1.1.1.1", a list is expected'],
    [{ cniVersion: 1 }, 'Invalid "result.cniVersion": it is 1, a string is expected'],
  ])('refuses %j', (wire, message) => {
    expect(() => resultFromWire(wire, '1.1.0')).toThrow(expect.objectContaining({ code: 6, message }));
  });
});

test('a result of 1.1.0 survives the way over the wire, whatever it holds', () => {
  const octet = fc.nat(255);
  const ipv4 = fc.tuple(octet, octet, octet, octet).map((parts) => parts.join('.'));
  const word = fc.string({ minLength: 1 });
  const positive = fc.integer({ min: 1, max: 65535 });
  const prefix = fc
    .tuple(fc.oneof(ipv4, fc.constantFrom('fd00::1', '::', '::ffff:10.0.0.1')), fc.nat(32))
    .map(([host, length]) => `${host}/${length}`);
  const maybe = { requiredKeys: [] };
  const list = fc.array(word, { minLength: 1 });
  const result: fc.Arbitrary<Result> = fc.record({
    interfaces: fc.array(
      fc.record(
        { name: word, mac: word, mtu: positive, sandbox: word, socketPath: word, pciID: word },
        { requiredKeys: ['name'] },
      ),
    ),
    ips: fc.array(fc.record({ address: prefix, gateway: ipv4, interface: fc.nat(9) }, { requiredKeys: ['address'] })),
    routes: fc.array(
      fc.record(
        {
          dst: prefix,
          gw: ipv4,
          mtu: positive,
          advmss: positive,
          priority: positive,
          table: fc.nat(),
          scope: fc.nat(255),
        },
        { requiredKeys: ['dst'] },
      ),
    ),
    dns: fc.record({ nameservers: list, domain: word, search: list, options: list }, maybe),
  });
  fc.assert(
    fc.property(result, (value) => {
      expect(resultFromWire(JSON.parse(JSON.stringify(resultToWire(value, '1.1.0'))), '1.1.0')).toEqual(value);
    }),
  );
});
