/** Two bridges whose subnets overlap: what a container began belongs to nobody behind the other one. */
import { addContainer, makeWorld, oneProcess, world } from '../plugins/egress-policy/network.ts';
import { hostLocal } from '../plugins/drawbridge/network.ts';
import { expect, test, type Conflist, type Container, type Host } from '../helpers/host.ts';
import { countArrivals, sendPacket } from './packets.ts';

const narrow = { mode: 'allowlist', preset: 'none' };
const flow = { from: 5000, to: 7000 };

/** The subnet of the first is a part of that of the second. */
function inner(policy: object = {}): Conflist {
  return oneProcess(policy as never, { name: 'inner', bridge: 'br1', ipam: hostLocal('10.1.5.0/24') });
}
function outer(policy: object = {}): Conflist {
  return oneProcess(policy as never, { name: 'outer', bridge: 'br0', ipam: hostLocal('10.1.0.0/16') });
}

const same = { args: 'IP=10.1.5.2' };

function datagram(source: string): string {
  return `IP(src="${source}", dst="${world.public4}")/UDP(sport=${flow.from}, dport=${flow.to})/b"x"`;
}

async function addAt(host: Host, list: Conflist, container: Container): Promise<string | undefined> {
  const { error } = await host.addChain(list, { container, ...same });
  return error === undefined ? undefined : `${String(error['code'])} ${String(error['msg'])}`;
}

test('ADD refuses an address that a living container has behind another bridge, until that is gone', async ({
  host,
}) => {
  await makeWorld(host);
  const victim = await addContainer(host, inner(), { name: 'victim' });
  const attacker = await host.container('attacker');
  expect(await addAt(host, outer(narrow), attacker)).toMatch(/^102 Cannot use the address 10\.1\.5\.2 behind "br0"/u);
  expect((await host.delChain(outer(narrow), { container: attacker })).error).toBeUndefined();
  expect(await host.fetch(victim, world.public4, 80)).toBe('outside');
  expect((await host.delChain(inner(), { container: victim })).error).toBeUndefined();
  expect(await addAt(host, outer(narrow), attacker)).toBeUndefined();
});

test('a container does not send inside the flow of one behind the other bridge', async ({ host }) => {
  const outside = await makeWorld(host);
  const victim = await addContainer(host, inner(), { name: 'victim' });
  const arrived = await countArrivals(host, outside, `udp dport ${flow.to}`);
  await host.serve(outside, { address: world.public4, port: flow.to, proto: 'udp' });
  expect(await host.fetch(victim, world.public4, flow.to, { proto: 'udp' })).not.toBe('refused');
  await sendPacket(host, victim, datagram('10.1.5.2'));
  const before = await arrived();
  expect(before).toBeGreaterThan(0);
  const attacker = await addContainer(host, outer(narrow), { name: 'attacker' });
  await host.sh('ip address add 10.1.5.2/16 dev eth0', { where: attacker });
  await sendPacket(host, attacker, datagram('10.1.5.2'));
  expect(await arrived()).toBe(before);
  await sendPacket(host, victim, datagram('10.1.5.2'));
  expect(await arrived()).toBe(before + 1);
});
