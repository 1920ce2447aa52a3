/** Hosts as people have them: small MTUs, read-only /proc/sys, further addresses on a bridge, odd default routes. */
import { executable } from '../../helpers/executable.ts';
import { describe, expect, test, type Host } from '../../helpers/host.ts';
import {
  addressesOn,
  attachmentsLeft,
  expectFailure,
  hostLocal,
  interfaceConf,
  routesOf,
  show,
  succeeded,
  sysctl,
} from './network.ts';

const ipv4 = { ipam: hostLocal('10.1.0.0/24') };

describe('an MTU below 1280', () => {
  test.for([1279, 1000, 576, 68])('of %i works for a network of IPv4', async (mtu, { host }) => {
    const container = await host.container();
    const result = succeeded(await host.cni('ADD', interfaceConf({ ...ipv4, mtu }), { container }));
    expect((await show(host, container, 'link', 'eth0'))['mtu']).toBe(mtu);
    expect(await host.ping(container, '10.1.0.1')).toBe('answer');
    succeeded(await host.cni('CHECK', { ...interfaceConf({ ...ipv4, mtu }), prevResult: result }, { container }));
  });

  test('that comes from the uplink works for a network of IPv4', async ({ host }) => {
    const outside = await host.outside();
    await host.run(['ip', 'link', 'set', 'eth0', 'mtu', '1200']);
    const server = await host.serve(outside);
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf(ipv4), { container }));
    expect((await show(host, container, 'link', 'eth0'))['mtu']).toBe(1200);
    expect(await host.fetch(container, outside.v4, server.port)).toBe(outside.hostV4);
  });

  test.for([
    ['"mtu" of the conf', { mtu: 1279 }, 1500],
    ['the MTU of the uplink', {}, 1279],
  ] as const)('is refused with code 7 for a network with IPv6, by %s', async ([, changes, uplink], { host }) => {
    await host.outside();
    await host.run(['ip', 'link', 'set', 'eth0', 'mtu', String(uplink)]);
    await host.takeBaseline();
    const container = await host.container();
    const outcome = await host.cni('ADD', interfaceConf(changes), { container });
    expectFailure(outcome, 7, /MTU 1279.*IPv6.*1280/);
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test('of 1280 works for a network with IPv6', async ({ host }) => {
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf({ mtu: 1280 }), { container }));
    expect(await host.ping(container, 'fd01::1')).toBe('answer');
  });
});

describe('/proc/sys that is read-only', () => {
  const readOnly = 'mount -o bind,ro /proc/sys /proc/sys';

  test.for([
    ['without a policy', {}],
    ['with a policy', { egress: { mode: 'restricted' } }],
  ] as const)('is no obstacle %s where every value is right', async ([, changes], { host }) => {
    await host.serve(host, { port: 53, reply: 'host' });
    const [c1, c2] = [await host.container(), await host.container()];
    succeeded(await host.cni('ADD', interfaceConf(changes), { container: c1 }));
    await host.sh(readOnly);
    await host.sh('rm -rf /run/drawbridge/bridges');
    const result = succeeded(await host.cni('ADD', interfaceConf(changes), { container: c2 }));
    expect(await host.fetch(c2, '10.1.0.1', 53)).toBe('host');
    succeeded(await host.cni('CHECK', { ...interfaceConf(changes), prevResult: result }, { container: c2 }));
  });

  test('is no obstacle to a new bridge whose values the defaults make right', async ({ host }) => {
    await host.sh(`
      echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
      echo 0 > /proc/sys/net/ipv6/conf/default/accept_ra
      ${readOnly}`);
    await host.serve(host, { port: 53, reply: 'host' });
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf(), { container }));
    expect(await host.fetch(container, 'fd01::1', 53)).toBe('host');
  });

  test('is no obstacle where only values that refine differ', async ({ host }) => {
    await host.sh(`
      echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
      ${readOnly}`);
    await host.serve(host, { port: 53, reply: 'host' });
    const container = await host.container();
    const added = await host.cni('ADD', interfaceConf(), { container });
    succeeded(added);
    expect(added.stderr).toMatch(/accept_ra.*read-only.*router/);
    expect(added.stderr).not.toContain('route_localnet');
    expect(await host.fetch(container, '10.1.0.1', 53)).toBe('host');
  });

  test('is an error with the file named where forwarding is off', async ({ host }) => {
    await host.sh(readOnly);
    const container = await host.container();
    expectFailure(await host.cni('ADD', interfaceConf(), { container }), 100, '/proc/sys/net/ipv4/ip_forward');
    expect(await attachmentsLeft(host)).toEqual([]);
  });
});

describe('a further address of the bridge', () => {
  const vip = '10.1.0.200/32';
  const other = '172.29.0.1/24';

  async function withFurther(host: Host, address: string): Promise<void> {
    const c1 = await host.container('c-first');
    succeeded(await host.cni('ADD', interfaceConf(), { container: c1 }));
    await host.run(['ip', 'addr', 'add', address, 'dev', 'br0']);
    await host.sh('rm -rf /run/drawbridge/bridges');
  }

  test.for([
    [vip, false],
    [vip, true],
    [other, false],
    [other, true],
    ['10.1.0.200/24', false],
    ['fd99::1/64', true],
    ['fd01::99/64', false],
    ['fd01::99/128', true],
  ] as const)('%s is left alone by an ADD with "forceAddress" %j', async ([address, forceAddress], { host }) => {
    await withFurther(host, address);
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf({ forceAddress }), { container }));
    expect((await addressesOn(host, host, 'br0')).toSorted()).toEqual(
      ['10.1.0.1/24', address, 'fd01::1/64'].toSorted(),
    );
    expect(await host.ping(container, '10.1.0.1')).toBe('answer');
  });

  test('of a range set that left the conf does not stop the next ADD', async ({ host }) => {
    const [c1, c2] = [await host.container(), await host.container()];
    const both = interfaceConf({ ipam: hostLocal('10.1.0.0/24', '10.2.0.0/24') });
    succeeded(await host.cni('ADD', both, { container: c1 }));
    succeeded(await host.cni('ADD', interfaceConf(ipv4), { container: c2 }));
    expect(await addressesOn(host, host, 'br0')).toEqual(['10.1.0.1/24', '10.2.0.1/24']);
    expect(await host.ping(c1, '10.2.0.1')).toBe('answer');
  });

  test('of "ipRanges" of one pod does not stop pods without', async ({ host }) => {
    const [c1, c2, c3] = [await host.container(), await host.container(), await host.container()];
    const ranged = interfaceConf({ ...ipv4, runtimeConfig: { ipRanges: [[{ subnet: '10.5.0.0/24' }]] } });
    succeeded(await host.cni('ADD', interfaceConf(ipv4), { container: c1 }));
    succeeded(await host.cni('ADD', ranged, { container: c2 }));
    succeeded(await host.cni('ADD', interfaceConf(ipv4), { container: c3 }));
    expect(await host.ping(c3, '10.1.0.1')).toBe('answer');
    expect(await host.ping(c2, '10.5.0.1')).toBe('answer');
  });

  test('of IPv4 does not stop a range set that is new', async ({ host }) => {
    await withFurther(host, other);
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf({ ipam: hostLocal('10.1.0.0/24', '10.2.0.0/24') }), { container }));
    expect(await addressesOn(host, host, 'br0')).toEqual(['10.1.0.1/24', other, '10.2.0.1/24', 'fd01::1/64']);
  });
});

describe('the MTU of a bridge that the conf gives none', () => {
  async function mtuWith(host: Host, script: string): Promise<unknown> {
    await host.outside();
    await host.sh(script);
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf(), { container }));
    return (await show(host, container, 'link', 'eth0'))['mtu'];
  }

  test('is not that of loopback where a default route leads there', async ({ host }) => {
    const script = 'ip route del default; ip -6 route del default; ip route add default dev lo';
    expect(await mtuWith(host, script)).toBe(1500);
  });

  test('is not that of loopback where a better default route leads there', async ({ host }) => {
    const script = `
      ip route del default; ip -6 route del default; ip link set eth0 mtu 1400
      ip route add default via 192.0.2.2 metric 100; ip route add default dev lo metric 10`;
    expect(await mtuWith(host, script)).toBe(1400);
  });

  test.for([
    ['first', 1420, 1480],
    ['second', 1480, 1420],
  ] as const)(
    'is the smallest of a default route with several ways, when it is the %s',
    async ([, first, second], { host }) => {
      const script = `
      ip link add up1 type veth peer name up2; ip link set up2 up; ip addr add 198.51.100.1/24 dev up1; ip link set up1 up; ip link set up1 mtu ${second}
      ip link set eth0 mtu ${first}; ip route del default
      ip route add default nexthop via 192.0.2.2 nexthop via 198.51.100.2`;
      expect(await mtuWith(host, script)).toBe(1420);
    },
  );

  test('is the smallest of an IPv6 default route with several ways', async ({ host }) => {
    const script = `
      ip link add up1 type veth peer name up2; ip link set up2 up; ip addr add 2001:db8:1::1/64 dev up1 nodad; ip link set up1 up; ip link set up1 mtu 1380
      ip route del default; ip -6 route del default
      ip -6 route add default nexthop via 2001:db8:ffff::2 dev eth0 nexthop via 2001:db8:1::2 dev up1`;
    expect(await mtuWith(host, script)).toBe(1380);
  });

  test('is the smallest of default routes with one metric', async ({ host }) => {
    const script = `
      ip link add up1 type veth peer name up2; ip link set up2 up; ip addr add 198.51.100.1/24 dev up1; ip link set up1 up; ip link set up1 mtu 1390
      ip route append default via 198.51.100.2`;
    expect(await mtuWith(host, script)).toBe(1390);
  });
});

describe('a route of "ipam"', () => {
  test.for([
    ['10.9.8.7/16', '10.9.0.0/16'],
    ['fd09::7/64', 'fd09::/64'],
  ] as const)('%s with host bits leads to its network', async ([dst, network], { host }) => {
    const container = await host.container();
    const conf = interfaceConf({ ipam: { ...hostLocal('10.1.0.0/24', 'fd01::/64'), routes: [{ dst }] } });
    const result = succeeded(await host.cni('ADD', conf, { container }));
    const routes = [...(await routesOf(host, container, 4)), ...(await routesOf(host, container, 6))];
    expect(routes.join('\n')).toContain(`${network} via`);
    succeeded(await host.cni('CHECK', { ...conf, prevResult: result }, { container }));
  });

  test('that is the default route stands once in the result', async ({ host }) => {
    const container = await host.container();
    const ipam = { ...hostLocal('10.1.0.0/24', 'fd01::/64'), routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }] };
    const conf = interfaceConf({ ipam });
    const result = succeeded(await host.cni('ADD', conf, { container }));
    expect(result['routes']).toEqual([
      { dst: '0.0.0.0/0', gw: '10.1.0.1' },
      { dst: '::/0', gw: 'fd01::1' },
    ]);
    expect(await routesOf(host, container, 4)).toEqual(['default via 10.1.0.1 dev eth0']);
    succeeded(await host.cni('CHECK', { ...conf, prevResult: result }, { container }));
  });
});

describe('a gateway outside of its subnet', () => {
  const ipam = { type: 'host-local', ranges: [[{ subnet: '10.1.0.0/24', gateway: '10.1.1.1' }]] };

  test('is accepted where the bridge is no gateway', async ({ host }) => {
    const container = await host.container();
    const result = succeeded(
      await host.cni('ADD', interfaceConf({ ipam, isDefaultGateway: false, ipMasq: false }), { container }),
    );
    expect(result['ips']).toMatchObject([{ address: '10.1.0.1/24', gateway: '10.1.1.1' }]);
  });

  test('is refused with code 7 where the bridge is a gateway', async ({ host }) => {
    const container = await host.container();
    expectFailure(await host.cni('ADD', interfaceConf({ ipam }), { container }), 7, '"10.1.1.1"');
    expect(await host.leftovers()).toEqual([]);
  });
});

describe('the network namespace', () => {
  test.for(['a b', 'a#b', 'quote"', "it's", 'semi;colon', 'back\\slash'])(
    'at a path with %j is connected, checked and left',
    async (name, { host }) => {
      const container = await host.container(name);
      const result = succeeded(await host.cni('ADD', interfaceConf(), { container, containerId: 'c1' }));
      expect(await host.ping(container, '10.1.0.1')).toBe('answer');
      expect(await host.ping(container, 'fd01::1')).toBe('answer');
      const conf = { ...interfaceConf(), prevResult: result };
      succeeded(await host.cni('CHECK', conf, { container, containerId: 'c1' }));
      succeeded(await host.cni('DEL', conf, { container, containerId: 'c1' }));
      expect(await attachmentsLeft(host)).toEqual([]);
    },
  );
});

describe('the name of a bridge', () => {
  test.for(['br*', 'br?', 'br[0]', 'br$x', 'br%d', 'br@1', 'ü0', '-br', 'br|x', 'br`x'])(
    '%j works, or is refused with code 7 and the name',
    async (bridge, { host }) => {
      const container = await host.container();
      const outcome = await host.cni('ADD', interfaceConf({ bridge }), { container });
      if (outcome.code === 0) {
        expect(await host.ping(container, '10.1.0.1')).toBe('answer');
        succeeded(await host.cni('DEL', interfaceConf({ bridge }), { container }));
      } else expectFailure(outcome, 7, JSON.stringify(bridge));
      expect(outcome.stderr).not.toMatch(/ at .*:\d+/);
    },
  );
});

test('a bridge with an address that "static" gives to the container too is refused', async ({ host }) => {
  const container = await host.container();
  const ipam = { type: 'static', addresses: [{ address: '10.1.0.1/24', gateway: '10.1.0.1' }] };
  expectFailure(
    await host.cni('ADD', interfaceConf({ cniVersion: '1.0.0', ipam }), { container, path: '/usr/lib/cni' }),
    7,
    /"10\.1\.0\.1".*gateway/,
  );
  expect(await attachmentsLeft(host)).toEqual([]);
});

describe('/var/lib/cni', () => {
  test('that is read-only is named with its reason', async ({ host }) => {
    await host.sh('mkdir -p /var/lib/cni; mount -t tmpfs -o ro none /var/lib/cni');
    const container = await host.container();
    const outcome = await host.cni('ADD', interfaceConf(), { container });
    expectFailure(outcome, 5, /"\/var\/lib\/cni\/networks\/net".*read-only/);
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test.for([
    [
      'bytes',
      'mount -t tmpfs -o size=32k none /var/lib/cni; mkdir -p /var/lib/cni/networks/net; head -c 40000 /dev/zero > /var/lib/cni/fill0 || true',
    ],
    [
      'inodes',
      'mount -t tmpfs -o nr_inodes=12 none /var/lib/cni; mkdir -p /var/lib/cni/networks/net; for n in 0 1 2 3 4 5 6 7 8 9; do touch /var/lib/cni/fill$n || true; done',
    ],
  ] as const)('that is full of %s is named with its reason', async ([, fill], { host }) => {
    await host.sh(`mkdir -p /var/lib/cni; ${fill}`);
    const container = await host.container();
    const outcome = await host.cni('ADD', interfaceConf(), { container });
    expectFailure(outcome, 5, /"\/var\/lib\/cni\/networks\/net\/[^"]+".*no space/);
    expect(`${outcome.error?.['msg']} ${outcome.error?.['details']}`).not.toMatch(/ENOSPC|EROFS/);
    await host.sh('rm /var/lib/cni/fill*');
    succeeded(await host.cni('ADD', interfaceConf(), { container }));
  });
});

test('forwarding that is on is not written again', async ({ host }) => {
  await host.sh('echo 1 > /proc/sys/net/ipv4/ip_forward');
  const container = await host.container();
  succeeded(await host.cni('ADD', interfaceConf(ipv4), { container }));
  expect(await sysctl(host, host, 'ipv4/ip_forward')).toBe('1');
});

describe('one port of the host on two networks of a container', () => {
  const ports = (hostPort = 8080) => ({
    runtimeConfig: { portMappings: [{ hostPort, containerPort: 80, protocol: 'tcp' }] },
  });
  const first = { ...interfaceConf({ name: 'a', ipam: hostLocal('10.1.0.0/24', 'fd01::/64') }), ...ports() };
  const second = {
    ...interfaceConf({ name: 'b', bridge: 'br1', ipam: hostLocal('10.2.0.0/24', 'fd02::/64') }),
    ...ports(),
  };

  test.for([
    ['the first network', {}, {}],
    ['the second network by its metric', { metric: 200 }, { metric: 100 }],
    ['the second network, which alone has a default route', { isDefaultGateway: false, isGateway: true }, {}],
  ] as const)('is reached from outside with rp_filter 1, by %s', async ([, changes, others], { host }) => {
    const outside = await host.outside();
    await host.sh('for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 1 > $f; done');
    const container = await host.container();
    const [one, two] = [
      { ...first, ...changes },
      { ...second, ...others },
    ];
    const made = succeeded(await host.cni('ADD', one, { container }));
    await host.serve(container, { port: 80, reply: 'inside' });
    const patient = { timeout: 3000 };
    const both = async () => [
      await host.fetch(outside, outside.hostV4, 8080, patient),
      await host.fetch(outside, outside.hostV6, 8080, patient),
    ];
    const last = succeeded(await host.cni('ADD', two, { container, ifname: 'eth1' }));
    expect(await both()).toEqual(['inside', 'inside']);
    succeeded(await host.cni('CHECK', { ...one, prevResult: made }, { container }));
    succeeded(await host.cni('CHECK', { ...two, prevResult: last }, { container, ifname: 'eth1' }));
    succeeded(await host.cni('DEL', two, { container, ifname: 'eth1' }));
    succeeded(await host.cni('ADD', two, { container, ifname: 'eth1' }));
    succeeded(await host.cni('DEL', one, { container }));
    expect(await both()).toEqual(['inside', 'inside']);
  });
});

describe('a mapping in a family that the container lacks', () => {
  const mapped = (subnet: string, hostIP?: string) =>
    interfaceConf({
      name: subnet.includes(':') ? 'six' : 'four',
      bridge: subnet.includes(':') ? 'br6' : 'br4',
      ipam: hostLocal(subnet),
      runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp', hostIP }] },
    });

  test.for([
    ['::', '10.1.0.0/24', 6],
    ['2001:db8:ffff::1', '10.1.0.0/24', 6],
    ['0.0.0.0', 'fd01::/64', 4],
    ['192.0.2.1', 'fd01::/64', 4],
  ] as const)(
    'at %s for a container in %s is told, and neither listed nor reserved',
    async ([hostIP, subnet, family], { host }) => {
      const outside = await host.outside();
      const [c1, c2] = [await host.container(), await host.container()];
      const added = await host.cni('ADD', mapped(subnet, hostIP), { container: c1 });
      succeeded(added);
      expect(added.stderr).toContain(`is not published: the container has no IPv${family} address`);
      expect(JSON.parse(await host.run([executable, 'list', '--json']))).toMatchObject([{ ports: [] }]);
      const other = mapped(subnet.includes(':') ? '10.1.0.0/24' : 'fd01::/64', hostIP);
      succeeded(await host.cni('ADD', other, { container: c2 }));
      await host.serve(c2, { port: 80, reply: 'second' });
      expect(await host.fetch(outside, family === 6 ? outside.hostV6 : outside.hostV4, 8080)).toBe('second');
    },
  );

  test('that is for both families is published for the one, and free for others in the other', async ({ host }) => {
    const outside = await host.outside();
    const [c1, c2] = [await host.container(), await host.container()];
    for (const [container, subnet] of [
      [c1, '10.1.0.0/24'],
      [c2, 'fd01::/64'],
    ] as const) {
      const added = await host.cni('ADD', mapped(subnet), { container });
      succeeded(added);
      expect(added.stderr).toBe('');
      await host.serve(container, { port: 80, reply: subnet });
    }
    expect(await host.fetch(outside, outside.hostV4, 8080)).toBe('10.1.0.0/24');
    expect(await host.fetch(outside, outside.hostV6, 8080)).toBe('fd01::/64');
  });
});

describe('a bridge with 1023 ports', () => {
  test('is told by ADD and by STATUS, which were well with one less', async ({ host }) => {
    const [c1, c2] = [await host.container(), await host.container()];
    await host.run(['ip', 'link', 'add', 'br0', 'type', 'bridge']);
    const lines = Array.from(
      { length: 1022 },
      (_, at) => `link add p${at} master br0 type veth peer name q${at}\n`,
    ).join('');
    await host.run(['ip', '-batch', '-'], { input: lines, timeout: 60_000 });
    const conf = interfaceConf();
    succeeded(await host.cni('STATUS', conf));
    succeeded(await host.cni('ADD', conf, { container: c1 }));
    await host.takeBaseline();
    expectFailure(await host.cni('STATUS', conf), 50, '"br0" has 1023 ports, and room for no more');
    expectFailure(await host.cni('ADD', conf, { container: c2 }), 100, '"br0": the bridge has 1023 ports');
    expect(await attachmentsLeft(host)).toEqual([]);
    expect(await host.ping(c1, '10.1.0.1')).toBe('answer');
  });
});

test('a route of IPv6 is passed over, and not in the result, where the kernel has no IPv6', async ({ host }) => {
  // What tells of it: there is no /proc/sys/net/ipv6.
  await host.sh(`
    mkdir /run/net; mount --bind /proc/sys/net /run/net; mount -t tmpfs none /proc/sys/net
    for each in core ipv4 netfilter bridge; do mkdir /proc/sys/net/$each; mount --bind /run/net/$each /proc/sys/net/$each; done`);
  const container = await host.container();
  const ipam = { ...hostLocal('10.1.0.0/24'), routes: [{ dst: '::/0' }, { dst: 'fd09::/64' }, { dst: '10.9.0.0/16' }] };
  const conf = interfaceConf({ ipam });
  const result = succeeded(await host.cni('ADD', conf, { container }));
  expect(result['routes']).toEqual([{ dst: '10.9.0.0/16' }, { dst: '0.0.0.0/0', gw: '10.1.0.1' }]);
  succeeded(await host.cni('CHECK', { ...conf, prevResult: result }, { container }));
});

describe('forwarding that is off for new devices', () => {
  test.for(['default', 'br0'] as const)('at %s is on at our bridge after an ADD', async (name, { host }) => {
    const outside = await host.outside();
    const server = await host.serve(outside);
    await host.sh('echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding');
    if (name === 'br0') await host.run(['ip', 'link', 'add', 'br0', 'type', 'bridge']);
    await host.sh(
      `echo 0 > /proc/sys/net/ipv4/conf/${name}/forwarding; echo 0 > /proc/sys/net/ipv6/conf/${name}/forwarding`,
    );
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf(), { container }));
    expect(await host.fetch(container, outside.v4, server.port)).toBe(outside.hostV4);
    expect(await host.fetch(container, outside.v6, server.port)).toBe(outside.hostV6);
  });
});

describe('an output that cannot be written', () => {
  const run = (host: Host, words: string, env?: Record<string, string>) =>
    host.exec(['/bin/sh', '-c', words], env === undefined ? {} : { env, input: JSON.stringify(interfaceConf()) });

  test.for(['list', 'list --json', 'help', 'doctor'])('of "%s" is an error in a sentence', async (words, { host }) => {
    const { code, stderr } = await run(host, `${executable} ${words} > /dev/full`);
    expect(code).toBe(1);
    expect(stderr).toBe('drawbridge: Cannot write the output: no space is left on the file system\n');
  });

  test('of ADD is a failure in a sentence', async ({ host }) => {
    const container = await host.container();
    const { code, stderr } = await run(host, `${executable} > /dev/full`, {
      PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
      CNI_COMMAND: 'ADD',
      CNI_CONTAINERID: 'c1',
      CNI_NETNS: container.netns,
      CNI_IFNAME: 'eth0',
      CNI_PATH: '/opt/cni/bin',
    });
    expect(code).toBe(1);
    expect(stderr).toContain('Cannot write the result: no space is left on the file system\n');
    expect(stderr).not.toMatch(/ at .*:\d+/);
  });
});
