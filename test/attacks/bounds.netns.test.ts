/** One container cannot take what others need: what each may take of what the host has for all. */
import { fileURLToPath } from 'node:url';
import { expect, test as base, type Container, type Host, type Json } from '../helpers/host.ts';
import {
  addContainer,
  addressOf,
  makeWorld,
  oneProcess,
  world,
  writePolicy,
} from '../plugins/egress-policy/network.ts';
import { drawbridge } from '../cli/cli.ts';
import { countArrivals, sendPacket, settle } from './packets.ts';

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

/** How many connections of a container the kernel knows. */
async function connectionsOf(host: Host, from: Added): Promise<number> {
  return Number(await host.sh(`conntrack -L -s ${addressOf(from.result, 4)} 2>/dev/null | wc -l`));
}

/** A container under a bound of its own, and a sibling under the usual one. */
async function withBound(host: Host, maxConnections: number): Promise<Lab> {
  await makeWorld(host);
  const attacker = await addContainer(host, oneProcess({ maxConnections }), { name: 'attacker' });
  const sibling = await addContainer(host, oneProcess(), { name: 'sibling' });
  return { host, attacker, sibling };
}

test('"maxConnections" bounds the connections of its container, and not those of a sibling', async ({ host }) => {
  const { attacker, sibling } = await withBound(host, 100);
  await flood(host, attacker, 'scan', '8.9.0.0', 500);
  await flood(host, sibling, 'scan', '8.9.0.0', 500);
  expect(await connectionsOf(host, attacker)).toBe(100);
  expect(await connectionsOf(host, sibling)).toBe(500);
  expect(await host.fetch(attacker, world.public4, 80)).toBe('timeout');
  expect(await host.fetch(sibling, world.public4, 80)).toBe('outside');
});

test('a container reaches a server again when its connections are fewer than "maxConnections"', async ({ host }) => {
  const { attacker } = await withBound(host, 100);
  await flood(host, attacker, 'scan', '8.9.0.0', 500);
  expect(await host.fetch(attacker, world.public4, 80)).toBe('timeout');
  await host.sh(`conntrack -D -s ${addressOf(attacker.result, 4)} >/dev/null 2>&1`);
  await expect.poll(async () => host.fetch(attacker, world.public4, 80), { timeout: 10_000 }).toBe('outside');
});

test('by default a container has a sixteenth of what the kernel tracks', async ({ host }) => {
  const tracked = Number(await host.sh('cat /proc/sys/net/netfilter/nf_conntrack_max'));
  const { sibling } = await withBound(host, 100);
  const chain = await host.sh(
    `nft list map inet drawbridge connections4 | grep -o '"br0" . ${addressOf(sibling.result, 4)} : goto [a-z0-9_]*'`,
  );
  const rules = await host.run(['nft', 'list', 'chain', 'inet', 'drawbridge', chain.trim().split(' ').at(-1) ?? '']);
  expect(rules).toContain(`ct count over ${Math.max(1024, Math.floor(tracked / 16))} `);
});

test('a changed "maxConnections" holds for a running container, and its connections stay', async ({ host }) => {
  await makeWorld(host);
  await writePolicy(host, 'work', { maxConnections: 400 });
  const attacker = await addContainer(host, oneProcess({ policy: 'work' }), { name: 'attacker' });
  await flood(host, attacker, 'scan', '8.9.0.0', 300);
  await writePolicy(host, 'work', { maxConnections: 50 });
  expect((await drawbridge(host, ['refresh'])).code).toBe(0);
  await flood(host, attacker, 'scan', '8.10.0.0', 300);
  expect(await connectionsOf(host, attacker)).toBe(350);
});

test('connections of a container begin at a rate', async ({ host }) => {
  const { attacker, sibling } = await withBound(host, 2000);
  await flood(host, attacker, 'scan', '8.9.0.0', 1900);
  await flood(host, sibling, 'scan', '8.9.0.0', 1900);
  expect(await connectionsOf(host, attacker)).toBeGreaterThan(1000);
  expect(await connectionsOf(host, attacker)).toBeLessThan(1850);
  expect(await connectionsOf(host, sibling)).toBe(1900);
});

test('an unanswered connection of a container is forgotten after ten seconds, one of the host as before', async ({
  lab: { host, attacker },
}) => {
  await flood(host, attacker, 'syn', '8.9.0.1', 3);
  await host.exec(['ncat', '-w', '1', '8.9.0.2', '80'], { where: host });
  const seconds = async (destination: string): Promise<number[]> =>
    [...(await host.sh(`conntrack -L -d ${destination} 2>/dev/null`)).matchAll(/tcp +6 (\d+) SYN_SENT/gu)].map(
      ([, left]) => Number(left),
    );
  const [own, hosts] = [await seconds('8.9.0.1'), await seconds('8.9.0.2')];
  expect(own).toHaveLength(3);
  expect(Math.max(...own)).toBeLessThanOrEqual(10);
  expect(hosts[0]).toBeGreaterThan(60);
});

test('connections that were reset at once are forgotten soon, and leave the ports of the host to others', async ({
  lab: { host, attacker, sibling },
}) => {
  await flood(host, attacker, 'syn', world.public4, 2000);
  await settle();
  const closed = await host.sh(
    `conntrack -L -s ${addressOf(attacker.result, 4)} 2>/dev/null | grep -E ' (CLOSE|TIME_WAIT) '`,
  );
  const left = [...closed.matchAll(/tcp +6 (\d+) /gu)].map(([, seconds]) => Number(seconds));
  expect(left.length).toBeGreaterThan(100);
  expect(Math.max(...left)).toBeLessThanOrEqual(2);
  expect(await host.fetch(sibling, world.public4, 80)).toBe('outside');
});

test('every connection of a container is forgotten with it', async ({ lab: { host, attacker, sibling } }) => {
  await keepConnections(host);
  await flood(host, attacker, 'scan', '8.9.0.0', 2000);
  await flood(host, sibling, 'scan', '8.9.0.0', 20);
  expect(await connectionsOf(host, attacker)).toBe(2000);
  expect((await host.delChain(oneProcess(), { container: attacker })).error).toBeUndefined();
  expect(await connectionsOf(host, attacker)).toBe(0);
  expect(await connectionsOf(host, sibling)).toBe(20);
});

test('connections to one server end at a bound, and a sibling and the host still reach it', async ({ host }) => {
  const outside = await makeWorld(host);
  await host.serve(outside, { port: 53, proto: 'udp', reply: 'outside' });
  const attacker = await addContainer(host, oneProcess({ maxConnections: 1_000_000 }), { name: 'attacker' });
  const sibling = await addContainer(host, oneProcess(), { name: 'sibling' });
  await keepConnections(host);
  await flood(host, attacker, 'dns', world.public4, 9_000);
  const listed = await connectionsOf(host, attacker);
  expect(listed).toBeGreaterThan(8000);
  expect(listed).toBeLessThanOrEqual(8192);
  for (const from of [sibling, host])
    expect(await host.fetch(from, world.public4, 53, { proto: 'udp' })).toBe('outside');
});

/** Which bounds each container met, as `list` has it. */
async function boundsMet(host: Host): Promise<Record<string, string[]>> {
  return Object.fromEntries(
    ((await drawbridge(host, ['list', '--json'])).json as Json[]).map(({ containerId, boundsMet: met }) => [
      containerId,
      (met as Json[]).map(({ bound }) => bound as string),
    ]),
  );
}

test('whoever looks sees that a container met its bounds of beginnings, neighbours and reports', async ({ host }) => {
  await makeWorld(host);
  const policy = { maxConnections: 2048, allowPrivate: ['192.0.2.0/24'] };
  const attacker = await addContainer(host, oneProcess(policy), { name: 'attacker' });
  await addContainer(host, oneProcess(), { name: 'sibling' });
  await flood(host, attacker, 'scan', '8.9.0.0', 1900);
  await flood(host, attacker, 'scan', '192.0.2.10', 200);
  await sendPacket(host, attacker, '[IP(dst="224.0.0.22")/IGMPv3(type=0x22)/IGMPv3mr(records=[IGMPv3gr()])] * 60', [
    'scapy.contrib.igmpv3',
  ]);
  expect(await boundsMet(host)).toEqual({ attacker: ['begun', 'neighbours', 'reports'], sibling: [] });
  for (const words of [['list', '--wide'], ['doctor']]) {
    const said = (await drawbridge(host, words)).stdout.replaceAll(/\s+/gu, ' ').replaceAll('attacker:', 'attacker');
    expect(said).toContain('attacker met its bound of 256 connections that begin in a second');
    expect(said).toContain('met its bound of 10 new neighbours of the host a second');
    expect(said).toContain('met its bound of 10 reports of multicast groups a minute');
  }
});

test('whoever looks sees which bound a container has met', async ({ host }) => {
  const { attacker } = await withBound(host, 100);
  expect(await boundsMet(host)).toEqual({ attacker: [], sibling: [] });
  await flood(host, attacker, 'scan', '8.9.0.0', 500);
  await flood(host, attacker, 'echo', '10.1.0.1', 100);
  await flood(host, attacker, 'fragment', world.public4, 1000);
  await flood(host, attacker, 'scan', '10.200.0.0', 1000);
  expect(await boundsMet(host)).toEqual({ attacker: ['connections', 'fragments', 'echo', 'denials'], sibling: [] });
  const said = /attacker:? met its bound of 100 connections at once/u;
  for (const words of [['list', '--wide'], ['doctor']]) {
    const { stdout } = await drawbridge(host, words);
    expect(stdout.replaceAll(/\s+/gu, ' ')).toMatch(said);
    expect(stdout).not.toMatch(/sibling:? met its/u);
  }
  const explained = await drawbridge(host, ['explain', 'attacker', `${world.public4}:80`, '--json']);
  expect(explained.json).toMatchObject({ verdict: 'deny', reason: expect.stringContaining('100 connections at once') });
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
