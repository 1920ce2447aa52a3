import { describe, expect, test } from '../../helpers/host.ts';
import { addressesIn, attachmentsLeft, expectFailure, hostLocal, interfaceConf, succeeded } from './network.ts';

describe('"ipMasq"', () => {
  test('hides a container behind the address of the host, in both families', async ({ host }) => {
    const outside = await host.outside();
    const server = await host.serve(outside);
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf(), { container }));
    expect(await host.fetch(container, outside.v4, server.port)).toBe(outside.hostV4);
    expect(await host.fetch(container, outside.v6, server.port)).toBe(outside.hostV6);
  });

  test("shows the container's own address when it is false", async ({ host }) => {
    const outside = await host.outside();
    await host.sh(`ip route add 10.1.0.0/24 via ${outside.hostV4}; ip route add fd01::/64 via ${outside.hostV6}`, {
      where: outside,
    });
    const server = await host.serve(outside);
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf({ ipMasq: false }), { container }));
    expect(await host.fetch(container, outside.v4, server.port)).toBe('10.1.0.2');
    expect(await host.fetch(container, outside.v6, server.port)).toBe('fd01::2');
  });

  test('leaves what stays inside the network alone', async ({ host }) => {
    const [c1, c2] = [await host.container(), await host.container()];
    succeeded(await host.cni('ADD', interfaceConf(), { container: c1 }));
    const [four = '', six = ''] = addressesIn(succeeded(await host.cni('ADD', interfaceConf(), { container: c2 })));
    const server = await host.serve(c2);
    expect(await host.fetch(c1, four, server.port)).toBe('10.1.0.2');
    expect(await host.fetch(c1, six, server.port)).toBe('fd01::2');
  });

  test('is not needed to reach the host, which sees the container itself', async ({ host }) => {
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf(), { container }));
    const server = await host.serve(host);
    expect(await host.fetch(container, '10.1.0.1', server.port)).toBe('10.1.0.2');
  });

  test('of an address ends with its container', async ({ host }) => {
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf(), { container }));
    succeeded(await host.cni('DEL', interfaceConf(), { container, netns: '' }));
    expect(await attachmentsLeft(host)).toEqual([]);
  });
});

describe('"ipMasqBackend"', () => {
  test('may be "nftables"', async ({ host }) => {
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf({ ipMasqBackend: 'nftables' }), { container }));
  });

  test.for([
    ['iptables', 2],
    ['pf', 7],
  ] as const)('is refused when it is %j', async ([ipMasqBackend, code], { host }) => {
    const container = await host.container();
    const outcome = await host.cni('ADD', interfaceConf({ ipMasqBackend }), { container });
    expectFailure(outcome, code, new RegExp(`"ipMasqBackend".*"${ipMasqBackend}"`));
    expect(await host.leftovers()).toEqual([]);
  });
});

describe('a host that drops what it does not know', () => {
  test('lets containers out whose bridge is opened in its firewall, and is as before after the last DEL', async ({
    host,
    skip,
  }) => {
    if ((await host.exec(['iptables', '-P', 'FORWARD', 'DROP'])).code !== 0) skip('iptables does not work here');
    const outside = await host.outside({ v6: false });
    const server = await host.serve(outside);
    const container = await host.container();
    const conf = interfaceConf({ ipam: hostLocal('10.1.0.0/24') });
    succeeded(await host.cni('ADD', conf, { container }));
    expect(await host.fetch(container, outside.v4, server.port)).toBe(outside.hostV4);
    succeeded(await host.cni('DEL', conf, { container, netns: '' }));
    expect(await attachmentsLeft(host)).toEqual([]);
  });
});
