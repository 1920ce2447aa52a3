/** One container cannot take what others need: what each may take of what the host has for all. */
import { fileURLToPath } from 'node:url';
import { expect, test as base, type Container, type Host, type Json } from '../helpers/host.ts';
import { addContainer, addressOf, makeWorld, oneProcess, world } from '../plugins/egress-policy/network.ts';
import { countArrivals, settle } from './packets.ts';

type Added = Container & { result: Json };

interface Lab {
  readonly host: Host;
  readonly attacker: Added;
  readonly sibling: Added;
}

const test = base.extend<{ lab: Lab }>({
  lab: async ({ host }, use) => {
    await makeWorld(host);
    const attacker = await addContainer(host, oneProcess(), { name: 'attacker' });
    const sibling = await addContainer(host, oneProcess(), { name: 'sibling' });
    await use({ host, attacker, sibling });
  },
});

const script = fileURLToPath(new URL('flood.py', import.meta.url));

/** Has the host keep what it knows of connections for as long as a flood may take: the bound alone is to end it. */
async function keepConnections(host: Host): Promise<void> {
  await host.sh(
    'for kind in udp_timeout tcp_timeout_syn_sent tcp_timeout_syn_recv; do sysctl -qw "net.netfilter.nf_conntrack_$kind=600" || exit 1; done',
  );
}

async function flood(host: Host, from: Added, kind: string, destination: string, count: number): Promise<void> {
  const source = addressOf(from.result, 4);
  await host.run(['/usr/bin/python3', script, kind, source, destination, String(count)], {
    where: from,
    timeout: 100_000,
  });
}

test('connections to one server end at a bound, and a sibling and the host still reach it', async ({
  lab: { host, attacker, sibling },
}) => {
  // The attacker's kernel knows nothing of these connections and would end them.
  const input = 'table ip own {\n chain out {\n type filter hook output priority 0;\n tcp flags rst drop\n }\n}\n';
  await host.run(['nft', '-f', '-'], { where: attacker, input });
  await keepConnections(host);
  await flood(host, attacker, 'syn', world.public4, 9_000);
  const listed = await host.sh(`conntrack -L -s ${addressOf(attacker.result, 4)} 2>/dev/null | wc -l`);
  expect(Number(listed)).toBeGreaterThan(8000);
  expect(Number(listed)).toBeLessThanOrEqual(8192);
  expect(await host.fetch(sibling, world.public4, 80)).toBe('outside');
  expect(await host.fetch(host, world.public4, 80)).toBe('outside');
});

test('connections of a container to all servers end at a bound', async ({ lab: { host, attacker, sibling } }) => {
  await keepConnections(host);
  await flood(host, attacker, 'scan', '8.9.0.0', 17_000);
  const listed = await host.sh(`conntrack -L -s ${addressOf(attacker.result, 4)} 2>/dev/null | wc -l`);
  expect(Number(listed)).toBeGreaterThan(16_000);
  expect(Number(listed)).toBeLessThanOrEqual(16_384);
  expect(await host.fetch(sibling, world.public4, 80)).toBe('outside');
});

test('echo to the host with one id is answered at a rate, and that of a sibling too', async ({
  lab: { host, attacker, sibling },
}) => {
  const arrived = await countArrivals(host, host, `ip saddr ${addressOf(attacker.result, 4)} icmp type echo-request`);
  await flood(host, attacker, 'echo', '10.1.0.1', 2000);
  expect(await host.ping(sibling, '10.1.0.1')).toBe('answer');
  expect(await arrived()).toBeGreaterThan(10);
  expect(await arrived()).toBeLessThan(200);
});

test('fragments of a container pass at a rate, and a sibling has its own put together', async ({
  lab: { host, attacker, sibling },
}) => {
  const arrived = await countArrivals(
    host,
    host,
    `ip saddr ${addressOf(attacker.result, 4)} ip frag-off & 0x2000 != 0`,
    'prerouting priority -449',
  );
  await flood(host, attacker, 'fragment', world.public4, 6000);
  await host.exec(['ping', '-c', '1', '-W', '1', '-s', '3000', '10.1.0.1'], { where: sibling });
  expect((await host.exec(['ping', '-c', '1', '-W', '1', '-s', '3000', '10.1.0.1'], { where: sibling })).code).toBe(0);
  expect(await arrived()).toBeGreaterThan(100);
  expect(await arrived()).toBeLessThan(1700);
});

test('denials of a sibling are listed after a container had thousands', async ({
  lab: { host, attacker, sibling },
}) => {
  await flood(host, attacker, 'scan', '10.200.0.0', 12_000);
  expect(await host.fetch(sibling, world.private4, 80)).toBe('refused');
  await settle();
  const denied = await host.run(['nft', 'list', 'set', 'inet', 'drawbridge', 'denied4']);
  expect(denied).toContain(`${addressOf(attacker.result, 4)} . 10.200.0.1 . udp . 9`);
  expect(denied).toContain(`${addressOf(sibling.result, 4)} . ${world.private4} . tcp . 80`);
});

test('DNS that the agent answers comes to it at a rate for each container', async ({
  lab: { host, attacker, sibling },
}) => {
  for (const { result } of [attacker, sibling])
    await host.run(['nft', `add element inet drawbridge dnsforce4 { "br0" . ${addressOf(result, 4)} timeout 5m }`]);
  await host.serve(host, { port: 53, proto: 'udp' });
  const arrived = await countArrivals(host, host, `ip saddr ${addressOf(attacker.result, 4)} udp dport 53`);
  await flood(host, attacker, 'dns', '10.1.0.1', 8000);
  expect(await host.fetch(sibling, '10.1.0.1', 53, { proto: 'udp' })).toBe(addressOf(sibling.result, 4));
  expect(await arrived()).toBeGreaterThan(900);
  expect(await arrived()).toBeLessThan(4000);
});

test('a scan of a LAN makes the host look for neighbours at a rate, and a sibling and the host find theirs', async ({
  host,
}) => {
  const outside = await makeWorld(host);
  await host.sh('ip addr add 10.7.0.1/16 dev eth0');
  await host.run(['ip', 'route', 'add', '10.7.0.0/16', 'dev', 'eth0'], { where: outside });
  const policy = oneProcess({ allowLocalNetworks: true });
  const attacker = await addContainer(host, policy, { name: 'attacker' });
  const sibling = await addContainer(host, policy, { name: 'sibling' });
  await flood(host, attacker, 'scan', '10.7.16.0', 4000);
  const neighbours = await host.sh('ip -4 neigh show dev eth0 | grep -c "^10.7.1[6-9]\\|^10.7.[23]"');
  expect(Number(neighbours)).toBeGreaterThan(30);
  expect(Number(neighbours)).toBeLessThan(200);
  expect(await host.fetch(sibling, world.private4, 80)).toBe('outside');
  expect(await host.fetch(host, world.private4, 80)).toBe('outside');
});
