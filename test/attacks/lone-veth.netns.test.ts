import { expect, test, type Container, type Host } from '../helpers/host.ts';
import { succeeded } from '../plugins/drawbridge/network.ts';
import { makeWorld, policyConf, world } from '../plugins/egress-policy/network.ts';
import { sendPacket, settle } from './packets.ts';

/** A container behind a veth of its own, as the reference plugin ptp makes it: 10.N.0.2 and fd0N::2, the host is .1. */
async function addLone(host: Host, number: number): Promise<Container> {
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
  succeeded(await host.cni('ADD', policyConf({}, prevResult), { container }));
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
