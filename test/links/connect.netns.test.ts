import { describe, expect, test, type Host } from '../helpers/host.ts';
import { attach, call, dual, fail, ipv4, ipv6, numbered, succeed } from './attachment.ts';

describe('connect()', () => {
  test.for([
    ['IPv4', ipv4, ['10.88.0.1']],
    ['IPv6', ipv6, ['fd00:88::1']],
    ['both families', dual, ['10.88.0.1', 'fd00:88::1']],
  ] as const)('makes %s usable from both sides by the time it returns', async ([, addresses, gateways], { host }) => {
    const c1 = await host.container('c1');
    const { bridge, pair, expected } = attach(addresses);
    const pings = [
      ...gateways.map((address) => ['nsenter', `--net=${c1.netns}`, '--', 'ping', '-c1', '-W1', address]),
      ...addresses.map((address) => ['ping', '-c1', '-W1', address.split('/')[0] ?? '']),
    ];
    const [, differences] = await succeed(host, ['connect', bridge, pair], ['check', expected]);
    expect(differences).toEqual([]);
    for (const ping of pings) expect(await host.exec(ping)).toMatchObject({ code: 0 });
  });

  test('lets a packet through in the moment it returns, for both families', async ({ host }) => {
    await host.container('c1');
    const { bridge, pair } = attach(dual);
    const [, state, first, second] = await succeed(
      host,
      ['connect', bridge, pair],
      ['readInterface', pair.hostInterface],
      ['ping', '/run/netns/c1', 'fd00:88::1'],
      ['ping', '/run/netns/c1', '10.88.0.1'],
    );
    expect(state).toMatchObject({ portState: 'forwarding' });
    expect([first, second]).toEqual([true, true]);
  });

  test('turns hairpin and isolation on for the port only', async ({ host }) => {
    await host.container('c1');
    const { bridge, pair, expected } = attach(ipv4, { hairpinMode: true, portIsolation: true });
    const [, differences, state] = await succeed(
      host,
      ['connect', bridge, pair],
      ['check', expected],
      ['readInterface', pair.hostInterface],
    );
    expect(differences).toEqual([]);
    expect(state).toMatchObject({ hairpin: true, isolated: true });
  });

  test('keeps isolated containers apart and both reach the host', async ({ host }) => {
    const [c1, c2] = [await host.container('c1'), await host.container('c2')];
    const one = numbered(1, c1.netns, ['10.88.0.2/16'], { portIsolation: true });
    const two = numbered(2, c2.netns, ['10.88.0.3/16'], { portIsolation: true });
    await succeed(host, ['connect', one.bridge, one.pair], ['connect', two.bridge, two.pair]);
    expect(await reaches(host, c1.netns, '10.88.0.1')).toBe(true);
    expect(await reaches(host, c1.netns, '10.88.0.3')).toBe(false);
  });

  test('sets the MTU of the bridge and both ends, and the bridge keeps it without ports', async ({ host }) => {
    await host.container('c1');
    const { bridge, pair, expected } = attach(ipv4, { mtu: 9000 });
    const [, differences, , left] = await succeed(
      host,
      ['connect', bridge, pair],
      ['check', expected],
      ['removeVeth', pair.hostInterface],
      ['readInterface', bridge.name],
    );
    expect(differences).toEqual([]);
    expect(left).toMatchObject({ mtu: 9000 });
  });

  test('keeps the MAC of the bridge while ports come and go', async ({ host }) => {
    await host.container('c1');
    const { bridge, pair } = attach(ipv4);
    const macs = await succeed(
      host,
      ['connect', bridge, pair],
      ['readInterface', bridge.name],
      ['removeVeth', pair.hostInterface],
      ['readInterface', bridge.name],
    );
    const [{ mac } = expect.fail()] = bridge.create.filter((command) => command.kind === 'addBridge');
    expect([macs[1], macs[3]]).toMatchObject([{ mac }, { mac }]);
  });

  test('refuses a second ADD of the same interface and changes nothing', async ({ host }) => {
    await host.container('c1');
    const { bridge, pair, expected } = attach(dual);
    await succeed(host, ['connect', bridge, pair]);
    const state = async () =>
      (await host.sh('ip addr; nsenter --net=/run/netns/c1 ip addr')).replaceAll(' tentative', '');
    const before = await state();
    expect(await fail(host, 'connect', bridge, pair)).toMatchObject({
      code: 102,
      message: expect.stringContaining('container veth name ("eth0") already exists') as string,
    });
    expect(await state()).toBe(before);
    expect(await succeed(host, ['check', expected])).toEqual([[]]);
  });

  test('refuses an interface that another program made in the container', async ({ host }) => {
    const c1 = await host.container('c1');
    await c1.exec(['ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'other']);
    const { bridge, pair } = attach(ipv4);
    expect(await fail(host, 'connect', bridge, pair)).toMatchObject({ code: 102 });
    expect(await host.sh('ip -br link')).not.toContain(pair.hostInterface);
  });

  test('replaces a host interface that a lost DEL left behind', async ({ host }) => {
    const [c1, c2] = [await host.container('c1'), await host.container('c2')];
    const lost = attach(ipv4, { netns: c1.netns });
    const { bridge, pair, expected } = attach(ipv4, { netns: c2.netns });
    const [, , differences] = await succeed(
      host,
      ['connect', lost.bridge, lost.pair],
      ['connect', bridge, pair],
      ['check', expected],
    );
    expect(differences).toEqual([]);
  });

  test('leaves nothing of the pair when a route cannot be made', async ({ host }) => {
    const c1 = await host.container('c1');
    const { bridge, pair } = attach(ipv4, { routes: [{ dst: '192.0.2.0/24', gw: '203.0.113.1' }] });
    expect(await fail(host, 'connect', bridge, pair)).toMatchObject({
      code: 100,
      message:
        'Cannot apply "route append 192.0.2.0/24 via 203.0.113.1 dev eth0" in "/run/netns/c1": Nexthop has invalid gateway',
    });
    expect(await host.sh('ip -br link')).not.toContain('veth');
    expect((await c1.exec(['ip', '-br', 'link'])).stdout).not.toContain('eth0');
  });

  test('says so when the namespace does not exist', async ({ host }) => {
    const { bridge, pair } = attach(ipv4, { netns: '/run/netns/gone' });
    expect(await fail(host, 'connect', bridge, pair)).toMatchObject({
      code: 8,
      message: expect.stringContaining('/run/netns/gone') as string,
    });
    expect(await host.sh('ip -br link')).not.toContain('veth');
  });

  test('turns IPv6 on where the container has it off', async ({ host }) => {
    const c1 = await host.container('c1');
    await c1.exec([
      'sh',
      '-c',
      'for name in all default lo; do echo 1 > /proc/sys/net/ipv6/conf/$name/disable_ipv6; done',
    ]);
    const { bridge, pair, expected } = attach(dual);
    const [, differences] = await succeed(host, ['connect', bridge, pair], ['check', expected]);
    expect(differences).toEqual([]);
    expect(await reaches(host, c1.netns, 'fd00:88::1')).toBe(true);
  });

  test('waits for duplicate address detection when it is asked for', async ({ host }) => {
    await host.container('c1');
    const { bridge, pair } = attach(ipv6, { enabledad: true });
    const [, state] = await succeed(
      host,
      ['connect', bridge, pair],
      ['readInterface', 'eth0', { netns: '/run/netns/c1' }],
    );
    const { addresses } = state as { addresses: { address: string; tentative: boolean }[] };
    expect(addresses.map(({ address }) => address)).toContain('fd00:88::2/64');
    expect(addresses.filter(({ tentative }) => tentative)).toEqual([]);
  });

  test('refuses an address that duplicate address detection finds elsewhere', async ({ host }) => {
    const [c1, c2] = [await host.container('c1'), await host.container('c2')];
    const one = numbered(1, c1.netns, ipv6);
    const two = numbered(2, c2.netns, ipv6, { enabledad: true });
    const [, outcome] = await call(host, ['connect', one.bridge, one.pair], ['connect', two.bridge, two.pair]);
    expect(outcome?.error).toMatchObject({
      code: 102,
      message: expect.stringContaining('Cannot use "fd00:88::2/64" on "eth0"') as string,
    });
    expect(await host.sh('ip -br link')).not.toContain('vethtest2');
  });

  test('leaves the interface down when it is disabled', async ({ host }) => {
    await host.container('c1');
    const { bridge, pair } = attach([], { disableContainerInterface: true });
    const [, state] = await succeed(
      host,
      ['connect', bridge, pair],
      ['readInterface', 'eth0', { netns: '/run/netns/c1' }],
    );
    expect(state).toMatchObject({ isUp: false });
  });

  test('brings an interface without addresses up', async ({ host }) => {
    await host.container('c1');
    const { bridge, pair } = attach([]);
    const [, state] = await succeed(
      host,
      ['connect', bridge, pair],
      ['readInterface', 'eth0', { netns: '/run/netns/c1' }],
    );
    expect(state).toMatchObject({ isUp: true });
  });

  test('makes the container announce itself, so that siblings forget an earlier owner of its address', async ({
    host,
  }) => {
    const [c1, c2, c3] = [await host.container('c1'), await host.container('c2'), await host.container('c3')];
    const sibling = numbered(1, c1.netns, ['10.88.0.9/16', 'fd00:88::9/64']);
    const earlier = numbered(2, c2.netns, dual);
    const later = numbered(3, c3.netns, dual);
    await succeed(host, ['connect', sibling.bridge, sibling.pair], ['connect', earlier.bridge, earlier.pair]);
    expect(await reaches(host, c1.netns, '10.88.0.2')).toBe(true);
    expect(await reaches(host, c1.netns, 'fd00:88::2')).toBe(true);
    await succeed(host, ['removeVeth', 'vethtest2'], ['connect', later.bridge, later.pair]);
    expect(await reaches(host, c1.netns, '10.88.0.2')).toBe(true);
    expect(await reaches(host, c1.netns, 'fd00:88::2')).toBe(true);
  });
});

describe('removeVeth()', () => {
  test('removes both ends by the name of the host one, and is content when they are gone', async ({ host }) => {
    const c1 = await host.container('c1');
    const { bridge, pair } = attach(dual);
    expect(
      (
        await succeed(
          host,
          ['connect', bridge, pair],
          ['removeVeth', pair.hostInterface],
          ['removeVeth', pair.hostInterface],
        )
      ).slice(1),
    ).toEqual([true, false]);
    expect((await c1.exec(['ip', '-br', 'link'])).stdout).not.toContain('eth0');
  });

  test('is content when the namespace took the pair with it', async ({ host }) => {
    const c1 = await host.container('c1');
    const { bridge, pair } = attach(dual);
    await succeed(host, ['connect', bridge, pair]);
    await c1.remove();
    await succeed(host, ['removeVeth', pair.hostInterface]);
    expect(await host.sh('ip -br link')).not.toContain(pair.hostInterface);
  });
});

async function reaches(host: Host, netns: string, address: string): Promise<boolean> {
  return (await host.exec(['ping', '-c1', '-W1', address], { where: { netns } })).code === 0;
}
