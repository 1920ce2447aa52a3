import { describe, expect, test, type Container, type Host, type Json } from '../helpers/host.ts';
import { attachmentsLeft, interfaceConf, show } from '../plugins/drawbridge/network.ts';
import { addContainer, addressOf, chain, reaches, restricted, world } from '../plugins/egress-policy/network.ts';
import { hostFromLan, lan, lanIpam, makeLan, onLan, reachable } from './lan.ts';

const brNetfilter = async (host: Host, value: number): Promise<void> =>
  void (await host.sh(
    `for f in /proc/sys/net/bridge/bridge-nf-call-ip*tables; do [ ! -e $f ] || echo ${value} > $f; done`,
  ));

describe.for(Object.entries(onLan))('on a bridge with a foreign port, in %s', ([, list]) => {
  test.for([0, 1])(
    'the host is reached from the LAN before, during and after a container with a policy, br_netfilter %i',
    async (value, { host }) => {
      const router = await makeLan(host);
      await brNetfilter(host, value);
      expect(await hostFromLan(host, router)).toEqual(reachable);
      const container = await addContainer(host, list());
      expect(await hostFromLan(host, router)).toEqual(reachable);
      expect((await host.delChain(list(), { container })).error).toBeUndefined();
      expect(await hostFromLan(host, router)).toEqual(reachable);
    },
  );

  test.for([0, 1])(
    'a container reaches what its policy allows and nothing else, br_netfilter %i',
    async (value, { host }) => {
      await makeLan(host);
      await brNetfilter(host, value);
      const container = await addContainer(host, list());
      expect(await reaches(host, container)).toEqual(restricted);
      expect(await host.fetch(container, lan.host4, 22, { timeout: 500 })).not.toBe('ssh');
      expect(await host.fetch(container, lan.host6, 22, { timeout: 500 })).not.toBe('ssh');
    },
  );
});

const { cniVersion, name, ...plugin } = interfaceConf({ ...lanIpam, name: 'plain' });
/** A network on the LAN without a policy. */
const plain = { cniVersion: cniVersion as string, name: name as string, plugins: [plugin] };

/** Sends datagrams to port 9 of the router, in frames to its MAC and to all. */
async function sendFrames(host: Host, from: Container & { result: Json }, router: Container): Promise<void> {
  const { address } = await show(host, router, 'link', 'lan0');
  const source = addressOf(from.result, 4);
  const script = `from scapy.all import *
for mac in ["${address as string}", "ff:ff:ff:ff:ff:ff"]:
    sendp(Ether(dst=mac) / IP(src="${source}", dst="${lan.router4}") / UDP(sport=9, dport=9) / b"out", iface="eth0", verbose=False)`;
  await host.run(['/usr/bin/python3', '-c', script], { where: from });
}

/**
 * Answers to what a container asks of the world and of the host, and to ARP for a neighbour: whatever would say that it
 * is not shut in.
 */
async function leaks(host: Host, from: Container): Promise<string[]> {
  const addresses = [world.public4, world.public6, world.private4, world.private6, lan.router4, lan.router6];
  const answers = await Promise.all([
    ...addresses.map(async (address) => host.fetch(from, address, 80, { timeout: 700 })),
    host.fetch(from, lan.host4, 22, { timeout: 700 }),
    host.fetch(from, lan.host6, 22, { timeout: 700 }),
  ]);
  return answers.filter((answer) => ['outside', 'ssh'].includes(answer));
}

describe.for([0, 1])('when somebody flushes all rules, br_netfilter %i', (value) => {
  test('a container is shut in and the LAN reaches the host', async ({ host }) => {
    const router = await makeLan(host);
    await brNetfilter(host, value);
    const list = onLan['one process']({ mode: 'open', hostAccess: 'all' });
    const container = await addContainer(host, list);
    const second = await addContainer(host, list);
    expect(await leaks(host, container)).toEqual(['outside', 'outside', 'outside', 'outside', 'ssh', 'ssh']);
    await host.sh('nft flush ruleset');
    expect(await leaks(host, container)).toEqual([]);
    expect(await leaks(host, second)).toEqual([]);
    expect(await hostFromLan(host, router)).toEqual(reachable);
  });

  test('nothing gets out from port to port, where no answer is needed', async ({ host }) => {
    const router = await makeLan(host);
    await brNetfilter(host, value);
    const server = await host.serve(router, { port: 9, proto: 'udp' });
    const free = await addContainer(host, plain);
    await sendFrames(host, free, router);
    await expect.poll(async () => server.peers()).toHaveLength(2);
    await host.delChain(plain, { container: free });
    const held = await addContainer(host, onLan['one process']({ mode: 'open', isolation: 'none' }));
    await host.sh('nft flush ruleset');
    await sendFrames(host, held, router);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await server.peers()).toHaveLength(2);
  });

  test('foreign ports go on among themselves and past the host', async ({ host }) => {
    const router = await makeLan(host);
    await brNetfilter(host, value);
    await addContainer(host, onLan['one process']());
    await host.sh('nft flush ruleset');
    const far = await host.container('far');
    await host.sh(
      `ip link add far0 type veth peer name eth0 netns far; ip addr add 10.99.0.1/24 dev far0; ip link set far0 up; sysctl -qw net.ipv4.ip_forward=1`,
    );
    await host.sh(`ip addr add 10.99.0.2/24 dev eth0; ip link set eth0 up; ip route add default via 10.99.0.1`, {
      where: far,
    });
    await host.sh(`ip route add 10.99.0.0/24 via ${lan.host4}`, { where: router });
    await host.serve(far, { port: 80, reply: 'far' });
    expect(await host.fetch(router, '10.99.0.2', 80, { timeout: 1500 })).toBe('far');
  });
});

test('the gate of a bridge with a foreign port goes with its last container', async ({ host }) => {
  await makeLan(host);
  const list = onLan['one process']();
  const container = await addContainer(host, list);
  expect(await host.run(['tc', 'filter', 'show', 'dev', 'up0', 'egress'])).toContain('bpf');
  expect((await host.delChain(list, { container })).error).toBeUndefined();
  expect(await attachmentsLeft(host)).toEqual([]);
  expect(await host.run(['tc', 'qdisc', 'show', 'dev', 'up0'])).not.toContain('clsact');
  expect(await host.run(['tc', 'qdisc', 'show', 'dev', 'br0'])).not.toContain('clsact');
});

test('a foreign port that joins a bridge later is spared from the next container on', async ({ host }) => {
  const router = await makeLan(host);
  await host.sh('ip link set up0 nomaster');
  const list = onLan['one process']();
  const first = await addContainer(host, list);
  await host.sh('ip link set up0 master br0');
  expect(await hostFromLan(host, router)).toEqual(reachable);
  await addContainer(host, list);
  await host.sh('nft flush ruleset');
  expect(await hostFromLan(host, router)).toEqual(reachable);
  expect(await leaks(host, first)).toEqual([]);
});

test('where no gate can tell a foreign port from a container ADD refuses and names the port', async ({ host }) => {
  const router = await makeLan(host);
  await host.sh('touch /run/absent; mount --bind /run/absent "$(readlink -f "$(command -v tc)")"');
  const container = await host.container();
  const { error } = await host.addChain(onLan['one process'](), { container });
  expect(error).toMatchObject({ code: 100, msg: expect.stringContaining('it also holds "up0"') });
  expect(await attachmentsLeft(host)).toEqual([]);
  expect(await hostFromLan(host, router)).toEqual(reachable);
});

describe.for([0, 1])('with br_netfilter %i', (value) => {
  test('a container with a policy reaches no neighbour on the LAN by the bridge alone, and one without a policy does', async ({
    host,
  }) => {
    await makeLan(host);
    await brNetfilter(host, value);
    const free = await addContainer(host, plain);
    const neighbours = [lan.router4, lan.router6];
    const asked = async (from: typeof free): Promise<string[]> =>
      Promise.all(neighbours.map(async (address) => host.fetch(from, address, 80, { timeout: 1500 })));
    expect(await asked(free)).toEqual(['outside', 'outside']);
    await host.delChain(plain, { container: free });
    const held = await addContainer(host, onLan['one process']({ mode: 'open' }));
    expect(await asked(held)).not.toContain('outside');
    expect(await reaches(host, held, ['public4', 'private6'])).toEqual({ public4: 'outside', private6: 'outside' });
  });

  test('siblings stay apart', async ({ host }) => {
    await makeLan(host);
    await brNetfilter(host, value);
    const list = onLan['one process']();
    const [first, second] = [await addContainer(host, list), await addContainer(host, list)];
    await host.serve(second, { port: 80, reply: 'sibling' });
    const addresses = ([4, 6] as const).map((family) => addressOf(second.result, family));
    expect(await host.fetch(host, addresses[0] ?? '', 80)).toBe('sibling');
    const answers = await Promise.all(
      addresses.map(async (address) => host.fetch(first, address, 80, { timeout: 500 })),
    );
    expect(answers).not.toContain('sibling');
  });

  test('the LAN reaches a published port and nothing else of a container', async ({ host }) => {
    const router = await makeLan(host);
    await brNetfilter(host, value);
    const list = chain({}, { ...lanIpam, capabilities: { portMappings: true } });
    const container = await addContainer(host, list, {
      runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] },
    });
    await Promise.all([80, 81].map(async (port) => host.serve(container, { port, reply: 'container' })));
    await host.sh(`ip route add ${addressOf(container.result, 4)} via ${lan.host4}`, { where: router });
    expect(await host.fetch(router, addressOf(container.result, 4), 81, { timeout: 500 })).not.toBe('container');
    expect(await host.fetch(router, addressOf(container.result, 4), 80, { timeout: 500 })).not.toBe('container');
    // A client of the LAN's own prefix would be answered past the host.
    expect(await host.fetch(router, lan.host4, 8080, { timeout: 1500, from: world.public4 })).toBe('container');
  });
});
