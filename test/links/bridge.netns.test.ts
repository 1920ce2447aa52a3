import { readFileSync } from 'node:fs';
import { describe, expect, test } from '../helpers/host.ts';
import { attach, bridgeSpec, call, dual, fail, ipv4, numbered, succeed } from './attachment.ts';
import { planBridge } from '../../src/links/bridge.ts';
import { goldens } from './goldens.ts';

describe('prepareBridge()', () => {
  test('makes one bridge when 32 ADDs of 4 processes try at the same time on an empty host', async ({ host }) => {
    const containers = await Promise.all(Array.from({ length: 32 }, (_, n) => host.container(`many${n}`)));
    const attachments = containers.map(({ netns }, n) =>
      numbered(n + 2, netns, [`10.88.0.${n + 2}/16`, `fd00:88::${(n + 2).toString(16)}/64`]),
    );
    await Promise.all(
      [0, 1, 2, 3].map((quarter) => succeed(host, ['connectAll', attachments.slice(quarter * 8, quarter * 8 + 8)])),
    );
    const states = await succeed(
      host,
      ...attachments.map(({ pair }) => ['readInterface', pair.hostInterface] as ['readInterface', string]),
    );
    expect(states).toEqual(
      states.map(() => expect.objectContaining({ master: 'drawbridge0', portState: 'forwarding' }) as unknown),
    );
  });

  test('refuses a name that belongs to something else', async ({ host }) => {
    await host.sh('ip link add drawbridge0 type veth peer name other');
    expect(await fail(host, 'prepareBridge', planBridge(bridgeSpec))).toMatchObject({
      code: 102,
      message: 'Cannot use "drawbridge0" as a bridge: it already exists but is not a bridge',
    });
  });

  test('takes over a bridge that exists, with its MAC and MTU', async ({ host }) => {
    await host.container('c1');
    await host.sh('ip link add drawbridge0 address 02:00:00:00:00:99 mtu 1400 type bridge');
    const { bridge, pair } = attach(dual, { mtu: 1400 });
    const [, state] = await succeed(host, ['connect', bridge, pair], ['readInterface', 'drawbridge0']);
    expect(state).toMatchObject({ mac: '02:00:00:00:00:99', mtu: 1400, isUp: true });
  });

  test('refuses a bridge that has another IPv4 address', async ({ host }) => {
    await host.sh('ip link add drawbridge0 type bridge; ip address add 10.99.0.1/24 dev drawbridge0');
    expect(await fail(host, 'prepareBridge', attach(ipv4).bridge)).toMatchObject({
      code: 102,
      message: expect.stringContaining(
        '"drawbridge0" already has an IP address different from "10.88.0.1/16"',
      ) as string,
    });
  });

  test('replaces another address of the bridge when it may', async ({ host }) => {
    await host.container('c1');
    await host.sh(
      'ip link add drawbridge0 type bridge; ip address add 10.99.0.1/24 dev drawbridge0; ip address add fd00:88::9/48 dev drawbridge0',
    );
    const { bridge, pair } = attach(dual, { forceAddress: true });
    await succeed(host, ['connect', bridge, pair]);
    const addresses = await host.sh('ip -br address show dev drawbridge0');
    expect(addresses).toContain('10.88.0.1/16 fd00:88::1/64');
    expect(addresses).not.toMatch(/10\.99|::9\/48/);
  });

  test('gives back an address that another program took from a bridge that is known', async ({ host }) => {
    const [c1, c2] = [await host.container('c1'), await host.container('c2')];
    const one = numbered(1, c1.netns, ['10.88.0.2/16']);
    const two = numbered(2, c2.netns, ['10.88.0.3/16']);
    await succeed(host, ['connect', one.bridge, one.pair]);
    await host.sh('ip address flush dev drawbridge0; ip link set drawbridge0 down');
    await succeed(host, ['connect', two.bridge, two.pair]);
    expect(await succeed(host, ['check', one.expected], ['check', two.expected])).toEqual([[], []]);
  });

  test('makes the bridge again when another program removed it', async ({ host }) => {
    const [c1, c2] = [await host.container('c1'), await host.container('c2')];
    const one = numbered(1, c1.netns, ['10.88.0.2/16']);
    const two = numbered(2, c2.netns, ['10.88.0.3/16']);
    await succeed(host, ['connect', one.bridge, one.pair]);
    await host.sh('ip link del drawbridge0');
    await succeed(host, ['connect', two.bridge, two.pair]);
    expect(await succeed(host, ['check', two.expected])).toEqual([[]]);
  });

  test('forwards, and ignores router advertisements', async ({ host }) => {
    await host.container('c1');
    const { bridge, pair } = attach(dual);
    await host.sh('echo 0 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv6/conf/all/forwarding');
    await succeed(host, ['connect', bridge, pair]);
    const files = ['ipv4/ip_forward', 'ipv6/conf/all/forwarding', 'ipv6/conf/drawbridge0/accept_ra'];
    expect(await host.sh(`cd /proc/sys/net; cat ${files.join(' ')}`)).toBe('1\n1\n0\n');
  });

  test('puts a bridge in promiscuous mode', async ({ host }) => {
    await host.container('c1');
    const { bridge, pair, expected } = attach(ipv4, { promiscMode: true });
    const [, differences, state] = await succeed(
      host,
      ['connect', bridge, pair],
      ['check', expected],
      ['readInterface', 'drawbridge0'],
    );
    expect(differences).toEqual([]);
    expect(state).toMatchObject({ isPromiscuous: true });
  });
});

describe('chooseMtu()', () => {
  test('takes the MTU of the default route with the lowest metric', async ({ host }) => {
    await host.sh(
      'ip link add up0 mtu 1420 type veth peer name far0; ip link add up1 mtu 1400 type veth peer name far1; for i in up0 far0 up1 far1; do ip link set $i up; done; ip addr add 192.0.2.1/24 dev up0; ip addr add 198.51.100.1/24 dev up1; ip route replace default via 192.0.2.9 metric 5; ip route append default via 198.51.100.9 metric 10',
    );
    expect(await succeed(host, ['chooseMtu', 'drawbridge0'])).toEqual([1420]);
  });

  test('takes the lesser one when IPv4 and IPv6 leave by different interfaces', async ({ host }) => {
    await host.sh(
      'ip link add up0 mtu 1420 type veth peer name far0; ip link add up1 mtu 1400 type veth peer name far1; for i in up0 far0 up1 far1; do ip link set $i up; done; ip addr add 192.0.2.1/24 dev up0; ip addr add fd00:9::1/64 dev up1 nodad; ip route replace default via 192.0.2.9; ip -6 route replace default via fd00:9::9 dev up1',
    );
    expect(await succeed(host, ['chooseMtu', 'drawbridge0'])).toEqual([1400]);
  });

  test('takes 1500 when nothing leads out, and that of a bridge that is there', async ({ host }) => {
    await host.sh('ip link add br9 mtu 1300 type bridge');
    expect(await succeed(host, ['chooseMtu', 'drawbridge0'], ['chooseMtu', 'br9'])).toEqual([1500, 1300]);
  });
});

describe('findDifferences()', () => {
  test.for([
    [
      'the container interface',
      'nsenter --net=/run/netns/c1 ip link del eth0',
      ['The interface "eth0" in "/run/netns/c1" is missing', 'The host interface "veth0123456789a" is missing'],
    ],
    [
      'the bridge of the port',
      'ip link set veth0123456789a nomaster',
      ['The bridge of "veth0123456789a" is none, expected drawbridge0'],
    ],
    [
      'the MAC',
      'nsenter --net=/run/netns/c1 ip link set eth0 address 02:00:00:00:00:77',
      ['The MAC address of "eth0" in "/run/netns/c1" is 02:00:00:00:00:77, expected 02:00:5e:00:53:02'],
    ],
    [
      'the MTU',
      'nsenter --net=/run/netns/c1 ip link set eth0 mtu 1300',
      ['The MTU of "eth0" in "/run/netns/c1" is 1300, expected 1500'],
    ],
    [
      'an address',
      'nsenter --net=/run/netns/c1 ip addr del fd00:88::2/64 dev eth0',
      ['The address fd00:88::2/64 is missing from "eth0" in "/run/netns/c1"'],
    ],
    [
      'a route',
      'nsenter --net=/run/netns/c1 ip -6 route del default',
      ['The route ::/0 via fd00:88::1 is missing from "eth0" in "/run/netns/c1"'],
    ],
    [
      'a gateway address',
      'ip addr del 10.88.0.1/16 dev drawbridge0',
      ['The address 10.88.0.1/16 is missing from "drawbridge0"'],
    ],
    [
      'the state of the host interface',
      'ip link set veth0123456789a down',
      ['The state of "veth0123456789a" is down, expected up'],
    ],
    [
      'what others added',
      'nsenter --net=/run/netns/c1 ip route add 192.0.2.0/24 via 10.88.0.1; nsenter --net=/run/netns/c1 ip addr add 10.88.9.9/32 dev eth0',
      [],
    ],
  ] as const)('names what became of %s', async ([, change, sentences], { host }) => {
    await host.container('c1');
    const { bridge, pair, expected } = attach(dual);
    await succeed(host, ['connect', bridge, pair]);
    await host.sh(change);
    expect(await succeed(host, ['check', expected])).toEqual([sentences]);
  });
});

describe('golden texts', () => {
  test.for(Object.keys(goldens).filter((name) => !name.startsWith('vlan')))(
    '%s is accepted by the kernel, part by part',
    async (name, { host }) => {
      const c1 = await host.container('c1');
      const parts = readFileSync(`${import.meta.dirname}/../golden/links/${name}.batch`, 'utf8')
        .split(/^# /m)
        .slice(1);
      for (const part of parts) {
        const isInside = part.startsWith('ip -batch in the container');
        if (part.startsWith('ip -batch'))
          await host.run(['ip', '-batch', '-'], { input: `# ${part}`, ...(isInside ? { where: c1 } : {}) });
      }
      expect((await c1.exec(['ip', '-br', 'link', 'show', 'dev', 'eth0'])).stdout).toContain(
        name === 'interface-stays-down' ? 'DOWN' : 'UP',
      );
    },
  );
});

describe('netns', () => {
  test('openNetns() refuses a path that is missing and a file of another kind', async ({ host }) => {
    const [missing, plain] = await call(host, ['openNetns', '/run/netns/none'], ['openNetns', '/proc/version']);
    expect(missing?.error).toMatchObject({
      code: 8,
      message: 'Cannot open the network namespace "/run/netns/none": it does not exist',
    });
    expect(plain?.error).toMatchObject({
      code: 8,
      message: 'Cannot open the network namespace "/proc/version": it is a file of another kind',
    });
  });

  test('isOwnNetns() tells the own namespace from a container', async ({ host }) => {
    const c1 = await host.container('c1');
    expect(
      await succeed(
        host,
        ['isOwnNetns', '/proc/self/ns/net'],
        ['isOwnNetns', c1.netns],
        ['netnsExists', c1.netns],
        ['netnsExists', ''],
      ),
    ).toEqual([true, false, true, false]);
  });
});
