import { drawbridge } from '../cli/cli.ts';
import { describe, expect, test, type Container, type Host, type Json } from '../helpers/host.ts';
import { folder, installDropIns } from '../plugins/drop-in/links.ts';
import { succeeded } from '../plugins/drawbridge/network.ts';
import { addContainer, makeWorld, oneProcess, policyConf, world } from '../plugins/egress-policy/network.ts';
import { sendPacket, settle } from './packets.ts';

/** A container behind a veth of its own, as the reference plugin ptp makes it: 10.N.0.2 and fd0N::2, the host is .1. */
async function addLone(
  host: Host,
  number: number,
  { bandwidth, limits = {} }: { bandwidth?: 'before' | 'after'; limits?: Json } = {},
): Promise<Container> {
  const container = await host.container(`lone${number}`);
  const [v4, v6] = [`10.${number}.0`, `fd0${number}:`];
  await host.sh(
    `ip link add veth${number} type veth peer name eth0 netns ${container.name}
     ip addr add ${v4}.1/24 dev veth${number}; ip addr add ${v6}:1/64 dev veth${number} nodad; ip link set veth${number} up
     sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.veth${number}.rp_filter=0`,
  );
  await host.sh(
    `ip addr add ${v4}.2/24 dev eth0; ip addr add ${v6}:2/64 dev eth0 nodad; ip link set eth0 up
     ip route add default via ${v4}.1; ip -6 route add default via ${v6}:1`,
    { where: container },
  );
  const prevResult = {
    cniVersion: '1.1.0',
    interfaces: [{ name: `veth${number}` }, { name: 'eth0', sandbox: container.netns }],
    ips: [
      { address: `${v4}.2/24`, gateway: `${v4}.1`, interface: 1 },
      { address: `${v6}:2/64`, gateway: `${v6}:1`, interface: 1 },
    ],
  };
  const limit = async (): Promise<unknown> =>
    succeeded(
      await host.cni(
        'ADD',
        { cniVersion: '1.1.0', name: 'net', type: 'bandwidth', ...limits, prevResult },
        { container, program: `${folder}/bandwidth`, path: folder },
      ),
    );
  if (bandwidth === 'before') await limit();
  succeeded(await host.cni('ADD', policyConf({}, prevResult), { container }));
  if (bandwidth === 'after') await limit();
  return container;
}

test.for([
  ['IPv4', world.public4, '10.4.0.2', 'IP'],
  ['IPv6', world.public6, 'fd04::2', 'IPv6'],
] as const)(
  'behind a lone veth a container sends nothing inside the flow of another one, and that one does: %s',
  async ([, target, source, header], { host }) => {
    const outside = await makeWorld(host);
    await host.sh('ip route add 10.4.0.0/24 via 192.0.2.1; ip -6 route add fd04::/64 via 2001:db8:ffff::1', {
      where: outside,
    });
    const server = await host.serve(outside, { port: 9, proto: 'udp' });
    const [victim, attacker] = [await addLone(host, 4), await addLone(host, 5)];
    expect(await host.fetch(victim, target, 9, { proto: 'udp', fromPort: 4000 })).toBe(source);
    const packet = `${header}(src="${source}", dst="${target}") / UDP(sport=4000, dport=9) / b"inside"`;
    await sendPacket(host, attacker, packet);
    await settle();
    expect(await server.peers()).toHaveLength(1);
    await sendPacket(host, victim, packet);
    await expect.poll(async () => (await server.peers()).length).toBe(2);
  },
);

test('behind a lone veth a container forges no answer to the host', async ({ host }) => {
  const outside = await makeWorld(host);
  await host.serve(outside, { port: 9, proto: 'udp' });
  const attacker = await addLone(host, 5);
  const listener = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("192.0.2.1", 4000)); s.connect(("${world.public4}", 9))
s.send(b"ask"); print(s.recv(99).decode(), flush=True); print("ready", flush=True)
while True: print(s.recv(99).decode(), flush=True)`;
  const { log } = await host.spawn(['/usr/bin/python3', '-u', '-c', listener]);
  const heard = async (): Promise<string> => host.run(['cat', log]);
  await expect.poll(heard).toContain('ready');
  const answer = (text: string): string =>
    `IP(src="${world.public4}", dst="192.0.2.1") / UDP(sport=9, dport=4000) / b"${text}"`;
  await sendPacket(host, attacker, answer('forged'));
  await sendPacket(host, outside, answer('true'));
  await expect.poll(heard).toContain('true');
  expect(await heard()).not.toContain('forged');
});

describe('when somebody flushes all rules', () => {
  test('a container behind a lone veth reaches neither the outside nor the host, and did before', async ({ host }) => {
    const outside = await makeWorld(host);
    await host.sh('ip route add 10.5.0.0/24 via 192.0.2.1; ip -6 route add fd05::/64 via 2001:db8:ffff::1', {
      where: outside,
    });
    await host.serve(host, { port: 53, reply: 'host' });
    const container = await addLone(host, 5);
    const asked = [
      [world.public4, 80],
      [world.public6, 80],
      ['10.5.0.1', 53],
      ['fd05::1', 53],
    ] as const;
    const answers = async (): Promise<string[]> =>
      Promise.all(asked.map(async ([address, port]) => host.fetch(container, address, port, { timeout: 1500 })));
    expect(await answers()).toEqual(['outside', 'outside', 'host', 'host']);
    await host.sh('nft flush ruleset');
    for (const answer of await answers()) expect(['unreachable', 'timeout', 'refused']).toContain(answer);
  });

  test('what the host sends to a container, and its answers, pass the rule before table "local"', async ({ host }) => {
    await makeWorld(host);
    const container = await addLone(host, 5);
    await host.serve(container, { port: 80, reply: 'inside' });
    await host.sh('sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.veth5.rp_filter=1');
    expect(await host.fetch(host, '10.5.0.2', 80)).toBe('inside');
    expect(await host.fetch(host, 'fd05::2', 80)).toBe('inside');
  });
});

test('a container on a bridge is answered by ARP beside a lone veth with a policy', async ({ host }) => {
  await makeWorld(host);
  const bridged = await addContainer(host, oneProcess({ mode: 'open' }));
  await addLone(host, 5);
  await host.sh('ip neigh flush dev eth0', { where: bridged });
  expect(await host.fetch(bridged, world.public4, 80, { timeout: 3000 })).toBe('outside');
});

test('routing rules are as before when the last lone veth loses its policy, and not sooner', async ({ host }) => {
  await makeWorld(host);
  const rules = async (): Promise<string> => host.sh('ip rule; ip -6 rule');
  const before = await rules();
  const [one, two] = [await addLone(host, 5), await addLone(host, 6)];
  const between = await rules();
  expect(between).not.toBe(before);
  expect(between.match(/prohibit/gu)).toHaveLength(2);
  const conf = policyConf({}, undefined);
  succeeded(await host.cni('DEL', conf, { container: one }));
  expect(await rules()).toBe(between);
  expect(await host.sh('tc filter show dev veth5 ingress; ls /run/drawbridge/veth-gates')).toBe('veth6\n');
  succeeded(await host.cni('DEL', conf, { container: two }));
  expect(await rules()).toBe(before);
});

test('the host learns no neighbour from ARP that speaks for another, and does of its own', async ({ host }) => {
  const container = await addLone(host, 5);
  const asks = (address: string): string =>
    `from scapy.all import *
sendp(Ether(dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, psrc="${address}", pdst="10.5.0.1"), iface="eth0", verbose=False)`;
  const ask = async (address: string): Promise<void> =>
    void (await host.run(['/usr/bin/python3', '-c', asks(address)], { where: container, timeout: 20_000 }));
  const neighbours = async (): Promise<string> => host.sh('ip -4 neigh show dev veth5');
  await ask('10.5.0.77');
  await settle();
  expect(await neighbours()).toBe('');
  await ask('10.5.0.2');
  await expect.poll(neighbours).toContain('10.5.0.2');
});

test.for(['before', 'after'] as const)(
  'a limit that comes %s the policy leaves the gate shut, and stays when the policy goes',
  async (order, { host }) => {
    const outside = await makeWorld(host);
    await host.sh('ip route add 10.5.0.0/24 via 192.0.2.1', { where: outside });
    await installDropIns(host);
    const container = await addLone(host, 5, {
      bandwidth: order,
      limits: { egressRate: 80_000_000, egressBurst: 8_000_000 },
    });
    expect(await host.sh('tc filter show dev veth5 ingress')).toMatch(/pref 90 bpf[^]*pref 100 u32/u);
    expect(await host.fetch(container, world.public4, 80)).toBe('outside');
    await host.sh('nft flush ruleset');
    expect(await host.fetch(container, world.public4, 80)).not.toBe('outside');
    await host.cni('DEL', policyConf({}, undefined), { container });
    expect(await host.sh('tc filter show dev veth5 ingress')).toMatch(/^(?![^]*bpf)[^]*pref 100 u32/u);
  },
);

test('doctor says that the filter of a lone veth is gone, and makes it again', async ({ host }) => {
  await makeWorld(host);
  await addLone(host, 5);
  const filters = async (): Promise<string> => host.sh('tc filter show dev veth5 ingress');
  expect(await filters()).toContain('drawbridge');
  await host.sh('tc qdisc del dev veth5 clsact');
  const { stdout } = await drawbridge(host, ['doctor', '--json']);
  expect(stdout).toContain('the veth filter that shuts \\"veth5\\" without our tables is missing');
  await drawbridge(host, ['doctor', '--fix']);
  expect(await filters()).toContain('drawbridge');
});
