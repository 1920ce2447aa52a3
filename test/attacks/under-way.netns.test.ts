/** Packets that our rules saw before a change, and that go on after it. */
import {
  describe,
  expect,
  test,
  type Conflist,
  type Container,
  type Host,
  type Json,
  type Place,
} from '../helpers/host.ts';
import { succeeded } from '../plugins/drawbridge/network.ts';
import { addContainer, chain, makeWorld, ways, world } from '../plugins/egress-policy/network.ts';
import { countArrivals } from './packets.ts';

/**
 * Has what comes out of the bridge wait before it is routed, as a host does that limits bandwidth; a few pass at once.
 */
async function slowDown(host: Host, bridge: string, netfilter: string): Promise<void> {
  await host.sh(`
for family in ip ip6; do echo ${netfilter} > /proc/sys/net/bridge/bridge-nf-call-\${family}tables; done
ip link add slow0 type ifb
ip link set slow0 up
tc qdisc add dev slow0 root tbf rate 100bit burst 1600 limit 1000000
tc filter add dev ${bridge} ingress protocol all pref 95 bpf bytecode '1,6 0 0 4294967295' action mirred egress redirect dev slow0`);
}

/** Packets that wait there. */
async function waiting(host: Host): Promise<number> {
  const [queue] = JSON.parse(await host.run(['tc', '-json', '-statistics', 'qdisc', 'show', 'dev', 'slow0'])) as Json[];
  return (queue?.['qlen'] as number | undefined) ?? -1;
}

const sent = 40;

/** Sends to port 9 of addresses, from one source port each time, so that each begins a flow. */
async function send(host: Host, from: Place, addresses: readonly string[]): Promise<void> {
  const script = `
import socket, sys
for port in range(5000, ${5000 + sent}):
    for address in sys.argv[1:]:
        s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(("", port)); s.sendto(b"out", (address, 9)); s.close()`;
  await host.run(['/usr/bin/python3', '-c', script, ...addresses], { where: from });
}

const denied = [world.private4, world.private6];

interface Scene {
  readonly container: Container & { result: Json };
  /** Datagrams that came to the outside so far. */
  readonly arrived: () => Promise<number>;
}

/** A container whose packets wait behind its bridge. */
async function makeScene(host: Host, list: Conflist, netfilter = '0'): Promise<Scene> {
  const outside = await makeWorld(host);
  const container = await addContainer(host, list);
  for (const gateway of ['10.1.0.1', 'fd01::1']) expect(await host.ping(container, gateway)).toBe('answer');
  await slowDown(host, 'br0', netfilter);
  return { container, arrived: await countArrivals(host, outside, 'udp dport 9') };
}

/** Lets all that waits go on; one more frame wakes the queue. */
async function letGo(host: Host): Promise<void> {
  await host.run('tc qdisc change dev slow0 root tbf rate 1gbit burst 100000 limit 1000000'.split(' '));
  const wake = `
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("slow0", 0))
s.send(bytes(60))`;
  await host.run(['/usr/bin/python3', '-c', wake]);
  await expect.poll(async () => waiting(host), { timeout: 15_000 }).toBe(0);
}

test('packets that wait between the bridge and the judgement arrive when they are allowed', async ({ host }) => {
  const { container, arrived } = await makeScene(host, chain({ mode: 'open' }));
  await send(host, container, denied);
  expect(await waiting(host)).toBeGreaterThan(sent);
  await letGo(host);
  await expect.poll(arrived).toBe(2 * sent);
});

describe.for(['0', '1'])(
  'packets that wait between the bridge and the judgement, with br_netfilter %s,',
  ([netfilter = '']) => {
    test('are denied by what stays closed when the DEL of "egress-policy" in a chain comes', async ({ host }) => {
      const list = chain();
      const { container, arrived } = await makeScene(host, list, netfilter);
      await send(host, container, denied);
      succeeded(await host.delChain({ ...list, plugins: list.plugins.slice(1) }, { container }));
      expect(await waiting(host)).toBeGreaterThan(sent / 2);
      await letGo(host);
      expect(await arrived()).toBe(0);
    });

    test.for(Object.entries(ways))(
      'are denied when their container is removed and another one stays: %s',
      async ([, way], { host }) => {
        const list = way();
        const { container, arrived } = await makeScene(host, list, netfilter);
        await addContainer(host, list);
        await send(host, container, denied);
        succeeded(await host.delChain(list, { container }));
        expect(await waiting(host)).toBeGreaterThan(sent / 2);
        await letGo(host);
        expect(await arrived()).toBe(0);
      },
    );
  },
);
