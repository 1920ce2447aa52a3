/**
 * A host whose bridge "br0" holds what leads to the LAN: its own address is on the bridge, and so is the way to the
 * internet.
 */
import { fileURLToPath } from 'node:url';
import type { Container, Host, Json } from '../helpers/host.ts';
import { chain, oneProcess, world } from '../plugins/egress-policy/network.ts';

const wire = fileURLToPath(new URL('../helpers/wire.py', import.meta.url));

/** Addresses on the LAN. */
export const lan = {
  host4: '192.168.1.10',
  host6: 'fd99::10',
  router4: '192.168.1.1',
  router6: 'fd99::1',
} as const;

/** Makes the bridge, its foreign port "up0" and the LAN with a router that has the hosts of the world behind it. */
export async function makeLan(host: Host): Promise<Container> {
  const router = await host.container('lan');
  await connect(host, router, 'up0');
  await host.sh(
    [
      'ip link add br0 address 02:00:00:00:00:0a type bridge',
      'ip link set up0 master br0 up',
      'ip link set br0 up',
      `ip addr add ${lan.host4}/24 dev br0`,
      `ip addr add ${lan.host6}/64 dev br0 nodad`,
      `ip route add default via ${lan.router4}`,
      `ip -6 route add default via ${lan.router6}`,
    ].join('\n'),
  );
  await host.sh(
    [
      'ip link set lan0 up',
      `ip addr add ${lan.router4}/24 dev lan0`,
      `ip addr add ${lan.router6}/64 dev lan0 nodad`,
      ...Object.values(world).map((address) =>
        address.includes(':') ? `ip addr add ${address}/128 dev lo nodad` : `ip addr add ${address}/32 dev lo`,
      ),
    ].join('\n'),
    { where: router },
  );
  await Promise.all([80, 443].map(async (port) => host.serve(router, { port, reply: 'outside' })));
  await host.serve(host, { port: 22, reply: 'ssh' });
  await host.takeBaseline();
  return router;
}

/** A cable from a tap of the host to "lan0" of a namespace. */
async function connect(host: Host, far: Container, name: string): Promise<void> {
  const { log } = await host.spawn(['/usr/bin/python3', '-u', wire, name, far.netns, 'lan0']);
  while ((await host.run(['cat', log])) === '') await new Promise((resolve) => setTimeout(resolve, 20));
}

/** Addresses of the LAN for containers, with the host for their gateway. */
export const lanIpam = {
  ipam: {
    type: 'host-local',
    ranges: [
      [{ subnet: '192.168.1.0/24', rangeStart: '192.168.1.100', rangeEnd: '192.168.1.150', gateway: lan.host4 }],
      [{ subnet: 'fd99::/64', rangeStart: 'fd99::100', rangeEnd: 'fd99::1ff', gateway: lan.host6 }],
    ],
  },
};

/** Lists whose containers are on the bridge of the LAN and have the host for their gateway. */
export const onLan = {
  'a chain': (policy: Json = {}) => chain(policy, lanIpam),
  'one process': (policy: Json = {}) => oneProcess(policy, lanIpam),
};

/** What the LAN gets from the host: its ssh and an answer to a ping, in both families. */
export async function hostFromLan(host: Host, router: Container): Promise<string[]> {
  return Promise.all([
    host.fetch(router, lan.host4, 22, { timeout: 1500 }),
    host.fetch(router, lan.host6, 22, { timeout: 1500 }),
    host.ping(router, lan.host4),
    host.ping(router, lan.host6),
  ]);
}

/** What {@link hostFromLan} says when all is well. */
export const reachable = ['ssh', 'ssh', 'answer', 'answer'];
