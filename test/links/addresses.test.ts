import { describe, expect, test } from 'vitest';
import { completeAddresses } from '../../src/links/addresses.ts';
import { conflictingAddresses } from '../../src/links/conflicts.ts';

const both = { isGateway: true, isDefaultGateway: true };
const none = { isGateway: false, isDefaultGateway: false };

describe('completeAddresses()', () => {
  test('takes the first address of the network for a gateway that is missing', () => {
    expect(
      completeAddresses({ ips: [{ address: '10.1.2.7/24' }, { address: 'fd00::9/64' }], routes: [] }, both).ips.map(
        ({ gateway }) => gateway,
      ),
    ).toEqual(['10.1.2.1', 'fd00::1']);
  });

  test('invents no gateway when the bridge is none', () => {
    expect(completeAddresses({ ips: [{ address: '10.1.2.7/24' }], routes: [] }, none)).toMatchObject({
      ips: [{ address: '10.1.2.7/24' }],
      gateways: [],
      routes: [],
    });
  });

  test('adds one default route for each family that has none', () => {
    const ips = [{ address: '10.1.2.7/24' }, { address: '10.9.0.7/24' }, { address: 'fd00::9/64' }];
    expect(completeAddresses({ ips, routes: [] }, both).routes).toEqual([
      { dst: '0.0.0.0/0', gw: '10.1.2.1' },
      { dst: '::/0', gw: 'fd00::1' },
    ]);
  });

  test('adds no default route when there is one with a gateway', () => {
    const routes = [{ dst: '0.0.0.0/0', gw: '10.1.2.254' }];
    expect(completeAddresses({ ips: [{ address: '10.1.2.7/24' }], routes }, both).routes).toEqual(routes);
  });

  test('sends a route without gateway through the first gateway of its family', () => {
    const ips = [
      { address: '10.1.2.7/24', gateway: '10.1.2.1' },
      { address: 'fd00::9/64', gateway: 'fd00::1' },
    ];
    const { kernelRoutes, routes } = completeAddresses(
      { ips, routes: [{ dst: '192.0.2.0/24' }, { dst: '2001:db8::/32' }] },
      none,
    );
    expect(kernelRoutes).toEqual([
      { dst: '192.0.2.0/24', gw: '10.1.2.1' },
      { dst: '2001:db8::/32', gw: 'fd00::1' },
    ]);
    expect(routes).toEqual([{ dst: '192.0.2.0/24' }, { dst: '2001:db8::/32' }]);
  });

  test('leaves a route of scope link without gateway', () => {
    const { kernelRoutes } = completeAddresses(
      { ips: [{ address: '10.1.2.7/24', gateway: '10.1.2.1' }], routes: [{ dst: '192.0.2.0/24', scope: 253 }] },
      none,
    );
    expect(kernelRoutes).toEqual([{ dst: '192.0.2.0/24', scope: 253 }]);
  });

  test('gives the bridge each gateway once, with the prefix length of its network', () => {
    expect(
      completeAddresses(
        {
          ips: [{ address: '10.1.2.7/24' }, { address: '10.1.2.8/24' }, { address: 'FD00::9/64', gateway: 'FD00::1' }],
          routes: [],
        },
        both,
      ).gateways,
    ).toEqual(['10.1.2.1/24', 'fd00::1/64']);
  });

  test('gives a default route that has no gateway the one of its family, and adds no second one', () => {
    const ips = [{ address: '10.1.2.7/24' }];
    expect(completeAddresses({ ips, routes: [{ dst: '0.0.0.0/0', mtu: 1400 }] }, both).routes).toEqual([
      { dst: '0.0.0.0/0', mtu: 1400, gw: '10.1.2.1' },
    ]);
  });

  test('adds a default route beside one of another table', () => {
    const ips = [{ address: '10.1.2.7/24' }];
    expect(completeAddresses({ ips, routes: [{ dst: '0.0.0.0/0', table: 100 }] }, both).routes).toEqual([
      { dst: '0.0.0.0/0', table: 100 },
      { dst: '0.0.0.0/0', gw: '10.1.2.1' },
    ]);
  });

  test('clears the host bits of destinations for the kernel alone', () => {
    const routes = [{ dst: '192.0.2.9/24', gw: '10.1.2.3' }];
    const completed = completeAddresses({ ips: [{ address: '10.1.2.7/24' }], routes }, none);
    expect(completed.routes).toEqual(routes);
    expect(completed.kernelRoutes).toEqual([{ dst: '192.0.2.0/24', gw: '10.1.2.3' }]);
  });

  test.each([
    ['10.1.2.1/24', '10.1.2.1'],
    ['10.1.2.9/24', '10.1.2.9'],
    ['FD00:0::1/64', 'fd00::1'],
  ])('refuses %s for a container when the bridge has that address', (address, gateway) => {
    expect(() => completeAddresses({ ips: [{ address, gateway }], routes: [] }, both)).toThrow(
      `"${gateway}": it is the gateway`,
    );
    expect(completeAddresses({ ips: [{ address, gateway }], routes: [] }, none).gateways).toEqual([]);
  });

  test.each([
    ['10.1.2.7/24', '172.16.0.1', '172.16.0.1/32', '10.1.2.0/24'],
    ['fd00::7/64', 'fd99::1', 'fd99::1/128', 'fd00::/64'],
  ])(
    'gives the bridge the gateway of %s alone, and a route to the network, when it is %s',
    (address, gateway, held, network) => {
      expect(completeAddresses({ ips: [{ address, gateway }], routes: [] }, both)).toMatchObject({
        gateways: [held],
        onLink: [network],
      });
    },
  );

  test.each([
    ['10.1.2.1/31', '10.1.2.0'],
    ['fd00::1/127', 'fd00::'],
  ])('takes the first of two addresses for the gateway of %s', (address, gateway) => {
    expect(completeAddresses({ ips: [{ address }], routes: [] }, both).ips).toEqual([{ address, gateway }]);
  });

  test('refuses an address that is none', () => {
    expect(() => completeAddresses({ ips: [{ address: '10.1.2/24' }], routes: [] }, both)).toThrow('"10.1.2/24"');
  });
});

describe('conflictingAddresses()', () => {
  test.each<[string[], string[], string[]]>([
    [['10.0.0.1/24'], ['10.0.0.1/24'], []],
    [['10.0.0.1/24'], ['10.0.0.1/16'], ['10.0.0.1/24']],
    [['10.0.0.1/24'], ['10.9.0.1/24'], ['10.0.0.1/24']],
    [['10.0.0.1/24', '10.9.0.1/24'], ['10.0.0.1/24', '10.9.0.1/24'], []],
    [['10.0.0.1/24', '10.9.0.1/24'], ['10.0.0.1/24'], []],
    [['10.0.0.1/24', '10.0.0.9/24'], ['10.0.0.1/24'], []],
    [['10.0.0.1/24', '172.16.0.1/24'], ['10.0.0.1/24', '10.9.0.1/24'], []],
    [['10.0.0.1/24', '10.9.0.7/16'], ['10.0.0.1/24', '10.9.1.1/24'], ['10.9.0.7/16']],
    [['10.0.0.1/24', 'fd00::9/64'], ['10.0.0.1/24', 'fd00::1/64'], ['fd00::9/64']],
    [['fd00::1/64', 'fd00::9/64'], ['fd00::1/64'], []],
    [['fd00::1/64'], ['fd01::1/64'], []],
    [['fd00::1/64'], ['fd00::2/64'], ['fd00::1/64']],
    [['fd00::1/64'], ['fd00::1/48'], ['fd00::1/64']],
    [['10.0.0.1/24'], ['fd00::1/64'], []],
  ])('of %j against %j finds %j', (present, wanted, expected) => {
    expect(conflictingAddresses(present, wanted).map((conflict) => conflict.present)).toEqual(expected);
  });
});
