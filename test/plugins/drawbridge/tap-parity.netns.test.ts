/** A tap has what a veth has: limits, quota, isolation, repair, CHECK, GC and DEL, wherever it is. */
import { describe, expect, test, type Conflist, type Container, type Host, type Json } from '../../helpers/host.ts';
import { ask, toldGuest, type ToldGuest } from '../../helpers/guest.ts';
import { startAgent } from '../../agent/process/agent.ts';
import { folder, installDropIns } from '../drop-in/links.ts';
import { chain, makeWorld, oneProcess, world } from '../egress-policy/network.ts';
import { attachmentsLeft } from './network.ts';

const routed = { routed: true, bridge: undefined };
const ownNamespace = '/proc/self/ns/net';

interface Kind {
  readonly list: (policy: Json) => Conflist;
  readonly isOnHost: boolean;
  readonly isRouted: boolean;
}

const kinds: Readonly<Record<string, Kind>> = {
  'at the host, a port of a bridge': {
    list: (policy) => chain(policy, { tap: { onHost: true } }),
    isOnHost: true,
    isRouted: false,
  },
  'at the host, routed': {
    list: (policy) => oneProcess(policy, { tap: { onHost: true }, ...routed }),
    isOnHost: true,
    isRouted: true,
  },
  'in a namespace, on a bridge': {
    list: (policy) => chain(policy, { tap: true }),
    isOnHost: false,
    isRouted: false,
  },
  'in a namespace, routed': {
    list: (policy) => oneProcess(policy, { tap: true, ...routed }),
    isOnHost: false,
    isRouted: true,
  },
};

interface Guest extends ToldGuest {
  /** How a runtime names it in each verb. */
  readonly place: { readonly container: Container } | { readonly containerId: string; readonly netns: string };
  readonly container?: Container;
  readonly result: Json;
}

async function addGuest(
  host: Host,
  { list, isOnHost }: { readonly list: Conflist; readonly isOnHost: boolean },
  { name = 'vm', bin = {}, runtimeConfig = {} }: { name?: string; bin?: { bin?: string }; runtimeConfig?: Json } = {},
): Promise<Guest> {
  const container = isOnHost ? undefined : await host.container(name);
  const place = container === undefined ? { containerId: name, netns: ownNamespace } : { container };
  const added = await host.addChain(list, { ...place, ...bin, runtimeConfig });
  expect(added.error, added.steps.map(({ stderr }) => stderr).join('')).toBeUndefined();
  const result = added.result ?? {};
  return { place, result, ...toldGuest(result, name), ...(container === undefined ? {} : { container }) };
}

/** How many of a hundred datagrams of a kilobyte arrive that a guest sends at once. */
async function arrivals(host: Host, guest: Guest, seen: () => Promise<string[]>): Promise<number> {
  expect(await ask(host, guest, [{ flood: [world.public4, 9, 100, 1000] }])).toEqual([100]);
  let count = -1;
  await expect
    .poll(
      async () => {
        const before = count;
        count = (await seen()).length;
        return count === before;
      },
      { interval: 400, timeout: 10_000 },
    )
    .toBe(true);
  return count;
}

describe.for(Object.entries(kinds))('a tap %s', ([, { list, isOnHost, isRouted }]) => {
  test('has limits: of a flood no more passes than burst and queue hold', async ({ host }) => {
    const outside = await makeWorld(host);
    await installDropIns(host);
    const server = await host.serve(outside, { port: 9, proto: 'udp', reply: '' });
    const { plugins, ...rest } = list({ mode: 'open' });
    const limit = { type: 'bandwidth', egressRate: 80_000, egressBurst: 80_000 };
    const limited = { ...rest, plugins: [...plugins, limit] };
    const bin = { bin: folder };
    const slow = await addGuest(host, { list: limited, isOnHost }, { name: 'slow', bin });
    const checked = await host.checkChain(limited, { ...slow.place, ...bin });
    expect(checked.error, checked.stderr).toBeUndefined();
    const few = await arrivals(host, slow, () => server.peers());
    expect(few).toBeGreaterThan(0);
    expect(few).toBeLessThan(60);
    const fast = await addGuest(host, { list: list({ mode: 'open' }), isOnHost }, { name: 'fast', bin });
    expect((await arrivals(host, fast, () => server.peers())) - few).toBeGreaterThan(80);
    for (const guest of [slow, fast])
      await host.delChain(guest === slow ? limited : list({}), { ...guest.place, ...bin });
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test('has a quota: what is over it does not leave', async ({ host }) => {
    const outside = await makeWorld(host);
    const server = await host.serve(outside, { port: 9, proto: 'udp', reply: '' });
    const guest = await addGuest(host, {
      list: list({ mode: 'open', quota: { bytes: '30kB', per: 'day' } }),
      isOnHost,
    });
    const few = await arrivals(host, guest, () => server.peers());
    expect(few).toBeGreaterThan(10);
    expect(few).toBeLessThan(40);
  });

  test('is isolated: a guest reaches its sibling by consent alone', async ({ host }) => {
    await makeWorld(host);
    for (const [isolation, answer] of [
      ['container', null],
      ['bridge', 'sibling'],
    ] as const) {
      const policy = { list: list({ isolation, allowLocalNetworks: true }), isOnHost };
      const serving = await addGuest(host, policy, { name: `${isolation}-a` });
      const asking = await addGuest(host, policy, { name: `${isolation}-b` });
      const order = JSON.stringify({ serve: [80, 'sibling'] });
      const where = serving.container === undefined ? {} : { where: serving.container };
      const daemon = await host.spawn(
        ['/bin/sh', '-c', `(echo '${order}'; sleep 60) | exec "$@"`, 'sh', ...serving.cmd],
        where,
      );
      // On a bridge the neighbour itself is asked for, as on a link.
      const cmd = isRouted ? asking.cmd : [...asking.cmd.slice(0, -1), serving.address];
      await expect
        .poll(
          async () => {
            const [found] = await ask(host, { ...asking, cmd }, [{ ask: [serving.address, 80] }]);
            return found === 'no gateway' ? null : found;
          },
          { timeout: 10_000 },
        )
        .toBe(answer);
      await daemon.stop();
    }
  });

  test('is repaired: after a flush and a lost port the guest reaches what it may again', async ({ host }) => {
    const outside = await makeWorld(host);
    await host.serve(outside, { port: 9, proto: 'udp', reply: '{peer}' });
    const guest = await addGuest(host, { list: list({}), isOnHost });
    const agent = await startAgent(host);
    const answers = async (): Promise<unknown[]> =>
      ask(host, guest, [{ ask: [world.public4, 9] }, { ask: [world.private4, 9] }]);
    await expect.poll(answers, { timeout: 10_000 }).toEqual(['192.0.2.1', null]);
    const made = guest.result['interfaces'] as { name: string; sandbox?: string }[];
    const port = isOnHost ? guest.tap : made.find(({ name, sandbox }) => sandbox === undefined && name !== 'br0')?.name;
    const harms = isRouted
      ? ['nft flush ruleset', `ip route del ${guest.address} dev ${port}`]
      : ['nft flush ruleset', `ip link set ${port} nomaster`, 'ip link set br0 down'];
    for (const harm of harms) {
      await host.sh(harm);
      await expect.poll(answers, { timeout: 20_000, message: harm }).toEqual(['192.0.2.1', null]);
    }
    await agent.stop();
  });

  test('is checked: CHECK names what is not as ADD made it', async ({ host }) => {
    await makeWorld(host);
    const guest = await addGuest(host, { list: list({}), isOnHost });
    const check = async (): Promise<string> =>
      ((await host.checkChain(list({}), guest.place)).error?.['msg'] as string | undefined) ?? '';
    expect(await check()).toBe('');
    if (guest.container === undefined) {
      await host.sh(`ip link set ${guest.tap} mtu 1300`);
      expect(await check()).toContain('MTU');
      return;
    }
    const { container } = guest;
    for (const [name, other] of [
      ['eth0', 'tap0'],
      ['tap0', 'eth0'],
    ]) {
      await host.run(['tc', 'filter', 'del', 'dev', name ?? '', 'ingress'], { where: container });
      expect(await check()).toContain(`"${name}" does not hand on to "${other}"`);
      const back = `tc filter add dev ${name} ingress prio 1 protocol all u32 match u32 0 0 action mirred egress redirect dev ${other}`;
      await host.run(back.split(' '), { where: container });
      expect(await check()).toBe('');
    }
  });

  test('is collected: GC leaves what is listed and takes the other one, and a static address is free again', async ({
    host,
  }) => {
    await makeWorld(host);
    const capable = {
      ...list({}),
      plugins: list({}).plugins.map((plugin) =>
        plugin['type'] === 'drawbridge' ? { ...plugin, capabilities: { ips: true, mac: true } } : plugin,
      ),
    };
    const asked = { ips: ['10.1.0.77/24', 'fd01::77/64'], mac: '02:00:5e:00:53:77' };
    const kept = await addGuest(host, { list: capable, isOnHost }, { name: 'kept' });
    const lost = await addGuest(host, { list: capable, isOnHost }, { name: 'lost', runtimeConfig: asked });
    expect(lost).toMatchObject({ address: '10.1.0.77', mac: asked.mac });
    expect(JSON.stringify(lost.result['ips'])).toContain('fd01::77/');
    const conf = { ...capable.plugins[0], cniVersion: '1.1.0', name: capable.name };
    const valid = [{ containerID: 'kept', ifname: 'eth0' }];
    const collected = await host.cni('GC', { ...conf, 'cni.dev/valid-attachments': valid });
    expect(collected.error, collected.stderr).toBeUndefined();
    const { error } = await host.checkChain(capable, kept.place);
    expect(error).toBeUndefined();
    const again = await addGuest(host, { list: capable, isOnHost }, { name: 'again', runtimeConfig: asked });
    expect(again.address).toBe('10.1.0.77');
  });
});
