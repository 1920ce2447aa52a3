import { describe, expect, test } from 'vitest';
import { completeAddresses, conflictingAddresses } from '../../src/links/addresses.ts';

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
    [['fd00::1/64'], ['fd01::1/64'], []],
    [['fd00::1/64'], ['fd00::2/64'], ['fd00::1/64']],
    [['fd00::1/64'], ['fd00::1/48'], ['fd00::1/64']],
    [['10.0.0.1/24'], ['fd00::1/64'], []],
  ])('of %j against %j finds %j', (present, wanted, expected) => {
    expect(conflictingAddresses(present, wanted).map((conflict) => conflict.present)).toEqual(expected);
  });
});
