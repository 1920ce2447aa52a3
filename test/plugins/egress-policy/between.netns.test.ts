import { describe, expect, type Conflist, type Host, type Json, type Place, type Server } from '../../helpers/host.ts';
import { hostLocal, succeeded } from '../drawbridge/network.ts';
import {
  addContainer,
  addressOf,
  chain,
  elementsOf,
  makeWorld,
  oneProcess,
  policyConf,
  referenceChain,
  referencePlugins,
  runChain,
  ways,
  world,
} from './network.ts';
import { test } from './world.ts';

/** Sends datagrams to the addresses at port 9 without end, whatever comes back. */
const sender = `
import socket, sys, time
s4, s6 = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
print("sending", flush=True)
while True:
    for address in sys.argv[1:]:
        try: (s6 if ":" in address else s4).sendto(b"out", socket.MSG_DONTWAIT, (address, 9))
        except OSError: pass
    time.sleep(0.002)
`;

async function startSending(host: Host, where: Place, ...addresses: string[]): Promise<{ stop(): Promise<unknown> }> {
  const daemon = await host.spawn(['/usr/bin/python3', '-u', '-c', sender, ...addresses], { where });
  while ((await host.run(['cat', daemon.log])) === '') await pause(20);
  return daemon;
}

const pause = async (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

async function install(host: Host, list: Conflist): Promise<void> {
  await host.sh('cat > /etc/cni/net.d/10-net.conflist', { input: JSON.stringify(list) });
}

const step = (list: Conflist, place: number, prevResult?: Json): Json => {
  const conf = { ...list.plugins[place], cniVersion: list.cniVersion, name: list.name };
  return prevResult === undefined ? conf : { ...conf, prevResult };
};

/** Whether something arrives: a sender that found no neighbour asks again a second later. */
async function firstHeard(heard: () => Promise<string[]>): Promise<boolean> {
  for (const end = Date.now() + 4000; Date.now() < end; await pause(50)) if ((await heard()).length > 0) return true;
  return false;
}

const targets = [world.public4, world.public6, world.private4, '10.1.0.1', 'fd01::1'];

/** Servers that hear what a sender sends, on the outside and on the host. */
async function listen(host: Host): Promise<{ heard(): Promise<string[]> }> {
  const outside = await makeWorld(host);
  const servers: Server[] = await Promise.all(
    [outside, host].map(async (where) => host.serve(where, { port: 9, proto: 'udp' })),
  );
  return { heard: async () => (await Promise.all(servers.map(async (server) => server.peers()))).flat() };
}

describe('between the ADDs of the two plugins a container that sends all the time gets nothing out', () => {
  test.for([
    ['the first on the bridge', 0],
    ['a later one', 1],
  ] as const)('%s', async ([, others], { host }) => {
    const list = chain({ mode: 'open', hostAccess: 'all' });
    await install(host, list);
    const { heard } = await listen(host);
    for (let count = 0; count < others; count++) await addContainer(host, list);
    const container = await host.container('sender');
    await startSending(host, container, ...targets);
    const result = succeeded(await host.cni('ADD', step(list, 0), { container }));
    await pause(500);
    expect(await heard()).toEqual([]);
    succeeded(await host.cni('ADD', step(list, 1, result), { container }));
    expect(await firstHeard(heard)).toBe(true);
  });

  test('when no folder has the list, and "awaitsPolicy" says what follows', async ({ host }) => {
    const list = chain({ mode: 'open', hostAccess: 'all' });
    const { heard } = await listen(host);
    const container = await host.container('sender');
    await startSending(host, container, ...targets);
    const first = { ...step(list, 0), awaitsPolicy: true };
    const result = succeeded(await host.cni('ADD', first, { container }));
    await pause(500);
    expect(await heard()).toEqual([]);
    succeeded(await host.cni('ADD', step(list, 1, result), { container }));
    expect(await firstHeard(heard)).toBe(true);
  });

  test('with a policy that is stricter, also after', async ({ host }) => {
    const list = chain({ allow: [world.other4] });
    await install(host, list);
    const { heard } = await listen(host);
    const container = await host.container('sender');
    await startSending(host, container, ...targets);
    expect((await host.addChain(list, { container })).error).toBeUndefined();
    await pause(300);
    expect(await heard()).toEqual([]);
  });
});

test('in one process a container that sends all the time gets out what its policy allows and nothing before', async ({
  host,
}) => {
  const { heard } = await listen(host);
  const container = await host.container('sender');
  await startSending(host, container, ...targets);
  expect((await host.addChain(oneProcess({ allow: [world.other4] }), { container })).error).toBeUndefined();
  await pause(300);
  expect(await heard()).toEqual([]);
});

describe.for(Object.entries(ways))('in %s', ([, conflist]) => {
  test('a container that sends all the time gets nothing out while it is removed', async ({ host }) => {
    const list = conflist({ allow: [world.other4] });
    await install(host, list);
    const { heard } = await listen(host);
    const container = await addContainer(host, list);
    await startSending(host, container, ...targets);
    for (let place = list.plugins.length - 1; place >= 0; place--) {
      succeeded(await host.cni('DEL', step(list, place, container.result), { container }));
      await pause(250);
    }
    expect(await heard()).toEqual([]);
  });
});

test('of a chain whose list is nowhere a container is shut in from the DEL of its policy on', async ({ host }) => {
  const list = chain({ allow: [world.other4] });
  const { heard } = await listen(host);
  const container = await addContainer(host, list);
  await startSending(host, container, ...targets);
  succeeded(await host.cni('DEL', step(list, 1, container.result), { container }));
  await pause(250);
  succeeded(await host.cni('DEL', step(list, 0, container.result), { container }));
  expect(await heard()).toEqual([]);
});

test.skipIf(referencePlugins() === undefined).for(['bridge', 'ptp'] as const)(
  'after the reference plugin "%s" a container that sends all the time gets nothing out from the ADD of the policy on, old flows and all',
  async (type, { host }) => {
    const list = referenceChain(type, { allow: [world.other4] });
    const { heard } = await listen(host);
    const container = await host.container('sender');
    await startSending(host, container, ...targets);
    const result = succeeded(
      await runChain(host, 'ADD', { ...list, plugins: list.plugins.slice(0, 1) }, { container }),
    );
    expect(await firstHeard(heard)).toBe(true);
    succeeded(await host.cni('ADD', { ...step(list, 1, result) }, { container }));
    const after = (await heard()).length;
    await pause(400);
    expect((await heard()).length).toBe(after);
    succeeded(await host.cni('DEL', { ...step(list, 1, result) }, { container }));
    await pause(300);
    expect((await heard()).length).toBe(after);
  },
);

test('a source that nobody knows gets neither out nor an answer', async ({ host }) => {
  const { heard } = await listen(host);
  const container = await addContainer(host, chain({ mode: 'open', hostAccess: 'all' }));
  await host.sh(
    'ip addr add 10.1.0.99/24 dev eth0; ip addr add 203.0.113.99/32 dev eth0; ip addr add fd01::99/64 dev eth0 nodad',
    { where: container },
  );
  const answers = await Promise.all([
    host.fetch(container, world.public4, 80, { from: '10.1.0.99', timeout: 400 }),
    host.fetch(container, world.public4, 80, { from: '203.0.113.99', timeout: 400 }),
    host.fetch(container, world.public6, 80, { from: 'fd01::99', timeout: 400 }),
    host.fetch(container, '10.1.0.1', 9, { from: '10.1.0.99', timeout: 400, proto: 'udp' }),
  ]);
  expect(answers).toEqual(['timeout', 'timeout', 'timeout', 'timeout']);
  expect(await heard()).toEqual([]);
});

describe('when somebody flushes all rules', () => {
  test.for([0, 1, 2])(
    'what is forwarded stops in both families, with rp_filter %i',
    async (rpFilter, { host, world }) => {
      await host.sh(
        `echo ${rpFilter} | tee /proc/sys/net/ipv4/conf/all/rp_filter /proc/sys/net/ipv4/conf/default/rp_filter /proc/sys/net/ipv4/conf/eth0/rp_filter`,
      );
      const container = await addContainer(host, chain({ mode: 'open' }));
      const open = { public4: 'outside', public6: 'outside', private4: 'outside', private6: 'outside' };
      const keys = ['public4', 'public6', 'private4', 'private6'] as const;
      expect(await world.reaches(container, keys)).toEqual(open);
      await host.sh('nft flush ruleset');
      const answers = await world.reaches(container, keys);
      expect(Object.values(answers).filter((answer) => answer === 'outside')).toEqual([]);
      await addContainer(host, chain({ mode: 'open' }));
      expect(await world.reaches(container, keys)).toEqual(open);
    },
  );

  test('what the host offers is shut, and open again with the rules', async ({ host }) => {
    const container = await addContainer(host, chain({ mode: 'open', hostPorts: ['80/tcp'] }));
    await host.serve(host, { port: 80, reply: 'host' });
    await host.serve(host, { port: 22, reply: 'ssh' });
    const offered = async (): Promise<string[]> =>
      Promise.all(
        ['10.1.0.1', 'fd01::1'].flatMap((gateway) =>
          [80, 22].map((port) => host.fetch(container, gateway, port, { timeout: 500 })),
        ),
      );
    expect((await offered()).filter((answer) => ['host', 'ssh'].includes(answer))).toEqual(['host', 'host']);
    await host.sh('nft flush ruleset');
    expect((await offered()).filter((answer) => ['host', 'ssh'].includes(answer))).toEqual([]);
    await addContainer(host, chain({ mode: 'open' }));
    expect((await offered()).filter((answer) => ['host', 'ssh'].includes(answer))).toEqual(['host', 'host']);
  });

  test('a host without "tc" says what it lacks, and has its rules all the same', async ({ host, world }) => {
    await host.sh('touch /run/absent; mount --bind /run/absent "$(readlink -f "$(command -v tc)")"');
    const container = await addContainer(host, chain({ mode: 'open' }));
    expect(container.stderr).toContain('bridge filter');
    expect(await world.reaches(container, ['public4'])).toEqual({ public4: 'outside' });
  });

  test('siblings stay apart', async ({ host }) => {
    const [first, second] = [await addContainer(host, chain()), await addContainer(host, chain())];
    await host.serve(second, { port: 80, reply: 'sibling' });
    await host.sh('nft flush ruleset');
    const answers = await Promise.all(
      ([4, 6] as const).map(async (family) =>
        host.fetch(first, addressOf(second.result, family), 80, { timeout: 500 }),
      ),
    );
    expect(answers).not.toContain('sibling');
  });

  test('what stood before stops too', async ({ host }) => {
    const { heard } = await listen(host);
    const container = await addContainer(host, chain({ mode: 'open' }));
    await startSending(host, container, world.public4, world.public6);
    await pause(200);
    expect((await heard()).length).toBeGreaterThan(0);
    await host.sh('nft flush ruleset');
    const after = (await heard()).length;
    await pause(300);
    expect((await heard()).length).toBe(after);
  });
});

describe.for(Object.entries(ways))('in %s, the key', ([, conflist]) => {
  test('"ipv6": "disable" turns IPv6 off inside, and ADD, CHECK and DEL know', async ({ host, world }) => {
    const list = conflist({ mode: 'open', ipv6: 'disable' });
    const container = await addContainer(host, list);
    expect((await host.run(['ip', '-6', 'addr', 'show', 'dev', 'eth0'], { where: container })).trim()).toBe('');
    expect(await world.reaches(container, ['public4', 'public6'])).toEqual({
      public4: 'outside',
      public6: 'unreachable',
    });
    expect((await host.checkChain(list, { container })).error).toBeUndefined();
    succeeded(await host.delChain(list, { container }));
    expect(
      await host.leftovers({ allow: [/link br0$/, /file \/run\/drawbridge\/(bridges|listings)\//, /\/boot\//] }),
    ).toEqual([]);
  });

  test('"audit" lets pass and counts', async ({ host, world }) => {
    const container = await addContainer(host, conflist({ allow: [world.other4], audit: true }));
    expect(await world.reaches(container, ['public4', 'private4', 'public6'])).toEqual({
      public4: 'outside',
      private4: 'outside',
      public6: 'outside',
    });
    expect(container.stderr).toContain('"audit" is on');
    expect(await host.run(['nft', 'list', 'set', 'inet', 'drawbridge', 'denied4'])).toMatch(
      /10\.1\.0\.2 \. 8\.8\.8\.8 \. tcp \. 80/u,
    );
  });

  test('"onDeny": "drop" answers nothing', async ({ host, world }) => {
    const container = await addContainer(host, conflist({ onDeny: 'drop' }));
    const answers = await Promise.all(
      [world.private4, world.private6, world.metadata, '10.1.0.1'].map(async (address) =>
        host.fetch(container, address, 80, { timeout: 400 }),
      ),
    );
    expect(answers).toEqual(['timeout', 'timeout', 'timeout', 'timeout']);
  });
});

test('denials are counted for each container, and listed by destination, protocol and port', async ({
  host,
  world,
}) => {
  const [first, second] = [await addContainer(host, chain()), await addContainer(host, chain())];
  await Promise.all([
    host.fetch(first, world.private4, 80),
    host.fetch(first, world.private6, 443),
    host.fetch(first, world.private4, 53, { proto: 'udp' }),
    host.ping(first, world.private4),
    host.fetch(first, '192.0.2.1', 22),
  ]);
  const [denials, denied4, denied6, portless] = await Promise.all([
    host.run(['nft', 'list', 'set', 'inet', 'drawbridge', 'denials4']),
    elementsOf(host, 'denied4'),
    elementsOf(host, 'denied6'),
    elementsOf(host, 'denied4_portless'),
  ]);
  expect(denials).toMatch(new RegExp(`"br0" \\. ${addressOf(first.result, 4)} counter packets [1-9]`, 'u'));
  expect(denials).toMatch(new RegExp(`"br0" \\. ${addressOf(second.result, 4)} counter packets 0`, 'u'));
  const source = addressOf(first.result, 4).replaceAll('.', String.raw`\.`);
  for (const what of [
    `10\\.7\\.7\\.7 \\. tcp \\. 80`,
    `10\\.7\\.7\\.7 \\. udp \\. 53`,
    `192\\.0\\.2\\.1 \\. tcp \\. 22`,
  ])
    expect(denied4.join('\n')).toMatch(new RegExp(`${source} \\. ${what} .*counter packets [1-9]`, 'u'));
  expect(denied6.join('\n')).toMatch(/fd00:7::7 \. tcp \. 443/u);
  expect(portless.join('\n')).toMatch(/10\.7\.7\.7 \. icmp/u);
});

describe('what conntrack knows of an earlier owner of an address', () => {
  const one = (policy: Json): Conflist =>
    chain(policy, {
      ipam: { type: 'host-local', ranges: [[{ subnet: '10.1.0.0/24', rangeStart: '10.1.0.9', rangeEnd: '10.1.0.9' }]] },
    });

  test('gives the next one nothing', async ({ host, world }) => {
    const { outside } = world;
    const server = await host.serve(outside, { port: 9, proto: 'udp' });
    const first = await addContainer(host, one({ mode: 'open' }));
    expect(await host.fetch(first, world.private4, 9, { proto: 'udp', from: '10.1.0.9', fromPort: 4444 })).toBe(
      '192.0.2.1',
    );
    // A container whose DEL never came as it should: what it left in the kernel is still there.
    succeeded(await host.delChain(one({ mode: 'open' }), { container: first }));
    const heard = (await server.peers()).length;
    const second = await addContainer(host, one({ allow: [world.other4] }));
    expect(
      await host.fetch(second, world.private4, 9, { proto: 'udp', from: '10.1.0.9', fromPort: 4444, timeout: 400 }),
    ).toBe('unreachable');
    expect(await server.peers()).toHaveLength(heard);
  });

  test('of another owner of the host is forgotten with the ADD of a policy after a foreign plugin', async ({
    host,
  }) => {
    await makeWorld(host);
    await host.sh(
      'conntrack -I -p udp -s 10.1.0.2 -d 10.7.7.7 --sport 4444 --dport 9 --timeout 600 --state 2>/dev/null || conntrack -I -p udp -s 10.1.0.2 -d 10.7.7.7 --sport 4444 --dport 9 --timeout 600 -u SEEN_REPLY,ASSURED',
    );
    await addContainer(host, chain());
    expect(await host.run(['conntrack', '-L', '-s', '10.1.0.2'])).toBe('');
  });
});

test('an address that a dead container left behind is enforced for the next one alone', async ({ host, world }) => {
  const list = (policy: Json): Conflist => chain(policy, { ipam: hostLocal('10.1.0.0/30') });
  const first = await addContainer(host, list({ mode: 'open' }));
  await host.sh(`rm -f /var/lib/cni/networks/net/10.1.0.2`);
  await first.remove();
  const second = await addContainer(host, list({}));
  expect(addressOf(second.result, 4)).toBe('10.1.0.2');
  succeeded(await host.delChain(list({ mode: 'open' }), { containerId: first.name, netns: '' }));
  expect(await world.reaches(second, ['public4', 'private4'])).toEqual({ public4: 'outside', private4: 'refused' });
  succeeded(await host.cni('CHECK', policyConf({}, second.result), { container: second }));
});
