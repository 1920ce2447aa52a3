/** What conntrack remembers: no flow that begins during an ADD, or before a policy became narrower, stays open. */
import { readFileSync } from 'node:fs';
import { executable } from '../../helpers/executable.ts';
import { describe, expect, makeHost, type Conflist, type Host, type Json, type Place } from '../../helpers/host.ts';
import { isLong } from '../../faults/network.ts';
import { count } from '../../faults/tally.ts';
import { hostLocal, succeeded } from '../drawbridge/network.ts';
import { addContainer, chain, makeWorld, ways, world } from './network.ts';
import { test } from './world.ts';

const pause = async (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

const script = readFileSync(new URL('flows.py', import.meta.url), 'utf8');

/** Addresses that the container is going to have, each time. */
const coming = ['10.1.0.9', 'fd01::9'] as const;

const ipam: Json = {
  type: 'host-local',
  ranges: [
    [{ subnet: '10.1.0.0/24', rangeStart: '10.1.0.9', rangeEnd: '10.1.0.9' }],
    [{ subnet: 'fd01::/64', rangeStart: 'fd01::9', rangeEnd: 'fd01::9' }],
  ],
};

/**
 * Sends from each of the outside's addresses at port 9 to the coming ones at port 4444, and prints who sends to that
 * port 9.
 */
const remote = `
import select, socket, sys, time
pairs = []
for source in sys.argv[1].split(","):
    six = ":" in source
    s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((source, 9)); s.setblocking(False)
    pairs.append((s, sys.argv[3] if six else sys.argv[2]))
print("sending", flush=True)
while True:
    for s, to in pairs:
        try: s.sendto(b"in", (to, 4444))
        except OSError: pass
        try: print("out", s.recvfrom(99)[1][0], flush=True)
        except OSError: pass
    time.sleep(0.0005)
`;

interface Rig {
  /** Datagrams that came through so far, one line each: "out ADDRESS", "in ADDRESS". */
  crossed(): Promise<string[]>;
}

/**
 * Both sides send all the time: a neighbour on the host's LAN, a remote behind it, and a process that waits in the
 * container's namespace.
 */
async function makeRig(host: Host, container: Place, list: Conflist): Promise<Rig> {
  const outside = await makeWorld(host);
  for (const [family, subnet, via] of [
    ['-4', '10.1.0.0/24', outside.hostV4],
    ['-6', 'fd01::/64', outside.hostV6],
  ] as const)
    await host.run(['ip', family, 'route', 'add', subnet, 'via', via], { where: outside });
  // The MAC of a bridge follows from its name.
  const first = await addContainer(host, { ...list, plugins: list.plugins.slice(0, 1) });
  const gateway = (await host.run(['cat', '/sys/class/net/br0/address'])).trim();
  succeeded(await host.delChain({ ...list, plugins: list.plugins.slice(0, 1) }, { container: first }));
  await first.remove();
  const froms = [outside.v4, world.private4, outside.v6, world.private6].join(',');
  const daemons = [
    await host.spawn(['/usr/bin/python3', '-u', '-c', remote, froms, ...coming], { where: outside }),
    await host.spawn(['/usr/bin/python3', '-u', '-c', script, gateway, ...coming, world.private4, world.private6], {
      where: container,
    }),
  ];
  const read = async (): Promise<string[]> =>
    (await Promise.all(daemons.map(async ({ log }) => host.run(['cat', log])))).flatMap((text) => text.split('\n'));
  while ((await read()).filter((line) => ['sending', 'waiting'].includes(line)).length < 2) await pause(20);
  return { crossed: async () => (await read()).filter((line) => /^(?:in|out) /u.test(line)) };
}

const rounds = isLong ? 1000 : 6;

describe.each(Object.entries(ways))('in %s, while both sides send through ADDs and DELs', (name, way) => {
  test.for(['fresh', 'existing'])(
    'nothing crosses a %s bridge that the policy denies',
    {
      timeout: isLong ? 3_600_000 : 120_000,
    },
    async (bridge, { host, task }) => {
      const list = way({ allow: [world.other4] }, { ipam });
      await host.sh('cat > /etc/cni/net.d/10-net.conflist', { input: JSON.stringify(list) });
      const container = await host.container('waiting');
      const { crossed } = await makeRig(host, container, list);
      // One without a policy, on a network of its own.
      if (bridge === 'existing')
        await addContainer(host, {
          ...list,
          name: 'other',
          plugins: [{ ...list.plugins[0], egress: undefined, ipam: hostLocal('10.1.0.0/24') }],
        });
      for (let round = 0; round < rounds; round++) {
        if (bridge === 'fresh') await host.exec(['ip', 'link', 'del', 'br0']);
        succeeded(await host.addChain(list, { container }));
        await pause(40);
        succeeded(await host.delChain(list, { container }));
        expect(await crossed(), `round ${round}`).toEqual([]);
      }
      count({ task }, { [`ADDs and DELs under fire from both sides (${name}) through which nothing crossed`]: rounds });
    },
  );

  test('what the policy allows crosses in both directions and families', async ({ host }) => {
    const list = way({ mode: 'open', ingress: 'open' }, { ipam });
    const container = await host.container('waiting');
    const { crossed } = await makeRig(host, container, list);
    succeeded(await host.addChain(list, { container }));
    const both = ['in 10.7.7.7', 'in fd00:7::7', 'out 10.1.0.9', 'out fd01::9'];
    await expect
      .poll(async () => [...new Set(await crossed())], { timeout: 8000 })
      .toEqual(expect.arrayContaining(both));
  });
});

/** Answers what comes to TCP port 7000, and goes on sending to whoever sent a datagram to UDP port 7000. */
const talker = `
import socket, threading, time
def talk(c):
    try:
        while (d := c.recv(99)): c.sendall(d)
    except OSError: pass
def stream(s):
    peers = set()
    s.settimeout(0.02)
    while True:
        try: peers.add(s.recvfrom(99)[1])
        except OSError: pass
        for peer in peers:
            try: s.sendto(b"more", peer)
            except OSError: pass
udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
udp.bind(("::", 7000))
threading.Thread(target=stream, args=(udp,), daemon=True).start()
s = socket.create_server(("::", 7000), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
while True: threading.Thread(target=talk, args=(s.accept()[0],), daemon=True).start()
`;

/**
 * Holds one connection, and prints a line for each piece that comes back. With "udp" it sends once and then listens.
 */
const holder = `
import socket, sys, time
kind, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
info = socket.getaddrinfo(address, port, type=socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)[0]
while True:
    # The kernel takes a second or two to give a new bridge its link-local address.
    s = socket.socket(*info[:3]); s.settimeout(0.2)
    try: s.connect(info[4]); break
    except OSError: s.close()
if kind == "udp": s.send(b"first")
while True:
    try:
        if kind == "tcp": s.send(b"ball")
        s.recv(99)
        print("alive", flush=True)
    except OSError: pass
    time.sleep(0.02)
`;

async function startTalker(host: Host, where: Place): Promise<void> {
  const daemon = await host.spawn(['/usr/bin/python3', '-u', '-c', talker], { where });
  while ((await host.run(['cat', daemon.log])) === '') await pause(20);
}

interface Held {
  /** Whether pieces go on coming back. */
  isAlive(): Promise<boolean>;
}

async function hold(host: Host, where: Place, kind: 'tcp' | 'udp', address: string, port = 7000): Promise<Held> {
  const daemon = await host.spawn(['/usr/bin/python3', '-u', '-c', holder, kind, address, String(port)], { where });
  const lines = async (): Promise<number> => (await host.run(['cat', daemon.log])).split('alive').length - 1;
  await expect.poll(lines, { timeout: 5000, message: `${kind} to ${address} works at first` }).toBeGreaterThan(1);
  return {
    isAlive: async () => {
      // What was under way comes in first.
      await pause(100);
      const before = await lines();
      await pause(500);
      return (await lines()) > before;
    },
  };
}

const withoutConntrack = 'mount --bind /dev/null /usr/sbin/conntrack';

async function refresh(host: Host, env: Record<string, string> = {}): Promise<void> {
  await host.run([executable, 'refresh'], { env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...env } });
}

async function writePolicy(host: Host, policy: Json): Promise<void> {
  await host.sh('mkdir -p /etc/drawbridge/policies; cat > /etc/drawbridge/policies/web.json', {
    input: JSON.stringify(policy),
  });
}

describe.each([
  ['the kernel lists flows', {}],
  ['nothing can list flows', { DRAWBRIDGE_CHILDREN: '1' }],
])('without conntrack(8), where %s', (_, env) => {
  test.each(['tcp', 'udp'] as const)(
    '"ingress": "open" that becomes "published" ends what began outside, in both families: %s',
    async (kind) => {
      await using host = await makeHost();
      const outside = await makeWorld(host);
      await host.run(['ip', 'route', 'add', '10.1.0.0/24', 'via', outside.hostV4], { where: outside });
      await host.run(['ip', '-6', 'route', 'add', 'fd01::/64', 'via', outside.hostV6], { where: outside });
      await writePolicy(host, { allow: [world.other4], ingress: 'open' });
      const published = { portMappings: [{ hostPort: 8080, containerPort: 7000, protocol: kind }] };
      const capabilities = { portMappings: true };
      const container = await addContainer(host, chain({ policy: 'web' }, { capabilities, ipam }), {
        runtimeConfig: published,
      });
      await startTalker(host, container);
      const direct = await Promise.all(coming.map(async (address) => hold(host, outside, kind, address)));
      const byPort = await hold(host, outside, kind, outside.hostV4, 8080);
      await writePolicy(host, { allow: [world.other4] });
      await host.sh(withoutConntrack);
      await refresh(host, env);
      expect(await byPort.isAlive(), 'by the published port').toBe(true);
      expect(await Promise.all(direct.map(async (one) => one.isAlive()))).toEqual([false, false]);
    },
  );

  test('a connection from the link-local address to the host ends when the policy closes the host', async () => {
    await using host = await makeHost();
    await makeWorld(host);
    await startTalker(host, host);
    await writePolicy(host, { hostAccess: 'all', allow: [world.other4] });
    const container = await addContainer(host, chain({ policy: 'web' }, { ipam }));
    const shown = await host.run(['ip', '-6', '-o', 'address', 'show', 'dev', 'br0', 'scope', 'link']);
    const address = /inet6 (fe80:[^/]+)/u.exec(shown)?.[1] ?? '';
    const held = await hold(host, container, 'tcp', `${address}%eth0`);
    expect(await held.isAlive()).toBe(true);
    await writePolicy(host, { hostAccess: 'none', allow: [world.other4] });
    await host.sh(withoutConntrack);
    await refresh(host, env);
    expect(await held.isAlive()).toBe(false);
  });
});

describe.each(Object.entries(ways))("in %s, an earlier owner's flow of the address", (_, way) => {
  const insert =
    'for flow in "-s 10.1.0.9 -d 10.7.7.7" "-s fd01::9 -d fd00:7::7"; do conntrack -I -p udp $flow --sport 4444 --dport 9 --timeout 600 -u SEEN_REPLY,ASSURED; done';
  const list = way({ allow: [world.other4] }, { ipam });
  const flows = async (host: Host): Promise<string> =>
    (
      await host.sh(
        'umount /usr/sbin/conntrack 2>/dev/null || true; for f in ipv4 ipv6; do conntrack -L -f $f -p udp --orig-port-src 4444; done',
      )
    ).trim();

  test('is forgotten where there is no conntrack(8)', async ({ host }) => {
    const container = await host.container();
    await host.sh(`iptables-legacy -A OUTPUT -m conntrack --ctstate NEW; ${insert}`);
    expect((await flows(host)).split('\n')).toHaveLength(2);
    await host.sh(withoutConntrack);
    succeeded(await host.addChain(list, { container }));
    expect(await flows(host)).toBe('');
  });

  test('makes ADD fail where nothing can forget it, and stops no ADD when it is gone', async ({ host }) => {
    const container = await host.container();
    const env = { DRAWBRIDGE_CHILDREN: '1' };
    await host.sh(`iptables-legacy -A OUTPUT -m conntrack --ctstate NEW; ${insert}; ${withoutConntrack}`);
    const refused = await host.addChain(list, { container, env });
    expect(refused.error).toMatchObject({
      code: 100,
      msg: expect.stringMatching(/^Cannot forget old flows: .*"conntrack" is not installed$/u),
    });
    succeeded(await host.delChain(list, { container, env, result: null }));
    await host.sh('umount /usr/sbin/conntrack; conntrack -F');
    await host.sh(withoutConntrack);
    succeeded(await host.addChain(list, { container, env }));
  });
});

describe.each(Object.entries(ways))('in %s', (_, way) => {
  test('DEL forgets every flow of the addresses, and of no other', async ({ host, world }) => {
    const { outside } = world;
    await startTalker(host, outside);
    await startTalker(host, host);
    const list = way({ mode: 'open', hostAccess: 'all' }, { ipam });
    const container = await addContainer(host, list);
    const shown = await host.run(['ip', '-6', '-o', 'address', 'show', 'dev', 'br0', 'scope', 'link']);
    const gateway = /inet6 (fe80:[^/]+)/u.exec(shown)?.[1] ?? '';
    for (const address of [world.other4, world.other6, `${gateway}%eth0`]) await hold(host, container, 'tcp', address);
    await hold(host, container, 'udp', outside.v4);
    await hold(host, host, 'tcp', world.other4);
    const sources = async (): Promise<string[]> => {
      const text = await host.sh('for f in ipv4 ipv6; do conntrack -L -f $f; done');
      const found = [...text.matchAll(/(tcp|udp) .*? src=(\S+) .*dport=7000 /gu)].map(
        (line) => `${line[1]} ${line[2]}`,
      );
      return [...new Set(found)].toSorted();
    };
    expect(await sources()).toEqual([
      'tcp 10.1.0.9',
      'tcp 192.0.2.1',
      'tcp fd01::9',
      expect.stringContaining('tcp fe80:'),
      'udp 10.1.0.9',
    ]);
    succeeded(await host.delChain(list, { container }));
    expect(await sources()).toEqual(['tcp 192.0.2.1']);
  });
});
