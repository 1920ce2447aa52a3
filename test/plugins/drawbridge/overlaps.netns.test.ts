/** Networks of the host that are the attachment's too. */
import { describe, expect, test, type Host } from '../../helpers/host.ts';
import { addressesIn, attachmentsLeft, expectFailure, hostLocal, interfaceConf, succeeded } from './network.ts';

const ipv4 = interfaceConf({ ipam: hostLocal('10.1.0.0/24') });
const ipv6 = interfaceConf({ ipam: hostLocal('fd01::/64') });
const other = interfaceConf({ name: 'other', bridge: 'br1' });

/** A port that makes a bridge one in use. */
const port = (bridge: string) =>
  `ip link add p-${bridge} type veth peer name q-${bridge}; ip link set p-${bridge} master ${bridge}`;

describe('a subnet that another interface in use is in', () => {
  test.for([
    ['the bridge of another network of ours', 'br1', ''],
    [
      'a bridge with a port that is down',
      'docker0',
      `ip link add docker0 type bridge; ip addr add 10.1.0.1/24 dev docker0; ip link set docker0 up; ${port('docker0')}`,
    ],
    [
      'a bridge that is down and has a port',
      'docker0',
      `ip link add docker0 type bridge; ip addr add 10.1.0.7/24 dev docker0; ${port('docker0')}`,
    ],
    ['the uplink', 'eth0', 'ip addr add 10.1.0.77/24 dev eth0'],
    [
      'a tunnel',
      'wg0',
      'ip link add wg0 type veth peer name wg1; ip link set wg0 up; ip addr add 10.1.0.78/24 dev wg0',
    ],
    ['the uplink, with IPv6', 'eth0', 'ip addr add fd01::77/64 dev eth0 nodad'],
  ] as const)('is refused with code 102 and the name of %s', async ([, name, script], { host }) => {
    await host.outside();
    const container = await host.container();
    if (script === '') succeeded(await host.cni('ADD', other, { container: await host.container('first') }));
    else await host.sh(script);
    await host.takeBaseline();
    const outcome = await host.cni('ADD', interfaceConf(), { container });
    expectFailure(await host.cni('STATUS', interfaceConf()), 50, `"${name}" is in it`);
    expectFailure(outcome, 102, new RegExp(`"(?:10\\.1\\.0\\.0/24|fd01::/64)" on "br0": "${name}" is in it`));
    expect(await attachmentsLeft(host)).toEqual([]);
    expect(await host.exec(['ip', 'link', 'show', 'br0'])).toMatchObject({ code: 1 });
  });

  test('does not stop a network that was there first', async ({ host }) => {
    const [c1, c2] = [await host.container(), await host.container()];
    succeeded(await host.cni('ADD', interfaceConf(), { container: c1 }));
    await host.sh(
      `ip link add docker0 type bridge; ip addr add 10.1.0.1/24 dev docker0; ip link set docker0 up; ${port('docker0')}`,
    );
    const added = await host.cni('ADD', interfaceConf(), { container: c2 });
    succeeded(added);
    expect(added.stderr).toContain('"docker0" with "10.1.0.1/24" is in the subnet "10.1.0.0/24" of "br0" too');
    succeeded(await host.cni('STATUS', interfaceConf()));
    expect(await host.ping(c2, '10.1.0.1')).toBe('answer');
  });

  test('is refused to one of two first ADDs on two bridges, whichever comes second', async ({ host }) => {
    for (let round = 0; round < 8; round += 1) {
      const containers = await Promise.all([1, 2].map(async (n) => host.container(`r${round}-${n}`)));
      const confs = round % 2 === 0 ? [interfaceConf(), other] : [other, interfaceConf()];
      const outcomes = await Promise.all(
        containers.map(async (container, index) => host.cni('ADD', confs[index] ?? other, { container })),
      );
      expect(outcomes.map(({ error }) => error?.['code'] ?? 0).toSorted((a, b) => a - b)).toEqual([0, 102]);
      const winner = outcomes.findIndex(({ code }) => code === 0);
      expect(await host.ping(containers[winner] ?? host, '10.1.0.1')).toBe('answer');
      await Promise.all(
        containers.map(async (container, index) => host.cni('DEL', confs[index] ?? other, { container })),
      );
    }
  });

  test('is refused to two first ADDs at once on one bridge', async ({ host }) => {
    await host.outside();
    await host.sh('ip addr add 10.1.0.77/24 dev eth0');
    const containers = await Promise.all([1, 2, 3].map(async (n) => host.container(`c${n}`)));
    const outcomes = await Promise.all(
      containers.map(async (container) => host.cni('ADD', interfaceConf(), { container })),
    );
    expect(outcomes.map(({ error }) => error?.['code'])).toEqual([102, 102, 102]);
  });

  test('is no matter where the bridge is no gateway', async ({ host }) => {
    await host.outside();
    await host.sh('ip addr add 10.1.0.77/24 dev eth0');
    const container = await host.container();
    const conf = interfaceConf({ isDefaultGateway: false, ipMasq: false });
    const added = await host.cni('ADD', conf, { container });
    succeeded(added);
    expect(added.stderr).toBe('');
  });

  test('is no matter on its own bridge, with two networks', async ({ host }) => {
    const [c1, c2] = [await host.container(), await host.container()];
    succeeded(await host.cni('ADD', interfaceConf(), { container: c1 }));
    const added = await host.cni(
      'ADD',
      interfaceConf({ name: 'second', ipam: { ...hostLocal('10.1.0.0/24'), rangeStart: undefined } }),
      { container: c2, args: 'IP=10.1.0.9' },
    );
    succeeded(added);
    expect(added.stderr).toBe('');
  });
});

describe('a subnet that an interface without use is in', () => {
  async function reachedBothWays(host: Host, script: string, conf = interfaceConf()): Promise<string> {
    const outside = await host.outside();
    const server = await host.serve(outside);
    await host.sh(script);
    const container = await host.container();
    const added = await host.cni('ADD', conf, { container });
    const addresses = addressesIn(succeeded(added));
    for (const address of addresses) {
      const isV6 = address.includes(':');
      expect(await host.ping(container, isV6 ? 'fd01::1' : '10.1.0.1'), address).toBe('answer');
      expect(await host.ping(host, address), address).toBe('answer');
      const [there, from] = isV6 ? [outside.v6, outside.hostV6] : [outside.v4, outside.hostV4];
      expect(await host.fetch(container, there, server.port), address).toBe(from);
    }
    succeeded(await host.cni('DEL', conf, { container }));
    return added.stderr;
  }

  const up =
    'ip link add stale0 type bridge; ip link set stale0 up; ip addr add 10.1.0.1/24 dev stale0; ip addr add fd01::1/64 dev stale0 nodad';

  test.for([
    ['a bridge that is up and never had a port', up, ipv4],
    ['a bridge that is up and never had a port, with IPv6', up, ipv6],
    [
      'a bridge that lost its ports',
      `${up}; ${port('stale0')}; ip link set p-stale0 up; ip link set q-stale0 up; ip link del p-stale0`,
      interfaceConf(),
    ],
    [
      'a bridge with another address of it',
      'ip link add stale0 type bridge; ip link set stale0 up; ip addr add 10.1.0.200/24 dev stale0',
      ipv4,
    ],
    ['a bridge that is down', 'ip link add stale0 type bridge; ip addr add 10.1.0.1/24 dev stale0', ipv4],
    [
      'an interface that is down',
      'ip link add stale0 type veth peer name stale1; ip addr add 10.1.0.1/24 dev stale0',
      ipv4,
    ],
  ] as const)('is warned of, and works: %s', async ([, script, conf], { host }) => {
    expect(await reachedBothWays(host, script, conf)).toMatch(
      /"stale0" with ".*" is in the subnet ".*" too and not in use/,
    );
  });

  test('works when the stale bridge is our own of before', async ({ host }) => {
    const container = await host.container('before');
    succeeded(await host.cni('ADD', other, { container }));
    succeeded(await host.cni('DEL', other, { container }));
    expect(await reachedBothWays(host, '')).toContain('"br1"');
  });

  test('works again when the other bridge is back in use', async ({ host }) => {
    const [c1, c2] = [await host.container(), await host.container()];
    succeeded(await host.cni('ADD', other, { container: c1 }));
    succeeded(await host.cni('DEL', other, { container: c1 }));
    succeeded(await host.cni('ADD', interfaceConf(), { container: c1 }));
    expectFailure(await host.cni('ADD', other, { container: c2 }), 102, '"br0" is in it');
    succeeded(await host.cni('DEL', interfaceConf(), { container: c1 }));
    for (const address of addressesIn(succeeded(await host.cni('ADD', other, { container: c2 }))))
      expect(await host.ping(host, address), address).toBe('answer');
    expect(await host.ping(c2, '10.1.0.1')).toBe('answer');
  });
});

describe('STATUS of a range set with several subnets', () => {
  const ranges = (...subnets: string[]) =>
    interfaceConf({ ipam: { type: 'host-local', ranges: [subnets.map((subnet) => ({ subnet }))] } });

  test('is code 50 only when others are in all of them', async ({ host }) => {
    await host.outside();
    await host.sh('ip addr add 10.1.0.77/24 dev eth0');
    succeeded(await host.cni('STATUS', ranges('10.1.0.0/24', '10.2.0.0/24')));
    await host.sh('ip addr add 10.2.0.77/24 dev eth0');
    expectFailure(await host.cni('STATUS', ranges('10.1.0.0/24', '10.2.0.0/24')), 50, '"10.1.0.0/24"');
  });
});

describe('a subnet that overlaps another', () => {
  test.for([
    ['that is wider', '10.0.0.7/8'],
    ['that is narrower', '10.1.0.129/25'],
    ['that is wider, with IPv6', 'fd01::9/48'],
  ] as const)('%s is warned of with both names', async ([, address], { host }) => {
    await host.outside();
    await host.run(['ip', 'addr', 'add', address, 'dev', 'eth0']);
    const container = await host.container();
    const added = await host.cni('ADD', interfaceConf(), { container });
    succeeded(added);
    expect(added.stderr).toMatch(new RegExp(`"br0" overlaps that of "eth0" with "${address}"`));
    expect(await host.ping(container, '10.1.0.1')).toBe('answer');
  });

  test.for(['10.2.0.1/24', '10.1.0.200/32', 'fd01:0:0:1::1/64', 'fd01::5/128'])(
    'is not %s',
    async (address, { host }) => {
      await host.outside();
      await host.run(['ip', 'addr', 'add', address, 'dev', 'eth0']);
      const container = await host.container();
      const added = await host.cni('ADD', interfaceConf(), { container });
      succeeded(added);
      expect(added.stderr).toBe('');
    },
  );
});

describe('an address of the host', () => {
  test.for([
    ['the bridge, a further one', 'br0', '10.1.0.2/24'],
    ['the bridge, alone', 'br0', '10.1.0.2/32'],
    ['another interface', 'eth0', '10.1.0.2/32'],
    ['another interface, of IPv6', 'eth0', 'fd01::2/128'],
  ] as const)('on %s is given to no container', async ([, name, address], { host }) => {
    await host.outside();
    const [c1, c2] = [await host.container(), await host.container()];
    succeeded(await host.cni('ADD', interfaceConf(), { container: c1 }));
    succeeded(await host.cni('DEL', interfaceConf(), { container: c1 }));
    await host.sh(`ip addr add ${address} dev ${name}; rm -rf /var/lib/cni/networks/net`);
    expectFailure(
      await host.cni('ADD', interfaceConf(), { container: c2 }),
      102,
      `"${address}": it is the host's, on "${name}"`,
    );
    succeeded(await host.cni('ADD', interfaceConf(), { container: c2 }));
  });
});
