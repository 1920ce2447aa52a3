import {
  describe,
  expect,
  test,
  type Container,
  type Host,
  type Json,
  type Outside,
  type Server,
} from '../../helpers/host.ts';
import { executable } from '../../helpers/executable.ts';
import { attachmentsLeft, expectFailure, hostInterfaceIn, hostLocal, interfaceConf, succeeded } from './network.ts';

function publish(...portMappings: Json[]): Json {
  return interfaceConf({ runtimeConfig: { portMappings } });
}

const web = { hostPort: 8080, containerPort: 80, protocol: 'tcp' };
const dns = { hostPort: 5353, containerPort: 53, protocol: 'udp' };

interface Published {
  readonly outside: Outside;
  readonly container: Container;
  readonly sibling: Container;
  readonly conf: Json;
  readonly servers: readonly Server[];
}

/** A container with published ports that answers with the client's address, a sibling without, and an outside. */
async function published(host: Host, conf = publish(web, dns)): Promise<Published> {
  const outside = await host.outside();
  const [container, sibling] = [await host.container(), await host.container()];
  succeeded(await host.cni('ADD', conf, { container }));
  succeeded(await host.cni('ADD', interfaceConf(), { container: sibling }));
  const servers = [await host.serve(container, { port: 80 }), await host.serve(container, { port: 53, proto: 'udp' })];
  return { outside, container, sibling, conf, servers };
}

describe('a published port', () => {
  test('is reached from outside with the address of the client, by tcp and udp, in both families', async ({ host }) => {
    const { outside } = await published(host);
    expect(
      await Promise.all([
        host.fetch(outside, outside.hostV4, 8080),
        host.fetch(outside, outside.hostV6, 8080),
        host.fetch(outside, outside.hostV4, 5353, { proto: 'udp' }),
        host.fetch(outside, outside.hostV6, 5353, { proto: 'udp' }),
      ]),
    ).toEqual([outside.v4, outside.v6, outside.v4, outside.v6]);
  });

  test('is reached from the host by each of its addresses', async ({ host }) => {
    const { outside } = await published(host);
    expect(await host.fetch(host, outside.hostV4, 8080)).toBe(outside.hostV4);
    expect(await host.fetch(host, outside.hostV6, 8080)).toBe(outside.hostV6);
    expect(await host.fetch(host, '10.1.0.1', 8080)).toBe('10.1.0.1');
    expect(await host.fetch(host, 'fd01::1', 8080)).toBe('fd01::1');
    expect(await host.fetch(host, outside.hostV4, 5353, { proto: 'udp' })).toBe(outside.hostV4);
  });

  test('is reached from the host by 127.0.0.1, by tcp and udp', async ({ host }) => {
    await published(host);
    expect(await host.fetch(host, '127.0.0.1', 8080)).toBe('10.1.0.1');
    expect(await host.fetch(host, '127.0.0.1', 5353, { proto: 'udp' })).toBe('10.1.0.1');
  });

  test('is reached by the container itself through the address of the host', async ({ host }) => {
    const { outside, container } = await published(host);
    expect(await host.fetch(container, outside.hostV4, 8080)).toBe('10.1.0.1');
    expect(await host.fetch(container, outside.hostV6, 8080)).toBe('fd01::1');
    expect(await host.fetch(container, '10.1.0.1', 5353, { proto: 'udp' })).toBe('10.1.0.1');
  });

  test('is reached by a sibling through the address of the host', async ({ host }) => {
    const { outside, sibling } = await published(host);
    expect(await host.fetch(sibling, outside.hostV4, 8080)).toBe('10.1.0.1');
    expect(await host.fetch(sibling, outside.hostV6, 8080)).toBe('fd01::1');
    expect(await host.fetch(sibling, '10.1.0.1', 5353, { proto: 'udp' })).toBe('10.1.0.1');
  });

  test.for(['0', '1'])(
    'is reached by container and sibling when bridge-nf-call-iptables is %s',
    async (value, { host, skip }) => {
      const knob = '/proc/sys/net/bridge/bridge-nf-call-iptables';
      if ((await host.exec(['test', '-e', knob])).code !== 0) skip('this kernel has no br_netfilter');
      await host.sh(`echo ${value} > ${knob}; echo ${value} > /proc/sys/net/bridge/bridge-nf-call-ip6tables`);
      const { outside, container, sibling } = await published(host);
      for (const place of [container, sibling]) {
        expect(await host.fetch(place, outside.hostV4, 8080)).toBe('10.1.0.1');
        expect(await host.fetch(place, outside.hostV6, 8080)).toBe('fd01::1');
      }
      expect(await host.fetch(sibling, '10.1.0.2', 80)).toBe('10.1.0.3');
    },
  );

  test.for([
    ['0', false],
    ['1', true],
  ] as const)(
    'is reached by the container itself without "hairpinMode" when bridge-nf-call-iptables is %s',
    async ([value, isTurned], { host, skip }) => {
      const knob = '/proc/sys/net/bridge/bridge-nf-call-iptables';
      if ((await host.exec(['test', '-e', knob])).code !== 0) skip('this kernel has no br_netfilter');
      await host.sh(`echo ${value} > ${knob}; echo ${value} > /proc/sys/net/bridge/bridge-nf-call-ip6tables`);
      const outside = await host.outside();
      const container = await host.container();
      const conf = { ...publish(web), hairpinMode: false };
      const result = succeeded(await host.cni('ADD', conf, { container }));
      await host.serve(container, { port: 80 });
      expect(await host.fetch(container, outside.hostV4, 8080)).toBe('10.1.0.1');
      expect(await host.fetch(container, outside.hostV6, 8080)).toBe('fd01::1');
      expect(await host.run(['bridge', '-details', 'link', 'show', 'dev', hostInterfaceIn(result)])).toContain(
        `hairpin ${isTurned ? 'on' : 'off'}`,
      );
      succeeded(await host.cni('CHECK', { ...conf, prevResult: result }, { container }));
    },
  );

  test('has route_localnet at its bridge alone, and no longer than it is published', async ({ host }) => {
    const { container, sibling, conf } = await published(host);
    expect(await withRouteLocalnet(host)).toEqual(['br0']);
    succeeded(await host.cni('DEL', interfaceConf(), { container, netns: '' }));
    expect(await withRouteLocalnet(host)).toEqual([]);
    succeeded(await host.cni('DEL', conf, { container: sibling, netns: '' }));
  });

  test('is reached by a container of another bridge with its own address', async ({ host }) => {
    const { outside } = await published(host);
    const other = await host.container();
    const conf = interfaceConf({ name: 'other', bridge: 'br1', ipam: hostLocal('10.2.0.0/24') });
    succeeded(await host.cni('ADD', conf, { container: other }));
    expect(await host.fetch(other, outside.hostV4, 8080)).toBe('10.2.0.2');
  });

  test('takes no traffic that passes the host on its way elsewhere', async ({ host }) => {
    const { outside, sibling } = await published(host);
    await outside.address('8.8.8.8');
    await host.serve(outside, { address: '8.8.8.8', port: 8080, reply: 'elsewhere' });
    expect(await host.fetch(sibling, '8.8.8.8', 8080)).toBe('elsewhere');
    expect(await host.fetch(host, '8.8.8.8', 8080)).toBe('elsewhere');
  });

  test('ends with its container', async ({ host }) => {
    const { outside, container, sibling, conf } = await published(host);
    succeeded(await host.cni('DEL', interfaceConf(), { container, netns: '' }));
    expect(await host.fetch(outside, outside.hostV4, 8080)).toBe('refused');
    succeeded(await host.cni('DEL', conf, { container: sibling, netns: '' }));
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test("does not open the host's loopback to containers, or 127.0.0.1 to the wire", async ({ host }) => {
    const { outside, sibling } = await published(host);
    const secret = await host.serve(host, { address: '127.0.0.1', reply: 'secret' });
    expect(await host.fetch(host, '127.0.0.1', secret.port)).toBe('secret');
    await host.sh(loopbackVia('10.1.0.1'), { where: sibling });
    await host.sh(loopbackVia(outside.hostV4), { where: outside });
    expect(await host.fetch(sibling, '127.0.0.1', secret.port, { timeout: 300 })).toBe('timeout');
    expect(await host.fetch(outside, '127.0.0.1', secret.port, { timeout: 300 })).toBe('timeout');
    expect(await host.fetch(outside, '127.0.0.1', 8080, { timeout: 300 })).toBe('timeout');
  });
});

/** Script that makes a namespace send packets for 127.0.0.0/8 to a router, as an attacker does. */
function loopbackVia(router: string): string {
  return `
    ip route del local 127.0.0.1 dev lo table local
    ip route del local 127.0.0.0/8 dev lo table local
    echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet
    ip route add 127.0.0.0/8 via ${router}`;
}

/** Interfaces of the host that take addresses of 127.0.0.0/8. */
async function withRouteLocalnet(host: Host): Promise<string[]> {
  const files = await host.sh('grep -l 1 /proc/sys/net/ipv4/conf/*/route_localnet || test $? = 1');
  return [...files.matchAll(/conf\/([^/]+)\//gu)].map(([, name = '']) => name);
}

describe('"route_localnet"', () => {
  test.for([
    ['without ports', []],
    ['of an address of the wire', [{ ...web, hostIP: '192.0.2.1' }]],
    ['of IPv6', [{ ...web, hostIP: '::' }]],
  ] as const)('is off for ports %s', async ([, ports], { host }) => {
    const container = await host.container();
    succeeded(await host.cni('ADD', publish(...ports), { container }));
    expect(await withRouteLocalnet(host)).toEqual([]);
  });

  test('stays with the second container that needs it, and comes and goes with "drawbridge port"', async ({ host }) => {
    const { container } = await published(host);
    const second = await host.container('second');
    succeeded(await host.cni('ADD', publish({ ...web, hostPort: 8081 }), { container: second }));
    succeeded(await host.cni('DEL', interfaceConf(), { container, netns: '' }));
    expect(await withRouteLocalnet(host)).toEqual(['br0']);
    await host.serve(second, { port: 80 });
    expect(await host.fetch(host, '127.0.0.1', 8081)).toBe('10.1.0.1');
    await host.run([executable, 'port', 'remove', 'second', '8081:80']);
    expect(await withRouteLocalnet(host)).toEqual([]);
    await host.run([executable, 'port', 'add', 'second', '8082:80']);
    expect(await withRouteLocalnet(host)).toEqual(['br0']);
    expect(await host.fetch(host, '127.0.0.1', 8082)).toBe('10.1.0.1');
  });

  test('that is wrong is found and mended by doctor, both ways', async ({ host }) => {
    await published(host);
    const plain = await host.container('plain');
    succeeded(
      await host.cni('ADD', interfaceConf({ name: 'other', bridge: 'br1', ipam: hostLocal('10.2.0.0/24') }), {
        container: plain,
      }),
    );
    await host.sh(
      'echo 0 > /proc/sys/net/ipv4/conf/br0/route_localnet; echo 1 > /proc/sys/net/ipv4/conf/br1/route_localnet',
    );
    const { stdout } = await host.exec([executable, 'doctor']);
    expect(stdout).toContain('"route_localnet" of "br0" is off');
    expect(stdout).toContain('"route_localnet" of "br1" is on, and no published port needs it');
    await host.exec([executable, 'doctor', '--fix']);
    expect(await withRouteLocalnet(host)).toEqual(['br0']);
  });
});

describe('"hostIP"', () => {
  test('limits a port to that address of the host', async ({ host }) => {
    const { outside } = await published(host, publish({ ...web, hostIP: '192.0.2.1' }));
    expect(await host.fetch(outside, outside.hostV4, 8080)).toBe(outside.v4);
    expect(await host.fetch(host, '127.0.0.1', 8080)).toBe('refused');
    expect(await host.fetch(outside, outside.hostV6, 8080)).toBe('refused');
  });

  test('127.0.0.1 opens a port to the host alone', async ({ host }) => {
    const { outside } = await published(host, publish({ ...web, hostIP: '127.0.0.1' }));
    expect(await host.fetch(host, '127.0.0.1', 8080)).toBe('10.1.0.1');
    expect(await host.fetch(outside, outside.hostV4, 8080)).toBe('refused');
  });

  test('may be of IPv6', async ({ host }) => {
    const { outside } = await published(host, publish({ ...web, hostIP: '2001:db8:ffff::1' }));
    expect(await host.fetch(outside, outside.hostV6, 8080)).toBe(outside.v6);
    expect(await host.fetch(outside, outside.hostV4, 8080)).toBe('refused');
  });

  test.for([
    ['0.0.0.0', 'IPv4', true, false],
    ['::', 'IPv6', false, true],
    ['', 'both families', true, true],
  ] as const)('%j means every address of %s', async ([hostIP, , four, six], { host }) => {
    const { outside } = await published(host, publish({ ...web, hostIP }));
    expect(await host.fetch(outside, outside.hostV4, 8080)).toBe(four ? outside.v4 : 'refused');
    expect(await host.fetch(outside, outside.hostV6, 8080)).toBe(six ? outside.v6 : 'refused');
  });
});

describe('"portMappings"', () => {
  test('are understood with the capitalised keys that containerd and nerdctl send', async ({ host }) => {
    const mapping = { HostPort: 8080, ContainerPort: 80, Protocol: 'TCP', HostIP: '0.0.0.0' };
    const { outside } = await published(host, publish(mapping));
    expect(await host.fetch(outside, outside.hostV4, 8080)).toBe(outside.v4);
  });

  test('may send several ports to one', async ({ host }) => {
    const { outside } = await published(host, publish(web, { ...web, hostPort: 8081 }));
    expect(await host.fetch(outside, outside.hostV4, 8080)).toBe(outside.v4);
    expect(await host.fetch(outside, outside.hostV4, 8081)).toBe(outside.v4);
  });

  test('of sctp are in the map', async ({ host }) => {
    const container = await host.container();
    succeeded(await host.cni('ADD', publish({ ...web, protocol: 'sctp' }), { container }));
    expect(await host.run(['nft', 'list', 'map', 'inet', 'drawbridge', 'published4'])).toContain('sctp . 8080');
  });

  test('are ignored where no address is of their family', async ({ host }) => {
    const container = await host.container();
    const conf = publish({ ...web, hostIP: '::' });
    succeeded(await host.cni('ADD', { ...conf, ipam: hostLocal('10.1.0.0/24') }, { container }));
  });

  test.for([
    ['hostPort', { ...web, hostPort: 0 }, /"runtimeConfig\.portMappings\[0\]\.hostPort".*0/],
    ['hostPort', { ...web, hostPort: 65536 }, /hostPort".*65536/],
    ['hostPort that is missing', { containerPort: 80 }, /hostPort": it is missing/],
    ['containerPort', { ...web, containerPort: -1 }, /containerPort".*-1/],
    ['containerPort', { ...web, containerPort: '80' }, /containerPort".*"80"/],
    ['protocol', { ...web, protocol: 'icmp' }, /protocol".*"icmp"/],
    ['hostIP', { ...web, hostIP: '192.0.2.0/24' }, /hostIP".*"192\.0\.2\.0\/24"/],
    ['hostIP', { ...web, hostIP: 'localhost' }, /hostIP".*"localhost"/],
  ] as const)('with a wrong %s are refused with code 7: %j', async ([, mapping, text], { host }) => {
    const container = await host.container();
    expectFailure(await host.cni('ADD', publish(mapping), { container }), 7, text);
    expect(await host.leftovers()).toEqual([]);
  });

  test('that send one port to two places are refused with code 7', async ({ host }) => {
    const container = await host.container();
    const outcome = await host.cni('ADD', publish(web, { ...web, containerPort: 81 }), { container });
    expectFailure(outcome, 7, /"8080\/tcp".*"81".*"80"/);
    expect(await host.leftovers()).toEqual([]);
  });
});

describe('"snat"', () => {
  test('when false leaves a port closed to 127.0.0.1 and open to the outside', async ({ host }) => {
    const { outside } = await published(host, { ...publish(web), snat: false });
    expect(await host.fetch(outside, outside.hostV4, 8080)).toBe(outside.v4);
    expect(await host.fetch(host, '127.0.0.1', 8080, { timeout: 300 })).not.toMatch(/^\d/);
  });
});

describe('a port of the host that is taken', () => {
  test('is refused with code 102 and the name of the living holder, and nothing changes', async ({ host }) => {
    const { outside } = await published(host, publish(web));
    const late = await host.container('late');
    await host.takeBaseline();
    const outcome = await host.cni('ADD', publish(web), { container: late });
    expectFailure(outcome, 102, /Cannot publish port "8080\/tcp" of "the host": .*c1/);
    expect(await attachmentsLeft(host)).toEqual([]);
    expect(await host.fetch(outside, outside.hostV4, 8080)).toBe(outside.v4);
  });

  test('is refused when one mapping is on every address and the other on a single one', async ({ host }) => {
    await published(host, publish({ ...web, hostIP: '192.0.2.1' }));
    const late = await host.container('late');
    expectFailure(await host.cni('ADD', publish(web), { container: late }), 102, /"8080\/tcp".*c1/);
  });

  test('is given when protocol, address or family differ', async ({ host }) => {
    await published(host, publish({ ...web, hostIP: '192.0.2.1' }));
    const late = await host.container('late');
    const conf = publish({ ...web, protocol: 'udp' }, { ...web, hostIP: '127.0.0.1' }, { ...web, hostIP: '::' });
    succeeded(await host.cni('ADD', conf, { container: late }));
  });

  test('is taken from a container that is gone', async ({ host }) => {
    const { outside, container, servers } = await published(host, publish(web));
    for (const server of servers) await server.close();
    await container.remove();
    await expect
      .poll(async () => (await host.run(['ls', '/sys/class/net'])).match(/veth/g)?.length, { timeout: 5000 })
      .toBe(1);
    const late = await host.container('late');
    succeeded(await host.cni('ADD', publish(web), { container: late }));
    await host.serve(late, { port: 80, reply: 'late' });
    expect(await host.fetch(outside, outside.hostV4, 8080)).toBe('late');
    succeeded(await host.cni('DEL', interfaceConf(), { container, netns: '' }));
    expect(await host.fetch(outside, outside.hostV4, 8080)).toBe('late');
  });

  test('by a process is published all the same, with a warning that names the process', async ({ host }) => {
    await host.spawn([
      'python3',
      '-c',
      'import socket,time\ns=socket.socket(); s.setsockopt(1,2,1); s.bind(("0.0.0.0",8080)); s.listen(); time.sleep(60)',
    ]);
    await expect.poll(() => host.fetch(host, '127.0.0.1', 8080, { timeout: 50 })).toBe('timeout');
    const container = await host.container();
    const outcome = await host.cni('ADD', publish(web), { container });
    succeeded(outcome);
    expect(outcome.stderr).toMatch(/port 8080\/tcp of the host is published, and python3.* \(pid \d+\) listens on it/);
    await host.serve(container, { port: 80, reply: 'container' });
    expect(await host.fetch(host, '127.0.0.1', 8080)).toBe('container');
  });
});

describe('flows of UDP', () => {
  test('that began before the port was published reach the container', async ({ host }) => {
    const outside = await host.outside({ v6: false });
    await host.serve(host, { proto: 'udp', port: 5353, reply: 'host' });
    const from = { proto: 'udp', from: outside.v4, fromPort: 4000 } as const;
    expect(await host.fetch(outside, outside.hostV4, 5353, from)).toBe('host');
    const container = await host.container();
    await host.serve(container, { proto: 'udp', port: 53, reply: 'container' });
    succeeded(await host.cni('ADD', publish(dns), { container }));
    expect(await host.fetch(outside, outside.hostV4, 5353, from)).toBe('container');
  });

  test('to a container that is gone reach the next one', async ({ host }) => {
    const outside = await host.outside({ v6: false });
    const [c1, c2] = [await host.container(), await host.container()];
    const from = { proto: 'udp', from: outside.v4, fromPort: 4000 } as const;
    succeeded(await host.cni('ADD', publish(dns), { container: c1 }));
    await host.serve(c1, { proto: 'udp', port: 53, reply: 'first' });
    expect(await host.fetch(outside, outside.hostV4, 5353, from)).toBe('first');
    succeeded(await host.cni('DEL', interfaceConf(), { container: c1, netns: '' }));
    expect(await host.run(['conntrack', '-L', '-p', 'udp', '--orig-port-dst', '5353'])).toBe('');
    succeeded(await host.cni('ADD', publish(dns), { container: c2 }));
    await host.serve(c2, { proto: 'udp', port: 53, reply: 'second' });
    expect(await host.fetch(outside, outside.hostV4, 5353, from)).toBe('second');
  });
});
