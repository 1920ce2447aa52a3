import { describe, expect, test, type Host } from '../../helpers/host.ts';
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

const leases = '/var/lib/cni/networks/net';

/** Names of the lease files of a folder. */
async function leasesIn(host: Host, folder = leases): Promise<string[]> {
  const files = (await host.run(['ls', folder])).split('\n');
  return files.filter((file) => /^[0-9a-f]+[.:]/.test(file));
}

function withRanges(ranges: unknown, more: object = {}) {
  return interfaceConf({ ipam: { type: 'host-local', ranges, ...more } });
}

describe('leases', () => {
  test("are in the reference's files, byte for byte", async ({ host }) => {
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf(), { container, containerId: 'k8s_pod-1.a', ifname: 'net1' }));
    expect(await leasesIn(host)).toEqual(['10.1.0.2', 'fd01::2']);
    expect(await host.run(['cat', `${leases}/10.1.0.2`])).toBe('k8s_pod-1.a\r\nnet1');
    expect(await host.run(['stat', '-c', '%a', `${leases}/10.1.0.2`])).toBe('600\n');
    expect(await host.run(['cat', `${leases}/last_reserved_ip.0`])).toBe('10.1.0.2');
    expect(await host.run(['cat', `${leases}/last_reserved_ip.1`])).toBe('fd01::2');
  });

  test('are shared with the reference plugin when both use one directory', async ({ host, skip }) => {
    const reference = '/usr/lib/cni/host-local';
    if ((await host.exec(['test', '-x', reference])).code !== 0) skip('the reference plugins are not installed');
    const [c1, c2] = [await host.container(), await host.container()];
    const conf = { ...interfaceConf({ ipam: hostLocal('10.1.0.0/24') }), cniVersion: '1.0.0' };
    const theirs = succeeded(await host.cni('ADD', conf, { container: c1, program: reference }));
    const ours = succeeded(await host.cni('ADD', conf, { container: c2 }));
    expect([...addressesIn(theirs), ...addressesIn(ours)]).toEqual(['10.1.0.2', '10.1.0.3']);
    succeeded(await host.cni('CHECK', { ...conf, prevResult: ours }, { container: c2, program: reference }));
    succeeded(await host.cni('DEL', conf, { container: c2, program: reference }));
    expect(await leasesIn(host)).toEqual(['10.1.0.2']);
  });

  test('are round robin, so that an address that was given back rests', async ({ host }) => {
    const container = await host.container();
    const given: string[] = [];
    for (let turn = 0; turn < 4; turn++) {
      const conf = withRanges([[{ subnet: '10.1.0.0/24', rangeStart: '10.1.0.5', rangeEnd: '10.1.0.7' }]]);
      given.push(...addressesIn(succeeded(await host.cni('ADD', conf, { container }))));
      succeeded(await host.cni('DEL', conf, { container }));
    }
    expect(given).toEqual(['10.1.0.5', '10.1.0.6', '10.1.0.7', '10.1.0.5']);
  });

  test('that are empty do not count', async ({ host }) => {
    await host.sh(`mkdir -p ${leases}; touch -d '1 hour ago' ${leases}/10.1.0.2`);
    const container = await host.container();
    const result = succeeded(await host.cni('ADD', withRanges([[{ subnet: '10.1.0.0/30' }]]), { container }));
    expect(addressesIn(result)).toEqual(['10.1.0.2']);
  });

  test("of the old form, without interface, are their container's", async ({ host }) => {
    const container = await host.container();
    await host.sh(`mkdir -p ${leases}; printf 'old \n' > ${leases}/10.1.0.2`);
    expectFailure(
      await host.cni('ADD', interfaceConf(), { container, args: 'IP=10.1.0.2' }),
      102,
      /container "old" holds it/,
    );
    succeeded(await host.cni('DEL', interfaceConf(), { container, containerId: 'old' }));
    expect(await leasesIn(host)).toEqual([]);
  });
});

describe('"dataDir"', () => {
  test('is where the leases are', async ({ host }) => {
    const container = await host.container();
    const conf = withRanges([[{ subnet: '10.1.0.0/24' }]], { dataDir: '/var/lib/other' });
    succeeded(await host.cni('ADD', conf, { container }));
    expect(await leasesIn(host, '/var/lib/other/net')).toEqual(['10.1.0.2']);
    succeeded(await host.cni('DEL', conf, { container, netns: '' }));
    expect(await leasesIn(host, '/var/lib/other/net')).toEqual([]);
  });

  test('of the ADD is used by a DEL whose conf has lost it', async ({ host }) => {
    const container = await host.container();
    const conf = withRanges([[{ subnet: '10.1.0.0/24' }]], { dataDir: '/var/lib/other' });
    succeeded(await host.cni('ADD', conf, { container }));
    succeeded(await host.cni('DEL', interfaceConf({ ipam: { type: 'host-local' } }), { container, netns: '' }));
    expect(await leasesIn(host, '/var/lib/other/net')).toEqual([]);
  });
});

describe('"ranges"', () => {
  test('give an address of each set', async ({ host }) => {
    const container = await host.container();
    const conf = interfaceConf({ ipam: hostLocal('10.1.0.0/24', '10.2.0.0/24', 'fd01::/64'), forceAddress: false });
    const result = succeeded(await host.cni('ADD', { ...conf, isDefaultGateway: false }, { container }));
    expect(addressesIn(result)).toEqual(['10.1.0.2', '10.2.0.2', 'fd01::2']);
    expect(await addressesOn(host, container, 'eth0')).toEqual(['10.1.0.2/24', '10.2.0.2/24', 'fd01::2/64']);
  });

  test('give the bridge a gateway address of each set of one family', async ({ host }) => {
    const container = await host.container();
    const result = await host.cni('ADD', interfaceConf({ ipam: hostLocal('10.1.0.0/24', '10.2.0.0/24') }), {
      container,
    });
    succeeded(result);
    expect(await addressesOn(host, host, 'br0')).toEqual(['10.1.0.1/24', '10.2.0.1/24']);
    expect(await routesOf(host, container, 4)).toEqual(['default via 10.1.0.1 dev eth0']);
  });

  test('of one set follow each other when the first is full', async ({ host }) => {
    const conf = withRanges([
      [
        { subnet: '10.1.0.0/24', rangeStart: '10.1.0.10', rangeEnd: '10.1.0.10' },
        { subnet: '10.1.0.0/24', rangeStart: '10.1.0.20', rangeEnd: '10.1.0.29' },
      ],
    ]);
    const given = [];
    for (let count = 0; count < 2; count++)
      given.push(...addressesIn(succeeded(await host.cni('ADD', conf, { container: await host.container() }))));
    expect(given).toEqual(['10.1.0.10', '10.1.0.20']);
  });

  test('may be one at the top level, as in old confs', async ({ host }) => {
    const container = await host.container();
    const ipam = { type: 'host-local', subnet: '10.1.0.0/24', rangeStart: '10.1.0.50', gateway: '10.1.0.3' };
    const result = succeeded(await host.cni('ADD', interfaceConf({ ipam }), { container }));
    expect(result['ips']).toEqual([{ address: '10.1.0.50/24', gateway: '10.1.0.3', interface: 2 }]);
  });

  test('of the capability "ipRanges" go before those of the conf, and DEL needs none of them', async ({ host }) => {
    const container = await host.container();
    const ipam = { type: 'host-local' };
    const runtimeConfig = { ipRanges: [[{ subnet: '10.7.0.0/24', rangeStart: '10.7.0.70' }]] };
    const result = succeeded(await host.cni('ADD', interfaceConf({ ipam, runtimeConfig }), { container }));
    expect(addressesIn(result)).toEqual(['10.7.0.70']);
    succeeded(await host.cni('DEL', interfaceConf({ ipam }), { container, netns: '' }));
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test('of the capability "ipRanges" may be the flat list with capitalised keys that go-cni sends', async ({
    host,
  }) => {
    const container = await host.container();
    const ipRanges = [{ Subnet: '10.7.0.0/24', RangeStart: '10.7.0.70', RangeEnd: '10.7.0.90', Gateway: '10.7.0.9' }];
    const conf = interfaceConf({ ipam: { type: 'host-local' }, runtimeConfig: { ipRanges } });
    const result = succeeded(await host.cni('ADD', conf, { container }));
    expect(result['ips'][0]).toEqual({ address: '10.7.0.70/24', gateway: '10.7.0.9', interface: 2 });
  });

  test.for([
    ['host bits', [[{ subnet: '10.1.0.7/24' }]], /10\.1\.0\.7\/24.*host bits/],
    ['too small a network', [[{ subnet: '10.1.0.0/32' }]], /10\.1\.0\.0\/32.*too small/],
    ['no network', [[{ subnet: '10.1.0.0' }]], /"ipam\.ranges\[0\]\[0\]\.subnet".*"10\.1\.0\.0"/],
    ['none', [], /no IP ranges specified/],
    ['an empty set', [[]], /empty range set/],
    ['mixed families', [[{ subnet: '10.1.0.0/24' }, { subnet: 'fd01::/64' }]], /mixed address families.*fd01::\/64/],
    ['an overlap', [[{ subnet: '10.1.0.0/24' }], [{ subnet: '10.1.0.0/25' }]], /overlaps 10\.1\.0\.1-10\.1\.0\.254/],
    ['a start outside', [[{ subnet: '10.1.0.0/24', rangeStart: '10.2.0.1' }]], /rangeStart".*"10\.2\.0\.1"/],
    [
      'an end before the start',
      [[{ subnet: '10.1.0.0/24', rangeStart: '10.1.0.9', rangeEnd: '10.1.0.3' }]],
      /rangeEnd".*"10\.1\.0\.3"/,
    ],
    ['a gateway that is none', [[{ subnet: '10.1.0.0/24', gateway: 'router' }]], /gateway".*"router"/],
    [
      'a wrong exclusion',
      [[{ subnet: '10.1.0.0/24', exclude: ['10.2.0.0/30'] }]],
      /"10\.2\.0\.0\/30" is not in "10\.1\.0\.0\/24"/,
    ],
    ['everything excluded', [[{ subnet: '10.1.0.0/30', exclude: ['10.1.0.2'] }]], /no address left to give/],
    ['an object', { subnet: '10.1.0.0/24' }, /"ipam\.ranges": it is an object, a list is expected/],
  ] as const)('with %s are refused with code 7', async ([, ranges, text], { host }) => {
    const container = await host.container();
    expectFailure(await host.cni('ADD', withRanges(ranges), { container }), 7, text);
    expect(await host.leftovers()).toEqual([]);
  });
});

describe('"exclude"', () => {
  test('keeps addresses, networks and spans from being given', async ({ host }) => {
    const conf = withRanges([[{ subnet: '10.1.0.0/28', exclude: ['10.1.0.2'] }]], {
      exclude: ['10.1.0.4/30', '10.1.0.8-10.1.0.12'],
    });
    const given = [];
    for (let count = 0; count < 3; count++)
      given.push(...addressesIn(succeeded(await host.cni('ADD', conf, { container: await host.container() }))));
    expect(given).toEqual(['10.1.0.3', '10.1.0.13', '10.1.0.14']);
    expectFailure(
      await host.cni('ADD', conf, { container: await host.container() }),
      101,
      /"10\.1\.0\.0\/28": all 3 are leased/,
    );
  });
});

describe('"routes"', () => {
  test('are in the container and in the result, with their properties', async ({ host }) => {
    const container = await host.container();
    const routes = [
      { dst: '10.50.0.0/16' },
      { dst: '10.51.0.0/16', gw: '10.1.0.9', mtu: 1300, advmss: 1200, priority: 50 },
      { dst: '10.52.0.0/16', table: 77 },
      { dst: '10.53.0.0/16', scope: 253 },
      { dst: 'fd50::/64' },
    ];
    const conf = withRanges([[{ subnet: '10.1.0.0/24' }], [{ subnet: 'fd01::/64' }]], { routes });
    const result = succeeded(
      await host.cni('ADD', { ...conf, isGateway: true, isDefaultGateway: false }, { container }),
    );
    expect(result['routes']).toEqual(routes);
    expect(await routesOf(host, container, 4)).toEqual([
      '10.50.0.0/16 via 10.1.0.1 dev eth0',
      '10.51.0.0/16 via 10.1.0.9 dev eth0 metric 50 mtu 1300 advmss 1200',
      '10.53.0.0/16 dev eth0 scope link',
    ]);
    const other = await host.run(['ip', 'route', 'show', 'table', '77'], { where: container });
    expect(other.trim()).toBe('10.52.0.0/16 via 10.1.0.1 dev eth0');
    expect((await routesOf(host, container, 6)).join()).toContain('fd50::/64 via fd01::1');
    succeeded(
      await host.cni('CHECK', { ...conf, isGateway: true, isDefaultGateway: false, prevResult: result }, { container }),
    );
  });

  test.for([
    ['dst', { dst: 'everywhere' }, /"ipam\.routes\[0\]\.dst".*"everywhere"/],
    ['gw', { dst: '0.0.0.0/0', gw: 'fd01::1' }, /"ipam\.routes\[0\]\.gw".*"fd01::1"/],
    ['mtu', { dst: '0.0.0.0/0', mtu: -5 }, /"ipam\.routes\[0\]\.mtu".*-5/],
  ] as const)('with a wrong %s are refused with code 7', async ([, route, text], { host }) => {
    const container = await host.container();
    const conf = withRanges([[{ subnet: '10.1.0.0/24' }]], { routes: [route] });
    expectFailure(await host.cni('ADD', conf, { container }), 7, text);
    expect(await host.leftovers()).toEqual([]);
  });
});

describe('"resolvConf"', () => {
  test('becomes the "dns" of the result', async ({ host }) => {
    await host.sh(
      `printf '# a\\nnameserver 9.9.9.9\\nnameserver fd01::53\\ndomain here\\nsearch a b\\noptions ndots:2\\n' > /run/resolv`,
    );
    const container = await host.container();
    const result = succeeded(
      await host.cni('ADD', withRanges([[{ subnet: '10.1.0.0/24' }]], { resolvConf: '/run/resolv' }), { container }),
    );
    expect(result['dns']).toEqual({
      nameservers: ['9.9.9.9', 'fd01::53'],
      domain: 'here',
      search: ['a', 'b'],
      options: ['ndots:2'],
    });
  });

  test('that cannot be read is refused with code 5, and nothing stays', async ({ host }) => {
    const container = await host.container();
    const conf = withRanges([[{ subnet: '10.1.0.0/24' }]], { resolvConf: '/run/nowhere' });
    expectFailure(await host.cni('ADD', conf, { container }), 5, /"\/run\/nowhere"/);
    expect(await attachmentsLeft(host)).toEqual([]);
  });
});

describe('a requested address', () => {
  test.for([
    ['CNI_ARGS', { args: 'IgnoreUnknown=1;K8S_POD_NAME=p;IP=10.1.0.99' }, {}],
    ['"args.cni.ips"', {}, { args: { cni: { ips: ['10.1.0.99'] } } }],
    ['"runtimeConfig.ips", with prefix length', {}, { runtimeConfig: { ips: ['10.1.0.99/24'] } }],
  ] as const)('is given when it comes by %s', async ([, options, changes], { host }) => {
    const container = await host.container();
    const result = succeeded(await host.cni('ADD', interfaceConf(changes), { container, ...options }));
    expect(addressesIn(result)).toEqual(['10.1.0.99', 'fd01::2']);
  });

  test('is given of each family when several are asked for', async ({ host }) => {
    const container = await host.container();
    const changes = { runtimeConfig: { ips: ['fd01::99'] } };
    const result = succeeded(await host.cni('ADD', interfaceConf(changes), { container, args: 'IP=10.1.0.99' }));
    expect(addressesIn(result)).toEqual(['10.1.0.99', 'fd01::99']);
  });

  test('is refused with code 102 and the name of its holder when it is taken', async ({ host }) => {
    const [c1, c2] = [await host.container(), await host.container()];
    succeeded(await host.cni('ADD', interfaceConf(), { container: c1 }));
    await host.takeBaseline();
    const outcome = await host.cni('ADD', interfaceConf(), { container: c2, args: 'IP=10.1.0.2' });
    expectFailure(outcome, 102, /"10\.1\.0\.2": container "c1" \(eth0\) holds it/);
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test.for([
    ['outside every range', '10.9.9.9', /failed to allocate all requested IPs: 10\.9\.9\.9/],
    ['a gateway', '10.1.0.1', /"10\.1\.0\.1": it is the subnet's gateway/],
    ['no address', '10.1.0', /"runtimeConfig\.ips\[0\]": it is "10\.1\.0"/],
  ] as const)('is refused with code 7 when it is %s', async ([, ip, text], { host }) => {
    const container = await host.container();
    const outcome = await host.cni('ADD', interfaceConf({ runtimeConfig: { ips: [ip] } }), { container });
    expectFailure(outcome, 7, text);
    expect(await attachmentsLeft(host)).toEqual([]);
  });
});

describe('ADD', () => {
  test('names the range set, its size and where to look when no address is free, and leaves nothing', async ({
    host,
  }) => {
    const conf = withRanges([[{ subnet: '10.1.0.0/24' }], [{ subnet: '10.2.0.0/30' }]]);
    succeeded(await host.cni('ADD', conf, { container: await host.container() }));
    await host.takeBaseline();
    const outcome = await host.cni('ADD', conf, { container: await host.container() });
    expectFailure(outcome, 101, 'Cannot reserve an address in "10.2.0.0/30": all 1 are leased');
    expect(outcome.error?.['details']).toMatch(/drawbridge list.*\/var\/lib\/cni\/networks\/net/);
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test('refuses two sets of one family when "cniVersion" has room for one', async ({ host }) => {
    const conf = { ...interfaceConf({ ipam: hostLocal('10.1.0.0/24', '10.2.0.0/24') }), cniVersion: '0.2.0' };
    expectFailure(await host.cni('ADD', conf, { container: await host.container() }), 7, /2 sets give IPv4 addresses/);
    expect(await host.leftovers()).toEqual([]);
  });
});
