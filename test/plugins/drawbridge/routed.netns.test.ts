import { drawbridge } from '../../cli/cli.ts';
import { settle, sendPacket } from '../../attacks/packets.ts';
import { describe, expect, test, type Conflist, type Host, type Json } from '../../helpers/host.ts';
import { addContainer, addressOf, makeWorld, reaches, restricted, world } from '../egress-policy/network.ts';
import { addressesOn, expectFailure, hostInterfaceIn, hostLocal, routesOf, show } from './network.ts';
import { routedConf } from './routed-conf.ts';

function listOf(conf: Json, policy?: Json): Conflist {
  const { cniVersion, name, ...plugin } = conf;
  const plugins = policy === undefined ? [plugin] : [plugin, { type: 'egress-policy', ...policy }];
  return { cniVersion: cniVersion as string, name: name as string, plugins };
}

/** Without a policy, as a chain, and in one process. */
const bare = (changes: Json = {}): Conflist => listOf(routedConf(changes));
const chained = (policy: Json = {}, changes: Json = {}): Conflist => listOf(routedConf(changes), policy);
const inOne = (policy: Json = {}, changes: Json = {}): Conflist => listOf(routedConf({ egress: policy, ...changes }));
const ways = { 'a chain': chained, 'one process': inOne };

const left = async (host: Host): Promise<string[]> =>
  host.leftovers({ allow: [/\/run\/drawbridge\/listings\//, /\/var\/lib\/drawbridge\/boot\//] });

test('ADD makes single addresses, a gateway on the link, and routes of the host; DEL leaves nothing', async ({
  host,
}) => {
  const outside = await makeWorld(host);
  await host.takeBaseline();
  const container = await addContainer(host, bare());
  const veth = hostInterfaceIn(container.result);
  expect(container.result).toMatchObject({
    interfaces: [{ name: veth }, { name: 'eth0', sandbox: container.netns }],
    ips: [
      { address: '10.1.0.2/32', gateway: '10.1.0.1', interface: 1 },
      { address: 'fd01::2/128', gateway: 'fd01::1', interface: 1 },
    ],
  });
  expect(await addressesOn(host, container, 'eth0')).toEqual(['10.1.0.2/32', 'fd01::2/128']);
  expect(await addressesOn(host, host, veth)).toEqual(['10.1.0.1/32', 'fd01::1/128']);
  expect(await routesOf(host, container, 4)).toEqual([
    'default via 10.1.0.1 dev eth0',
    '10.1.0.0/24 via 10.1.0.1 dev eth0',
    '10.1.0.1 dev eth0 scope link',
  ]);
  expect(await host.sh(`ip route show dev ${veth}; ip -6 route show dev ${veth} proto boot`)).toContain('10.1.0.2');
  expect((await show(host, host, 'link', veth))['master']).toBeUndefined();
  expect(await host.fetch(container, world.public4, 80)).toBe('outside');
  expect(await host.fetch(container, world.public6, 80)).toBe('outside');
  const server = await host.serve(outside, { port: 81 });
  await host.fetch(container, world.public4, 81);
  expect(await server.peers()).toEqual(['192.0.2.1']);
  const checked = await host.checkChain(bare(), { container });
  expect(checked.error, checked.stderr).toBeUndefined();
  await host.delChain(bare(), { container });
  await host.delChain(bare(), { container });
  expect(await left(host)).toEqual([]);
});

test('siblings reach each other by their own addresses, and the published port of one another', async ({ host }) => {
  const outside = await makeWorld(host);
  const portMappings = [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }];
  const one = await addContainer(host, bare(), { runtimeConfig: { portMappings } });
  const two = await addContainer(host, bare());
  const server = await host.serve(one, { port: 80, reply: '{peer}' });
  expect(await host.fetch(two, '10.1.0.2', 80)).toBe('10.1.0.3');
  expect(await host.fetch(two, 'fd01::2', 80)).toBe('fd01::3');
  expect(await host.fetch(outside, '192.0.2.1', 8080)).toBe('192.0.2.2');
  expect(await host.fetch(two, '192.0.2.1', 8080)).toBe('10.1.0.3');
  expect(await host.fetch(one, '192.0.2.1', 8080)).toBe('10.1.0.1');
  expect(await host.fetch(host, '127.0.0.1', 8080)).toBe('10.1.0.1');
  expect(await host.fetch(host, '10.1.0.2', 80)).toBe('10.1.0.1');
  await server.close();
});

describe.for(Object.entries(ways))('in %s', ([, list]) => {
  test('a policy holds, CHECK passes, the host is reached as "hostPorts" say, and DEL leaves nothing', async ({
    host,
  }) => {
    await makeWorld(host);
    await host.takeBaseline();
    await host.serve(host, { port: 53, reply: 'dns' });
    await host.serve(host, { port: 22, reply: 'ssh' });
    const container = await addContainer(host, list());
    expect(await reaches(host, container)).toEqual(restricted);
    expect(await host.fetch(container, '10.1.0.1', 53)).toBe('dns');
    expect(await host.fetch(container, '10.1.0.1', 22)).toBe('refused');
    expect(await host.fetch(container, 'fd01::1', 53)).toBe('dns');
    expect(await host.fetch(container, '192.0.2.1', 53)).toBe('refused');
    const checked = await host.checkChain(list(), { container });
    expect(checked.error, checked.stderr).toBeUndefined();
    await host.delChain(list(), { container });
    expect(await left(host)).toEqual([]);
  });

  test('siblings are kept apart with isolation "container", and not with "none"; those of another network always', async ({
    host,
  }) => {
    await makeWorld(host);
    const policy = { mode: 'open', isolation: 'none' };
    const other = { name: 'other', ipam: hostLocal('10.2.0.0/24') };
    const [apart, near, nearToo, far] = [
      await addContainer(host, list({ mode: 'open', isolation: 'container' })),
      await addContainer(host, list(policy)),
      await addContainer(host, list(policy)),
      await addContainer(host, list(policy, other)),
    ];
    await Promise.all([apart, near, far].map(async (where) => host.serve(where, { port: 80, reply: 'sibling' })));
    expect(await host.fetch(nearToo, '10.1.0.3', 80)).toBe('sibling');
    expect(await host.fetch(nearToo, '10.1.0.2', 80)).not.toBe('sibling');
    expect(await host.fetch(apart, '10.1.0.3', 80)).not.toBe('sibling');
    expect(await host.fetch(nearToo, '10.2.0.2', 80)).not.toBe('sibling');
    expect(await host.fetch(far, '10.1.0.3', 80)).not.toBe('sibling');
  });

  test('a published port is reached from outside, and a direct address is not', async ({ host }) => {
    const outside = await makeWorld(host);
    await host.sh('ip route add 10.1.0.0/24 via 192.0.2.1', { where: outside });
    const portMappings = [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }];
    const container = await addContainer(host, list(), { runtimeConfig: { portMappings } });
    await host.serve(container, { port: 80, reply: 'inside' });
    expect(await host.fetch(outside, '192.0.2.1', 8080)).toBe('inside');
    expect(await host.fetch(outside, '2001:db8:ffff::1', 8080)).toBe('inside');
    expect(await host.fetch(outside, '10.1.0.2', 80)).not.toBe('inside');
  });

  test('after "nft flush ruleset" it reaches neither outside nor host, and with the next ADD again', async ({
    host,
  }) => {
    await makeWorld(host);
    await host.serve(host, { port: 53, reply: 'dns' });
    const container = await addContainer(host, list());
    const answers = async (): Promise<string[]> =>
      Promise.all(
        [world.public4, world.public6]
          .map(async (to) => host.fetch(container, to, 80, { timeout: 1500 }))
          .concat(
            ['10.1.0.1', 'fd01::1', '192.0.2.1'].map(async (to) => host.fetch(container, to, 53, { timeout: 1500 })),
          ),
      );
    await host.sh('nft flush ruleset; sysctl -qw net.ipv4.ip_forward=1');
    for (const answer of await answers()) expect(['unreachable', 'timeout', 'refused']).toContain(answer);
    await addContainer(host, list());
    // What asked for the gateway's MAC meanwhile has to ask again.
    await expect.poll(answers, { timeout: 8000 }).toEqual(['outside', 'outside', 'dns', 'dns', 'refused']);
  });
});

describe('without a policy too', () => {
  test.for([
    ['the address of a sibling', 'IP(src="10.1.0.3", dst="192.0.2.2")', 'ip saddr'],
    ["an address of IPv6 that is a sibling's", 'IPv6(src="fd01::3", dst="2001:db8:ffff::2")', 'ip6 saddr'],
  ] as const)('a packet with %s does not leave, and one with its own does', async ([, forged, family], { host }) => {
    const outside = await makeWorld(host);
    await host.sh('ip route add 10.1.0.0/24 via 192.0.2.1; ip -6 route add fd01::/64 via 2001:db8:ffff::1', {
      where: outside,
    });
    const server = await host.serve(outside, { port: 9, proto: 'udp' });
    const container = await addContainer(host, bare({ ipMasq: false }));
    await addContainer(host, bare({ ipMasq: false }));
    const payload = ' / UDP(sport=4000, dport=9) / b"x"';
    await sendPacket(host, container, `${forged}${payload}`);
    await settle();
    expect(await server.peers()).toEqual([]);
    const own = family === 'ip saddr' ? ['10.1.0.3', '10.1.0.2'] : ['fd01::3', 'fd01::2'];
    await sendPacket(host, container, `${forged.replace(own[0] ?? '', own[1] ?? '')}${payload}`);
    await expect.poll(async () => server.peers()).toEqual([own[1]]);
    expect(await host.sh('nft list counter inet drawbridge routed_forged')).toMatch(/packets [1-9]/u);
  });

  test('a frame with the MAC of another does not leave, and one with its own does', async ({ host }) => {
    const outside = await makeWorld(host);
    const server = await host.serve(outside, { port: 9, proto: 'udp' });
    const container = await addContainer(host, bare());
    const veth = hostInterfaceIn(container.result);
    const gateway = (await show(host, host, 'link', veth))['address'] as string;
    const own = (await show(host, container, 'link', 'eth0'))['address'] as string;
    const send = async (from: string): Promise<void> =>
      void (await host.run(
        [
          '/usr/bin/python3',
          '-c',
          `from scapy.all import *
sendp(Ether(src="${from}", dst="${gateway}") / IP(src="10.1.0.2", dst="192.0.2.2") / UDP(sport=4000, dport=9) / b"x", iface="eth0", verbose=False)`,
        ],
        { where: container, timeout: 20_000 },
      ));
    await send('02:00:00:00:00:99');
    await settle();
    expect(await server.peers()).toEqual([]);
    await send(own);
    await expect.poll(async () => (await server.peers()).length).toBe(1);
  });

  test('neither ARP nor a router advertisement of a container changes what the host knows', async ({ host }) => {
    await makeWorld(host);
    const [attacker, victim] = [await addContainer(host, bare()), await addContainer(host, bare())];
    await host.serve(victim, { port: 80, reply: 'victim' });
    const known = async (): Promise<string> => host.sh('ip neigh show nud permanent | sort; ip -6 route show default');
    const before = await known();
    const script = `from scapy.all import *
mac = get_if_hwaddr("eth0")
for op in (1, 2):
    sendp(Ether(dst="ff:ff:ff:ff:ff:ff") / ARP(op=op, hwsrc=mac, psrc="10.1.0.3", pdst="10.1.0.1"), iface="eth0", verbose=False)
ra = IPv6(src="fe80::1", dst="ff02::1", hlim=255) / ICMPv6ND_RA() / ICMPv6NDOptSrcLLAddr(lladdr=mac)
sendp(Ether(dst="33:33:00:00:00:01") / ra, iface="eth0", verbose=False)
na = IPv6(src="fd01::2", dst="fd01::1", hlim=255) / ICMPv6ND_NA(tgt="fd01::3", R=0, S=0, O=1) / ICMPv6NDOptDstLLAddr(lladdr=mac)
sendp(Ether(dst="33:33:00:00:00:01") / na, iface="eth0", verbose=False)`;
    await host.run(['/usr/bin/python3', '-c', script], { where: attacker, timeout: 20_000 });
    await settle();
    expect(await known()).toBe(before);
    expect(before).toContain('10.1.0.3');
    expect(await host.fetch(host, '10.1.0.3', 80)).toBe('victim');
    expect(await host.fetch(attacker, '10.1.0.3', 80)).toBe('victim');
  });
});

describe('keys', () => {
  test.for([
    ['bridge', { bridge: 'br0' }, /Cannot use "bridge" with "routed"/],
    ['vlan', { vlan: 5 }, /Cannot use "vlan" with "routed"/],
    ['no "ipam"', { ipam: {} }, /Cannot use "routed" with "ipam\.type" ""/],
  ] as const)('%s is refused with "routed"', async ([, changes, text], { host }) => {
    const container = await host.container();
    expectFailure(await host.cni('ADD', routedConf(changes), { container }), 7, text);
  });

  test('"noMasquerade" keeps the own address of a routed container', async ({ host }) => {
    const outside = await makeWorld(host);
    await host.sh('ip route add 10.1.0.0/24 via 192.0.2.1', { where: outside });
    const server = await host.serve(outside, { port: 81 });
    const container = await addContainer(host, bare({ noMasquerade: ['8.8.8.0/24'] }));
    await host.fetch(container, world.public4, 81);
    await host.fetch(container, world.other4, 81);
    expect(await server.peers()).toEqual(['10.1.0.2', '192.0.2.1']);
  });

  test('an address that the host routes to elsewhere is refused, and nothing is left of the ADD', async ({ host }) => {
    await makeWorld(host);
    await addContainer(host, bare());
    await host.takeBaseline();
    const container = await host.container();
    const outcome = await host.cni('ADD', routedConf({ name: 'twin' }), { container });
    expectFailure(outcome, 102, /the host has a route to it already/);
    expect(await left(host)).toEqual([]);
  });
});

test('doctor puts back what is lost of a veth: address and routes', async ({ host }) => {
  await makeWorld(host);
  const container = await addContainer(host, chained());
  const veth = hostInterfaceIn(container.result);
  // With an address the kernel takes the routes that name it as their source.
  await host.sh(`ip addr del 10.1.0.1/32 dev ${veth}; ip -6 route del fd01::2`);
  expect(await host.fetch(container, world.public4, 80)).not.toBe('outside');
  const checked = await host.checkChain(chained(), { container });
  expect(checked.error).toMatchObject({ code: 103 });
  const { stdout } = await drawbridge(host, ['doctor']);
  expect(stdout).toMatch(/had lost its address\s+10\.1\.0\.1\/32/u);
  await drawbridge(host, ['doctor', '--fix']);
  expect(await host.fetch(container, world.public4, 80)).toBe('outside');
  const again = await host.checkChain(chained(), { container });
  expect(again.error, again.stderr).toBeUndefined();
});

test('list, graph and explain know a routed container and its siblings', async ({ host }) => {
  await makeWorld(host);
  const policy = { mode: 'open', isolation: 'none' };
  const [one, two] = [await addContainer(host, chained(policy)), await addContainer(host, chained())];
  const listed = await drawbridge(host, ['list']);
  expect(listed.stdout).toContain('on routes of the host');
  expect(listed.stdout).toContain(addressOf(one.result, 4));
  expect((await drawbridge(host, ['graph', '--format', 'text'])).stdout).toContain('net  routed');
  const { json } = await drawbridge(host, ['explain', one.name, '8.8.8.8:80', '--json']);
  expect(json).toMatchObject({ verdict: 'allow' });
  const sibling = await drawbridge(host, ['explain', one.name, `${addressOf(two.result, 4)}:80`, '--json']);
  expect(sibling.json).toMatchObject({ verdict: 'deny', rule: 'isolation "container"' });
});

async function cleanedRecords(host: Host): Promise<string> {
  await drawbridge(host, ['clean']);
  return host.sh('ls /run/drawbridge/attachments');
}

test('GC and clean remove a routed container that ended without a DEL, and what a killed ADD left', async ({
  host,
}) => {
  await makeWorld(host);
  await host.takeBaseline();
  const [dead, alive] = [await addContainer(host, inOne()), await addContainer(host, inOne())];
  await dead.remove();
  // The kernel takes a namespace away some time after its last user is gone.
  await expect.poll(() => cleanedRecords(host), { timeout: 10_000 }).toMatch(/^\w+\.json\n$/u);
  expect(await reaches(host, alive)).toEqual(restricted);
  await host.sh('rm /run/drawbridge/attachments/*');
  const { stdout } = await drawbridge(host, ['clean']);
  expect(stdout).toMatch(/the host\s+routes to it/u);
  await host.delChain(inOne(), { container: alive });
  await drawbridge(host, ['clean']);
  expect(await left(host)).toEqual([]);
});
