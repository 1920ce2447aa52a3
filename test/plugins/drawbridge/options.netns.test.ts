/** Options that the reference plugins lack. */
import { drawbridge } from '../../cli/cli.ts';
import { describe, expect, test, type Container, type Json } from '../../helpers/host.ts';
import {
  addressesIn,
  addressesOn,
  attachmentsLeft,
  expectFailure,
  hostLocal,
  interfaceConf,
  routesOf,
  show,
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

describe('"metric"', () => {
  test('is that of every route without one of its own, in the kernel and in the result', async ({ host }) => {
    const container = await host.container();
    const routes = [{ dst: '198.51.100.0/24' }, { dst: '203.0.113.0/24', priority: 7 }];
    const conf = interfaceConf({ metric: 500, ipam: { ...hostLocal('10.1.0.0/24', 'fd01::/64'), routes } });
    const result = succeeded(await host.cni('ADD', conf, { container }));
    expect(await routesOf(host, container, 4)).toEqual([
      'default via 10.1.0.1 dev eth0 metric 500',
      '198.51.100.0/24 via 10.1.0.1 dev eth0 metric 500',
      '203.0.113.0/24 via 10.1.0.1 dev eth0 metric 7',
    ]);
    expect((await routesOf(host, container, 6)).join()).toContain('default via fd01::1 dev eth0 metric 500');
    expect(result['routes'].map(({ priority }: { priority: number }) => priority)).toEqual([500, 7, 500, 500]);
    succeeded(await host.cni('CHECK', { ...conf, prevResult: result }, { container }));
  });

  test('chooses the network by which a container of two gets out', async ({ host }) => {
    const outside = await host.outside();
    const server = await host.serve(outside);
    const container = await host.container();
    const first = interfaceConf({ metric: 200, ipMasq: false, ipam: hostLocal('10.1.0.0/24') });
    const second = interfaceConf({ name: 'b', bridge: 'br1', metric: 100, ipam: hostLocal('10.2.0.0/24') });
    succeeded(await host.cni('ADD', first, { container }));
    succeeded(await host.cni('ADD', second, { container, ifname: 'eth1' }));
    expect(await host.fetch(container, outside.v4, server.port)).toBe(outside.hostV4);
    expect(await host.run(['ip', 'route', 'get', outside.v4], { where: container })).toContain('dev eth1');
  });

  test.for([-1, 1.5, '10', 2 ** 32])('is refused with code 7 when it is %j', async (metric, { host }) => {
    const container = await host.container();
    expectFailure(await host.cni('ADD', interfaceConf({ metric }), { container }), 7, '"metric"');
  });
});

describe('"group_fwd_mask"', () => {
  /** Sends a frame of LLDP from c1 and says whether c2 gets it. */
  const script = `
import socket, sys
end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88cc))
end.bind(("eth0", 0x88cc))
if sys.argv[1] == "send": end.send(bytes.fromhex("0180c200000e020000000001" "88cc") + bytes(50))
else:
  end.settimeout(1.5); print("ready", flush=True)
  try:
    end.recv(100); print("got", flush=True)
  except TimeoutError: print("nothing", flush=True)
`;

  test.for([
    [undefined, 'nothing'],
    [0x4000, 'got'],
  ] as const)('%j lets LLDP pass the bridge: %s', async ([mask, expected], { host }) => {
    const [c1, c2] = [await host.container(), await host.container()];
    const conf = interfaceConf(mask === undefined ? {} : { group_fwd_mask: mask });
    for (const container of [c1, c2]) succeeded(await host.cni('ADD', conf, { container }));
    const receiver = await host.spawn(['python3', '-c', script, 'receive'], { where: c2 });
    const said = async (word: string) => (await host.exec(['grep', '-q', word, receiver.log])).code === 0;
    await expect.poll(() => said('ready'), { timeout: 5000 }).toBe(true);
    await host.run(['python3', '-c', script, 'send'], { where: c1 });
    await expect.poll(async () => !(await receiver.running()), { timeout: 5000 }).toBe(true);
    expect(await said(expected)).toBe(true);
  });

  test('adds the bits of a network to those that others have asked for', async ({ host }) => {
    const other = { name: 'other', isDefaultGateway: false, ipMasq: false, ipam: hostLocal('10.2.0.0/24') };
    const confs = [{ group_fwd_mask: 0x4000 }, { ...other, group_fwd_mask: 8 }, { group_fwd_mask: 0x4000 }];
    const masks: unknown[] = [];
    for (const [at, conf] of confs.entries()) {
      succeeded(await host.cni('ADD', interfaceConf(conf), { container: await host.container() }));
      const found = await show(host, host, 'link', 'br0');
      masks.push(
        Number(
          (found as { linkinfo?: { info_data?: { group_fwd_mask?: string } } }).linkinfo?.info_data?.group_fwd_mask,
        ),
      );
      // An operator's own bit.
      if (at === 1) await host.sh('ip link set br0 type bridge group_fwd_mask 0x4018');
    }
    expect(masks).toEqual([0x4000, 0x4008, 0x4018]);
  });

  test('has the bits of all networks whose first ADDs come at once', async ({ host }) => {
    succeeded(await host.cni('ADD', interfaceConf({ name: 'first' }), { container: await host.container() }));
    const bits = [3, 4, 5, 6, 7, 8].map((bit) => 2 ** bit);
    for (let round = 0; round < 4; round++) {
      await host.sh('ip link set br0 type bridge group_fwd_mask 0');
      const containers = await Promise.all(bits.map(async () => host.container()));
      const outcomes = await Promise.all(
        bits.map(async (bit, at) => {
          const options = { group_fwd_mask: bit, isDefaultGateway: false, ipMasq: false };
          const network = { name: `n${bit}`, ipam: hostLocal(`10.${round + 3}.${at}.0/24`), ...options };
          return host.cni('ADD', interfaceConf(network), { container: containers[at] as Container });
        }),
      );
      for (const outcome of outcomes) succeeded(outcome);
      expect(JSON.stringify(await show(host, host, 'link', 'br0'))).toMatch(/"group_fwd_mask":"?(?:0x1f8|504)/);
    }
  });

  test('is told by CHECK and doctor when somebody took it away, and put back by "doctor --fix"', async ({ host }) => {
    const [c1, c2] = [await host.container(), await host.container()];
    const conf = interfaceConf({ group_fwd_mask: 0x4000 });
    const other = interfaceConf({
      name: 'other',
      group_fwd_mask: 0x4008,
      isDefaultGateway: false,
      ipMasq: false,
      ipam: hostLocal('10.2.0.0/24'),
    });
    const result = succeeded(await host.cni('ADD', conf, { container: c1 }));
    succeeded(await host.cni('ADD', other, { container: c2 }));
    const check = async () => host.cni('CHECK', { ...conf, prevResult: result }, { container: c1 });
    succeeded(await check());
    await host.sh('ip link set br0 type bridge group_fwd_mask 8');
    expectFailure(await check(), 103, '"group_fwd_mask" of "br0" is 8, expected the bits of 16384');
    const { json } = await drawbridge(host, ['doctor', '--json']);
    const found = (json as Json[]).filter(({ check: name }) => name === 'bridges');
    expect(found.map(({ remedy }) => remedy as string)).toEqual([
      'ip link set dev br0 type bridge group_fwd_mask 16392',
    ]);
    await drawbridge(host, ['doctor', '--fix']);
    succeeded(await check());
    expect(JSON.stringify(await show(host, host, 'link', 'br0'))).toMatch(/"group_fwd_mask":"?(?:0x4008|16392)/);
  });

  test.for([1, 2, 4, 7, 65536, -8, '8'])('is refused with code 7 when it is %j', async (mask, { host }) => {
    const container = await host.container();
    const outcome = await host.cni('ADD', interfaceConf({ group_fwd_mask: mask }), { container });
    expectFailure(outcome, 7, '"group_fwd_mask"');
  });
});

describe('"noMasquerade"', () => {
  const out = ['203.0.113.9', '203.0.113.200', '8.8.8.8', '2001:db8:5::9', '2001:db8:6::9'] as const;

  test("keeps the container's address towards the networks that it names", async ({ host }) => {
    const outside = await host.outside();
    await outside.address(...out);
    await host.sh('ip route add 10.1.0.0/24 via 192.0.2.1; ip -6 route add fd01::/64 via 2001:db8:ffff::1', {
      where: outside,
    });
    const server = await host.serve(outside);
    const [c1, c2] = [await host.container(), await host.container()];
    const conf = interfaceConf({
      noMasquerade: ['203.0.113.0/25', '2001:db8:5::/48', '203.0.113.9', '203.0.113.0/25'],
    });
    const added = await host.cni('ADD', conf, { container: c1 });
    const [v4 = '', v6 = ''] = addressesIn(succeeded(added));
    expect(added.stderr).toBe('');
    const seen = await Promise.all(out.map((address) => host.fetch(c1, address, server.port)));
    expect(seen).toEqual([v4, outside.hostV4, outside.hostV4, v6, outside.hostV6]);
    succeeded(await host.cni('CHECK', { ...conf, prevResult: added.result }, { container: c1 }));
    succeeded(await host.cni('ADD', interfaceConf(), { container: c2 }));
    expect(await host.fetch(c2, out[0], server.port)).toBe(outside.hostV4);
    await host.run(['nft', 'flush', 'ruleset']);
    succeeded(await host.cni('ADD', conf, { container: await host.container() }));
    expect(await host.fetch(c1, out[0], server.port)).toBe(v4);
    succeeded(await host.cni('DEL', conf, { container: c1 }));
    const left = await host.run(['nft', 'list', 'set', 'inet', 'drawbridge', 'bare4']);
    expect(left).not.toContain(v4);
    expect(left).toContain('203.0.113.0/25');
  });

  test.for([['10.0.0.1/8'], ['ten'], [10], '10.0.0.0/8', ['10.0.0.0/33']])(
    'is refused with code 7 when it is %j',
    async (noMasquerade, { host }) => {
      const container = await host.container();
      expectFailure(await host.cni('ADD', interfaceConf({ noMasquerade }), { container }), 7, 'noMasquerade');
      expect(await host.leftovers()).toEqual([]);
    },
  );
});
