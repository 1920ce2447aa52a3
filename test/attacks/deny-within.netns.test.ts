/** "deny" beats everything, also between the containers of one bridge that "isolation" lets talk. */
import { describe, expect, test, type Conflist, type Container, type Host, type Json } from '../helpers/host.ts';
import { drawbridge } from '../cli/cli.ts';
import { show } from '../plugins/drawbridge/network.ts';
import { addContainer, addressOf, elementsOf, oneProcess, writePolicy } from '../plugins/egress-policy/network.ts';
import { countArrivals, sendFrames, sendPacket, setBridgeNetfilter, settle } from './packets.ts';

type Added = Container & { result: Json };

const both = [4, 6] as const;

/** A container with servers at the TCP ports 80 and 5432 and the UDP port 53, whose policy lets siblings talk to it. */
async function addVictim(host: Host, policy: Json = {}): Promise<Added> {
  return serveAll(host, await addContainer(host, oneProcess({ isolation: 'bridge', ...policy })));
}

async function serveAll(host: Host, victim: Added): Promise<Added> {
  await Promise.all([80, 5432].map(async (port) => host.serve(victim, { port, reply: 'victim' })));
  await host.serve(victim, { port: 53, proto: 'udp', reply: 'victim' });
  return victim;
}

/** What a container reaches of another: the ports of {@link addVictim}, and whether it answers a ping. */
async function reach(host: Host, from: Added, to: Added, n: 4 | 6): Promise<string> {
  const address = addressOf(to.result, n);
  const [web, database, dns, ping] = await Promise.all([
    host.fetch(from, address, 80, { timeout: 700 }),
    host.fetch(from, address, 5432, { timeout: 700 }),
    host.fetch(from, address, 53, { proto: 'udp', timeout: 700 }),
    host.ping(from, address),
  ]);
  const reached = {
    web: web === 'victim',
    database: database === 'victim',
    dns: dns === 'victim',
    ping: ping === 'answer',
  };
  return Object.entries(reached)
    .flatMap(([name, isReached]) => (isReached ? [name] : []))
    .join(' ');
}

async function addAttacker(host: Host, deny: readonly string[], policy: Json = {}): Promise<Added> {
  return addContainer(host, oneProcess({ isolation: 'bridge', deny, ...policy }));
}

function addressesOf({ result }: Added): string[] {
  return both.map((n) => addressOf(result, n));
}

describe.for(both)('by IPv%i, a sibling', (n) => {
  test('is reached where nothing is denied', async ({ host }) => {
    const victim = await addVictim(host);
    expect(await reach(host, await addAttacker(host, []), victim, n)).toBe('web database dns ping');
  });

  test('is not reached where its addresses are denied, and others are', async ({ host }) => {
    const [victim, other] = [await addVictim(host), await addVictim(host)];
    const attacker = await addAttacker(host, addressesOf(victim));
    expect(await reach(host, attacker, victim, n)).toBe('');
    expect(await reach(host, attacker, other, n)).toBe('web database dns ping');
  });

  test('is not reached where its network is denied, by isolation none', async ({ host }) => {
    const victim = await addVictim(host);
    const attacker = await addAttacker(host, ['10.1.0.0/24', 'fd01::/64'], { isolation: 'none' });
    expect(await reach(host, attacker, victim, n)).toBe('');
  });

  test('is not reached at the ports that are denied, and at others it is', async ({ host }) => {
    const victim = await addVictim(host);
    const [v4, v6] = addressesOf(victim);
    const attacker = await addAttacker(host, [
      `${v4}:5432`,
      `[${v6}]:5432`,
      '10.1.0.0/24:53/udp',
      '[fd01::/64]:53/udp',
    ]);
    expect(await reach(host, attacker, victim, n)).toBe('web ping');
  });

  test('is not pinged where ICMP is denied, and reached otherwise', async ({ host }) => {
    const victim = await addVictim(host);
    const attacker = await addAttacker(host, ['10.1.0.0/24/icmp', 'fd01::/64/icmp']);
    expect(await reach(host, attacker, victim, n)).toBe('web database dns');
  });

  test('that is denied is answered when it asks itself', async ({ host }) => {
    const asker = await addContainer(host, oneProcess({ isolation: 'bridge' }));
    const denier = await addVictim(host, { deny: addressesOf(asker) });
    expect(await reach(host, asker, denier, n)).toBe('web database ping');
  });

  test('is not reached where its addresses are denied, with br_netfilter', async ({ host, skip }) => {
    if (!(await setBridgeNetfilter(host, 1))) skip('this kernel has no br_netfilter');
    const victim = await addVictim(host);
    expect(await reach(host, await addAttacker(host, addressesOf(victim)), victim, n)).toBe('');
    expect(await reach(host, await addAttacker(host, []), victim, n)).toBe('web database dns ping');
  });
});

describe.for([0, 1] as const)('by way of the gateway, with br_netfilter %i, a sibling', (value) => {
  test.for(both)(
    'is reached where nothing is denied, and not where it is denied, by IPv%i',
    async (n, { host, skip }) => {
      if (!(await setBridgeNetfilter(host, value))) skip('this kernel has no br_netfilter');
      const victim = await addVictim(host);
      const attackers = [await addAttacker(host, []), await addAttacker(host, addressesOf(victim))];
      const mac = String((await show(host, host, 'link', 'br0'))['address']);
      const arrived = await countArrivals(host, victim, 'udp dport 9', 'prerouting priority -450');
      const header = n === 4 ? 'IP' : 'IPv6';
      const sendBy = async (from: Added): Promise<void> => {
        const packet = `${header}(src="${addressOf(from.result, n)}", dst="${addressOf(victim.result, n)}")/UDP(dport=9)/b"x"`;
        await sendFrames(host, from, [[mac, packet]]);
      };
      const [free, denied] = attackers;
      if (free === undefined || denied === undefined) throw new Error('no attackers');
      await sendBy(denied);
      await settle();
      expect(await arrived()).toBe(0);
      await sendBy(free);
      await expect.poll(arrived, { timeout: 3000 }).toBe(1);
    },
  );
});

describe.for(both)('of a routed network, by IPv%i, a sibling', (n) => {
  const routed = (policy: Json): Conflist =>
    oneProcess(policy, { bridge: undefined, hairpinMode: undefined, routed: true });
  const add = async (host: Host, policy: Json): Promise<Added> => addContainer(host, routed(policy));

  test('is not reached where its policy denies it, at the ports that are denied, and is reached otherwise', async ({
    host,
  }) => {
    const victim = await serveAll(host, await add(host, { isolation: 'bridge' }));
    const [v4, v6] = addressesOf(victim);
    const ports = [`${v4}:5432`, `[${v6}]:5432`, '10.1.0.0/24:53/udp', '[fd01::/64]:53/udp'];
    const policies = [{}, { deny: addressesOf(victim) }, { deny: ports }, { deny: ports, audit: true }];
    const found = [];
    for (const policy of policies)
      found.push(await reach(host, await add(host, { isolation: 'bridge', ...policy }), victim, n));
    expect(found).toEqual(['web database dns ping', '', 'web ping', 'web database dns ping']);
  });

  test('that is denied is answered when it asks itself', async ({ host }) => {
    const asker = await add(host, { isolation: 'bridge' });
    const denier = await serveAll(host, await add(host, { isolation: 'bridge', deny: addressesOf(asker) }));
    expect(await reach(host, asker, denier, n)).toBe('web database dns ping');
  });

  test('keeps a connection when a policy changes and still allows it, and loses it when the policy denies it', async ({
    host,
  }) => {
    const victim = await serveAll(host, await add(host, { isolation: 'bridge' }));
    await writePolicy(host, 'job', { isolation: 'bridge' });
    const attacker = await add(host, { policy: 'job' });
    const target = addressOf(victim.result, n);
    const talk = async (): Promise<string> =>
      host.fetch(attacker, target, 53, { proto: 'udp', fromPort: 4000, timeout: 700 });
    const change = async (deny: readonly string[]): Promise<void> => {
      await writePolicy(host, 'job', { isolation: 'bridge', deny });
      expect((await drawbridge(host, ['refresh'])).code).toBe(0);
    };
    expect(await talk()).toBe('victim');
    await change(['10.1.0.99', 'fd01::99']);
    expect(await talk()).toBe('victim');
    await change(addressesOf(victim));
    expect(await talk()).not.toBe('victim');
  });
});

test('two that deny each other exchange no segments without a connection, and no answers to pings', async ({
  host,
}) => {
  await setBridgeNetfilter(host, 0);
  const deny = ['10.1.0.0/24', 'fd01::/64'];
  const [first, second] = [await addAttacker(host, deny), await addAttacker(host, deny)];
  const free = await addAttacker(host, []);
  const arrived = await countArrivals(host, second, 'meta l4proto { tcp, icmp }', 'prerouting priority -450');
  const target = addressOf(second.result, 4);
  const frame = (to: string): string =>
    `IP(dst="${to}")/TCP(sport=1000,dport=1001,flags="A")/("x"*100), IP(dst="${to}")/ICMP(type=0)/("x"*100)`;
  for (const packet of frame(target).split(', ')) await sendPacket(host, first, packet);
  await settle();
  expect(await arrived()).toBe(0);
  for (const packet of frame(target).split(', ')) await sendPacket(host, free, packet);
  await expect.poll(arrived, { timeout: 3000 }).toBe(2);
});

test('a first fragment that ends before the flags of a segment does not pass for an answer', async ({ host }) => {
  await setBridgeNetfilter(host, 0);
  const victim = await addVictim(host);
  const target = addressOf(victim.result, 4);
  const [attacker, free] = [await addAttacker(host, [target]), await addAttacker(host, [])];
  const arrived = await countArrivals(host, victim, 'ip frag-off & 0x3fff == 0x2000', 'prerouting priority -450');
  const packet = `IP(dst="${target}",flags="MF")/Raw(bytes(TCP(sport=1000,dport=80,flags="S"))[:8])`;
  const send = async (from: Added): Promise<void> => sendPacket(host, from, packet.replace('IP(', 'IP(proto=6,'));
  await send(attacker);
  await settle();
  expect(await arrived()).toBe(0);
  await send(free);
  await expect.poll(arrived, { timeout: 3000 }).toBe(1);
});

test('under audit what is denied passes between siblings, and is counted', async ({ host }) => {
  const victim = await addVictim(host);
  const attacker = await addAttacker(host, addressesOf(victim), { audit: true });
  expect(await reach(host, attacker, victim, 4)).toBe('web database dns ping');
  const listed = await elementsOf(host, 'guard_denied4', 'bridge drawbridge');
  expect(listed.join('\n')).toContain(`${addressOf(attacker.result, 4)} . ${addressOf(victim.result, 4)} . tcp . 5432`);
});

test('without IPv6 a container exchanges none with a sibling, whatever it sends', async ({ host }) => {
  const victim = await addVictim(host);
  const attacker = await addAttacker(host, [], { ipv6: 'disable' });
  expect(await reach(host, attacker, victim, 4)).toBe('web database dns ping');
  const arrived = await countArrivals(host, victim, 'ip6 daddr ff02::1 udp dport 9', 'prerouting priority -450');
  await host.sh('sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.eth0.disable_ipv6=0', { where: attacker });
  const packet = 'IPv6(dst="ff02::1")/UDP(dport=9)/"x"';
  const send = async (from: Added): Promise<void> => sendFrames(host, from, [['33:33:00:00:00:01', packet]]);
  await send(attacker);
  await settle();
  expect(await arrived()).toBe(0);
  await send(await addAttacker(host, []));
  await expect.poll(arrived, { timeout: 3000 }).toBe(1);
});

test.for([0, 1] as const)(
  'a denial that a policy file gains holds at once, with br_netfilter %i',
  async (value, { host, skip }) => {
    if (!(await setBridgeNetfilter(host, value))) skip('this kernel has no br_netfilter');
    await writePolicy(host, 'job', { isolation: 'bridge' });
    const victim = await addVictim(host);
    const attacker = await addContainer(host, oneProcess({ policy: 'job' }));
    expect(await reach(host, attacker, victim, 4)).toBe('web database dns ping');
    await writePolicy(host, 'job', { isolation: 'bridge', deny: ['10.1.0.0/24:80'] });
    expect((await drawbridge(host, ['refresh'])).code).toBe(0);
    expect(await reach(host, attacker, victim, 4)).toBe('database dns ping');
  },
);

test('explain names the entry that denies a sibling', async ({ host }) => {
  const victim = await addVictim(host);
  const { name } = await addAttacker(host, ['10.1.0.0/24:80']);
  const explain = async (port: number): Promise<unknown> =>
    (await drawbridge(host, ['explain', name, `${addressOf(victim.result, 4)}:${port}`, '--json'])).json;
  expect(await explain(80)).toMatchObject({ verdict: 'deny', rule: 'deny "10.1.0.0/24:80"' });
  expect(await explain(5432)).toMatchObject({ verdict: 'allow', rule: 'isolation "bridge"' });
});

test('DEL of the last container under such a policy takes its chains, and CHECK misses none before', async ({
  host,
}) => {
  await addVictim(host);
  const list = oneProcess({ isolation: 'bridge', deny: ['10.1.0.9:80'] });
  const container = await addContainer(host, list);
  expect(await host.run(['nft', 'list', 'table', 'bridge', 'drawbridge'])).toContain('_deny4_ports');
  expect((await host.checkChain(list, { container, result: container.result })).error).toBeUndefined();
  await host.delChain(list, { container });
  expect(await host.run(['nft', 'list', 'table', 'bridge', 'drawbridge'])).not.toContain('_deny4_ports');
});
