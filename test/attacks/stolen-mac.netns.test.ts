import { describe, expect, test, type Conflist, type Container, type Host, type Json } from '../helpers/host.ts';
import { interfaceConf, show } from '../plugins/drawbridge/network.ts';
import { addContainer, addressOf, chain, oneProcess } from '../plugins/egress-policy/network.ts';
import { countArrivals, settle } from './packets.ts';

type Added = Container & { result: Json };

const plain = (changes: Json = {}): Conflist => {
  const { cniVersion, name, ...plugin } = interfaceConf(changes);
  return { cniVersion: cniVersion as string, name: name as string, plugins: [plugin] };
};

/** Has a container take the MAC of another one and send frames with it, to somebody whom nobody has. */
async function takeMac(host: Host, thief: Added, victim: Added): Promise<void> {
  const { address } = await show(host, victim, 'link', 'eth0');
  await host.sh(`ip link set eth0 address ${address as string}`, { where: thief });
  const script = `from scapy.all import *
sendp([Ether(src="${address as string}", dst="02:00:00:00:00:77") / IP(src="10.1.0.77", dst="10.1.0.78")] * 3, iface="eth0", verbose=False)`;
  await host.run(['/usr/bin/python3', '-c', script], { where: thief });
}

/** Packets that a thief gets of 3 that the host sends to a sibling whose MAC the thief has taken. */
async function overheard(host: Host, list: Conflist, flush: boolean): Promise<{ thief: number; victim: number }> {
  const thief = await addContainer(host, list, { name: 'thief' });
  const victim = await addContainer(host, list, { name: 'victim' });
  if (flush) await host.sh('nft flush ruleset');
  const [atThief, atVictim] = await Promise.all(
    [thief, victim].map(async (where) => countArrivals(host, where, 'udp dport 9', 'prerouting priority -300')),
  );
  const [{ address }, target] = [await show(host, victim, 'link', 'eth0'), addressOf(victim.result, 4)];
  // An answer to a question of the host's would teach the bridge the right port again.
  await host.sh(`ip neigh replace ${target} lladdr ${String(address)} dev br0 nud permanent`);
  await takeMac(host, thief, victim);
  const script = `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(3): s.sendto(b"secret", ("${target}", 9))`;
  await host.run(['/usr/bin/python3', '-c', script]);
  const arrived = async (): Promise<number[]> =>
    Promise.all([atThief, atVictim].map(async (count) => (await count?.()) ?? -1));
  await expect.poll(async () => (await arrived()).reduce((one, other) => one + other)).toBe(3);
  await settle();
  const [atTheThief = -1, atTheVictim = -1] = await arrived();
  return { thief: atTheThief, victim: atTheVictim };
}

describe.for(Object.entries({ 'a chain': () => chain(), 'one process': () => oneProcess() }))('in %s', ([, list]) => {
  test('a container that takes the MAC of a sibling gets nothing of what is for it after a flush', async ({ host }) => {
    expect(await overheard(host, list(), true)).toEqual({ thief: 0, victim: 3 });
  });
});

test('a container with "macspoofchk" that takes the MAC of a sibling gets nothing of what is for it after a flush', async ({
  host,
}) => {
  expect(await overheard(host, plain({ macspoofchk: true }), true)).toEqual({ thief: 0, victim: 3 });
});

test('a container that nothing is asked of gets what is for a sibling when it takes its MAC', async ({ host }) => {
  expect((await overheard(host, plain(), false)).thief).toBe(3);
});

/** Frames at a container that are for the MAC of one that is gone, of 3 that the host still sends to it. */
async function hearsOfGone(host: Host, list: Conflist): Promise<number> {
  const [listener, gone] = [await addContainer(host, list), await addContainer(host, list)];
  const [{ address }, target] = [await show(host, gone, 'link', 'eth0'), addressOf(gone.result, 4)];
  await host.delChain(list, { container: gone });
  await host.sh(`ip neigh replace ${target} lladdr ${String(address)} dev br0 nud reachable`);
  await host.run(['nft', '-f', '-'], {
    where: listener,
    input:
      'table netdev heard { chain counted { type filter hook ingress device eth0 priority 0; udp dport 9 counter; udp dport 10 counter; }; }\n',
  });
  const send = async (to: string, port: number): Promise<string> =>
    host.run(['bash', '-c', `for i in 1 2 3; do echo x > /dev/udp/${to}/${port}; done`]);
  await send(target, 9);
  // What is for the listener itself comes after it, by the same way.
  await send(addressOf(listener.result, 4), 10);
  const counts = async (): Promise<number[]> => {
    const printed = await host.run(['nft', 'list', 'table', 'netdev', 'heard'], { where: listener });
    return [...printed.matchAll(/packets (\d+)/gu)].map(([, packets]) => Number(packets));
  };
  await expect.poll(async () => (await counts())[1]).toBe(3);
  return (await counts())[0] ?? -1;
}

test.for(
  Object.entries({ 'a chain': chain(), 'one process': oneProcess(), '"macspoofchk"': plain({ macspoofchk: true }) }),
)('what the host still sends to a container that is gone comes to no other one: %s', async ([, list], { host }) => {
  expect(await hearsOfGone(host, list)).toBe(0);
});

test('what the host still sends to a container that is gone is flooded where the bridge learns', async ({ host }) => {
  expect(await hearsOfGone(host, plain())).toBe(3);
});
