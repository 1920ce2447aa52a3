/**
 * A container is no router: it neither takes all multicast of its bridge, nor reaches who listens for routers' alerts.
 */
import { expect, test, type Container, type Host } from '../helpers/host.ts';
import { addContainer, makeWorld, oneProcess, world } from '../plugins/egress-policy/network.ts';
import { hostLocal, interfaceConf } from '../plugins/drawbridge/network.ts';
import { sendPacket, settle } from './packets.ts';

const { cniVersion, name, ...plugin } = interfaceConf({
  name: 'plain',
  bridge: 'br1',
  ipam: hostLocal('10.2.0.0/24', 'fd02::/64'),
});
/** A network of its own without a policy. */
const plain = { cniVersion: cniVersion as string, name: name as string, plugins: [plugin] };

/** Lines of the multicast table of a bridge: a port for each group, and the ports of routers. */
async function multicast(host: Host, bridge: string): Promise<{ groups: number; routers: number }> {
  const [shown] = JSON.parse(await host.run(['bridge', '-json', '-details', 'mdb', 'show', 'dev', bridge])) as [
    { mdb: unknown[]; router: Record<string, unknown[]> },
  ];
  return { groups: shown.mdb.length, routers: shown.router[bridge]?.length ?? 0 };
}

const announcements = {
  'a hello of PIM': 'IP(dst="224.0.0.13",ttl=1,proto=103)/Raw(bytes.fromhex("2000dfff"))',
  'a query of IGMP': 'IP(dst="224.0.0.1",src="10.2.0.9",ttl=1,proto=2)/Raw(bytes.fromhex("1164ee9b00000000"))',
  'an advertisement of a multicast router':
    'IP(dst="224.0.0.106",ttl=1,proto=2)/Raw(bytes.fromhex("3014cfeb00000000"))',
};

test.for(Object.entries(announcements))(
  '%s makes no router of a container with a policy',
  async ([, packet], { host }) => {
    const [held, free] = [await addContainer(host, oneProcess()), await addContainer(host, plain)];
    await sendPacket(host, held, packet.replace(',src="10.2.0.9"', ''));
    await settle();
    expect((await multicast(host, 'br0')).routers).toBe(0);
    await sendPacket(host, free, packet);
    await expect.poll(async () => (await multicast(host, 'br1')).routers).toBe(1);
  },
);

/** Joins groups by reports of so many records each. */
async function joinGroups(host: Host, from: Container, reports: number, records: number): Promise<void> {
  const script = `
from scapy.all import *
from scapy.contrib.igmpv3 import IGMPv3, IGMPv3mr, IGMPv3gr
group = lambda n: f"239.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"
s = conf.L3socket(iface="eth0")
for n in range(${reports}):
    own = [IGMPv3gr(rtype=4, maddr=group(n * ${records} + m)) for m in range(${records})]
    s.send(IP(dst="224.0.0.22", ttl=1, options=[IPOption_Router_Alert()]) / IGMPv3(type=0x22) / IGMPv3mr(records=own))
`;
  await host.run(['/usr/bin/python3', '-c', script], { where: from, timeout: 60_000 });
}

test('a container joins a few hundred groups, and leaves the bridge its look at groups', async ({ host }) => {
  const [held, free] = [await addContainer(host, oneProcess()), await addContainer(host, plain)];
  await joinGroups(host, held, 100, 8);
  await joinGroups(host, held, 40, 150);
  const { groups } = await multicast(host, 'br0');
  expect(groups).toBeGreaterThan(100);
  expect(groups).toBeLessThan(700);
  await joinGroups(host, free, 40, 150);
  expect((await multicast(host, 'br1')).groups === 0 || (await multicast(host, 'br1')).groups > 4000).toBe(true);
});

test.for([4, 6] as const)(
  'a router alert of a container with a policy comes to no socket of the host, IPv%i',
  async (n, { host }) => {
    await makeWorld(host);
    const listener = `
import socket, sys
s = socket.socket(socket.${n === 4 ? 'AF_INET' : 'AF_INET6'}, socket.SOCK_RAW, ${n === 4 ? 17 : 'socket.IPPROTO_RAW'})
s.setsockopt(${n === 4 ? 'socket.IPPROTO_IP, 5, 1' : 'socket.IPPROTO_IPV6, 22, 0'})
print("ready", flush=True)
while True:
    print("heard", "attack" if b"attack" in s.recv(2000) else "other", flush=True)
`;
    const daemon = await host.spawn(['/usr/bin/python3', '-c', listener]);
    const heard = async (): Promise<number> => (await host.run(['cat', daemon.log])).split('heard attack').length - 1;
    await expect.poll(async () => host.run(['cat', daemon.log])).toContain('ready');
    const packet =
      n === 4
        ? `IP(dst="${world.public4}",options=[IPOption_Router_Alert()])/UDP(dport=9)/"attack"`
        : `IPv6(dst="${world.public6}")/IPv6ExtHdrHopByHop(options=[RouterAlert(value=0)])/UDP(dport=9)/"attack"`;
    await sendPacket(host, await addContainer(host, oneProcess()), packet);
    await settle();
    expect(await heard()).toBe(0);
    await sendPacket(host, await addContainer(host, plain), packet);
    await expect.poll(heard).toBe(1);
  },
);
