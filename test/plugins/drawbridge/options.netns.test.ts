/** Options that the reference plugins lack. */
import { describe, expect, test } from '../../helpers/host.ts';
import {
  addressesIn,
  addressesOn,
  attachmentsLeft,
  expectFailure,
  hostLocal,
  interfaceConf,
  routesOf,
  succeeded,
} from './network.ts';

describe('a network of two addresses', () => {
  test.for([
    ['10.1.0.0/31', '10.1.0.0', '10.1.0.1'],
    ['fd01::/127', 'fd01::', 'fd01::1'],
  ] as const)('%s gives the container one and the bridge the other', async ([subnet, gateway, own], { host }) => {
    const outside = await host.outside();
    const server = await host.serve(outside);
    const [container, second] = [await host.container(), await host.container()];
    const conf = interfaceConf({ ipam: hostLocal(subnet) });
    const result = succeeded(await host.cni('ADD', conf, { container }));
    expect(result['ips']).toMatchObject([{ address: `${own}${subnet.slice(subnet.indexOf('/'))}`, gateway }]);
    expect(await host.ping(container, gateway)).toBe('answer');
    const [there, from] = subnet.includes(':') ? [outside.v6, outside.hostV6] : [outside.v4, outside.hostV4];
    expect(await host.fetch(container, there, server.port)).toBe(from);
    succeeded(await host.cni('CHECK', { ...conf, prevResult: result }, { container }));
    expectFailure(await host.cni('ADD', conf, { container: second }), 101, subnet);
    succeeded(await host.cni('DEL', conf, { container }));
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test('gives the first one where the gateway is the second', async ({ host }) => {
    const container = await host.container();
    const ipam = { type: 'host-local', ranges: [[{ subnet: '10.1.0.0/31', gateway: '10.1.0.1' }]] };
    const result = succeeded(await host.cni('ADD', interfaceConf({ ipam }), { container }));
    expect(addressesIn(result)).toEqual(['10.1.0.0']);
    expect(await host.ping(container, '10.1.0.1')).toBe('answer');
  });
});

describe('a gateway outside of the subnet with an on-link route', () => {
  test.for([
    ['10.1.0.0/24', '172.31.0.1', '172.31.0.1/32', '0.0.0.0/0'],
    ['fd01::/64', 'fd99::1', 'fd99::1/128', '::/0'],
  ] as const)('leads out of %s', async ([subnet, gateway, held, everything], { host }) => {
    const outside = await host.outside();
    const server = await host.serve(outside);
    const container = await host.container();
    const routes = [
      { dst: everything, gw: gateway },
      { dst: held, scope: 253 },
    ];
    const conf = interfaceConf({ ipam: { type: 'host-local', ranges: [[{ subnet, gateway }]], routes } });
    const result = succeeded(await host.cni('ADD', conf, { container }));
    expect(await addressesOn(host, host, 'br0')).toEqual([held]);
    expect(await host.ping(container, gateway)).toBe('answer');
    expect(await host.ping(host, addressesIn(result)[0] ?? '')).toBe('answer');
    const [there, from] = subnet.includes(':') ? [outside.v6, outside.hostV6] : [outside.v4, outside.hostV4];
    expect(await host.fetch(container, there, server.port)).toBe(from);
    succeeded(await host.cni('CHECK', { ...conf, prevResult: result }, { container }));
    const second = await host.container();
    succeeded(await host.cni('ADD', conf, { container: second }));
    expect(await host.ping(second, gateway)).toBe('answer');
  });

  test('is one where nothing but the route leads to it, and the bridge is no gateway', async ({ host }) => {
    const container = await host.container();
    const routes = [
      { dst: '172.31.0.1/32', scope: 253 },
      { dst: '0.0.0.0/0', gw: '172.31.0.1' },
    ];
    const ipam = { type: 'host-local', ranges: [[{ subnet: '10.1.0.0/24', gateway: '172.31.0.1' }]], routes };
    succeeded(await host.cni('ADD', interfaceConf({ ipam, isDefaultGateway: false, ipMasq: false }), { container }));
    expect(await routesOf(host, container, 4)).toEqual([
      'default via 172.31.0.1 dev eth0',
      '172.31.0.1 dev eth0 scope link',
    ]);
  });
});
