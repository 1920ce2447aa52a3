import { describe, expect, test, type Conflist, type Host, type Json } from '../../helpers/host.ts';
import { ask, toldGuest, type ToldGuest } from '../../helpers/guest.ts';
import { drawbridge, schemaErrors } from '../../cli/cli.ts';
import { chain, makeWorld, oneProcess, world } from '../egress-policy/network.ts';
import { attachmentsLeft, expectFailure, interfaceConf, show } from './network.ts';

/** What a runtime gives as CNI_NETNS for a guest of a VMM on the host. */
const ownNamespace = '/proc/self/ns/net';

/** How a guest behind a tap on the host is connected. */
const kinds: Readonly<Record<string, (policy: Json, tap?: Json) => Conflist>> = {
  'a port of the bridge, in a chain': (policy, tap = {}) =>
    chain(policy, { tap: { onHost: true, ...tap }, capabilities: { portMappings: true } }),
  'routed, point to point, in one process': (policy, tap = {}) =>
    oneProcess(policy, {
      tap: { onHost: true, ...tap },
      routed: true,
      bridge: undefined,
      ipam: { type: 'host-local', ranges: [[{ subnet: '172.16.0.0/30' }]] },
    }),
};

interface Guest extends ToldGuest {
  /** How a runtime names it in each verb. */
  readonly place: { readonly containerId: string; readonly netns: string };
  readonly result: Json;
}

async function addGuest(host: Host, list: Conflist, { name = 'vm', runtimeConfig = {} } = {}): Promise<Guest> {
  const place = { containerId: name, netns: ownNamespace };
  const added = await host.addChain(list, { ...place, runtimeConfig });
  expect(added.error, added.steps.map(({ stderr }) => stderr).join('')).toBeUndefined();
  const result = added.result ?? {};
  return { place, result, ...toldGuest(result, name) };
}

describe.for(Object.entries(kinds))('%s', ([, list]) => {
  test('a guest behind a tap on the host reaches what its policy lets it, and nothing else', async ({ host }) => {
    const outside = await makeWorld(host);
    await host.serve(outside, { port: 9, proto: 'udp', reply: '{peer}' });
    const guest = await addGuest(host, list({}));
    const answers = await ask(host, guest, [{ ask: [world.public4, 9] }, { ask: [world.private4, 9] }]);
    expect(answers).toEqual(['192.0.2.1', null]);
    const checked = await host.checkChain(list({}), guest.place);
    expect(checked.error, checked.stderr).toBeUndefined();
    const { json } = await drawbridge(host, ['list', '--json']);
    expect(json).toMatchObject([{ netns: '', hostInterface: guest.tap, guest: { tap: guest.tap, mac: guest.mac } }]);
    expect(schemaErrors('list', json)).toEqual([]);
    await host.delChain(list({}), guest.place);
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test('root in the guest sends with no other address and no other MAC, and does with its own', async ({ host }) => {
    const outside = await makeWorld(host);
    const server = await host.serve(outside, { port: 9, proto: 'udp', reply: '{peer}' });
    const guest = await addGuest(host, list({ mode: 'open' }));
    const to = { ask: [world.public4, 9] };
    const answers = await ask(host, guest, [{ ...to, from: '10.1.0.77' }, { ...to, mac: '02:00:00:00:00:77' }, to]);
    expect(answers).toEqual([null, null, '192.0.2.1']);
    expect(await server.peers()).toHaveLength(1);
  });

  test('after "nft flush ruleset" the guest gets nothing out', async ({ host }) => {
    const outside = await makeWorld(host);
    const server = await host.serve(outside, { port: 9, proto: 'udp', reply: '{peer}' });
    const guest = await addGuest(host, list({ mode: 'open' }));
    expect(await ask(host, guest, [{ ask: [world.public4, 9] }])).toEqual(['192.0.2.1']);
    await host.sh('nft flush ruleset');
    expect(await ask(host, guest, [{ ask: [world.public4, 9] }])).not.toEqual(['192.0.2.1']);
    expect(await server.peers()).toHaveLength(1);
  });

  test('a published port leads to the guest, and after DEL neither port nor tap is there', async ({ host }) => {
    const outside = await makeWorld(host);
    const portMappings = [{ hostPort: 8080, containerPort: 80, protocol: 'udp' }];
    const { place, cmd } = await addGuest(host, list({}), { runtimeConfig: { portMappings } });
    const order = JSON.stringify({ serve: [80, 'guest'] });
    const daemon = await host.spawn(['/bin/sh', '-c', `(echo '${order}'; sleep 60) | exec "$@"`, 'sh', ...cmd]);
    await expect
      .poll(async () => host.fetch(outside, '192.0.2.1', 8080, { proto: 'udp', timeout: 1000 }), { timeout: 8000 })
      .toBe('guest');
    await daemon.stop();
    await host.delChain(list({}), place);
    expect(await host.fetch(outside, '192.0.2.1', 8080, { proto: 'udp' })).not.toBe('guest');
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test('the tap has name, owner, queues and MTU that are asked for, and CHECK finds when it is gone', async ({
    host,
  }) => {
    await makeWorld(host);
    const tap = { name: 'vm0', owner: 54_321, group: 54_322, multiQueue: true, vnetHeader: true };
    const { plugins, ...rest } = list({}, tap);
    const own = {
      ...rest,
      plugins: plugins.map((plugin) => (plugin['type'] === 'drawbridge' ? { ...plugin, mtu: 1400 } : plugin)),
    };
    const { place } = await addGuest(host, own);
    const { linkinfo, mtu } = (await show(host, host, 'link', 'vm0')) as {
      linkinfo: { info_data: Json };
      mtu: number;
    };
    expect(linkinfo.info_data).toMatchObject({
      type: 'tap',
      user: 54_321,
      group: 54_322,
      multi_queue: true,
      vnet_hdr: true,
      persist: true,
    });
    expect(mtu).toBe(1400);
    await host.sh('ip link del vm0');
    const checked = await host.checkChain(own, place);
    expect(checked.error).toMatchObject({ code: 103, msg: expect.stringContaining('"vm0" is missing') });
  });

  test('a second ADD for one guest is refused, and so is a tap whose name an interface has', async ({ host }) => {
    await makeWorld(host);
    const { place } = await addGuest(host, list({}));
    const first = await host.addChain(list({}), place);
    expect(first.error).toMatchObject({ code: 102 });
    await host.delChain(list({}), place);
    for (const make of ['ip tuntap add taken mode tap', 'ip link add taken type bridge']) {
      await host.sh(make);
      const second = await host.addChain(list({}, { name: 'taken' }), { containerId: 'other', netns: ownNamespace });
      expect(second.error).toMatchObject({ code: 102, msg: expect.stringContaining('"taken"') });
      await host.sh('ip link del taken');
    }
    expect(await attachmentsLeft(host)).toEqual([]);
  });
});

test('guests of one bridge are as isolated as containers are: one does not reach the other, and does by consent', async ({
  host,
}) => {
  await makeWorld(host);
  const list = (isolation: string): Conflist => chain({ isolation }, { tap: { onHost: true } });
  for (const [isolation, answer] of [
    ['container', null],
    ['bridge', 'sibling'],
  ] as const) {
    const serving = await addGuest(host, list(isolation), { name: `${isolation}-a` });
    const asking = await addGuest(host, list(isolation), { name: `${isolation}-b` });
    const order = JSON.stringify({ serve: [80, 'sibling'] });
    const daemon = await host.spawn(['/bin/sh', '-c', `(echo '${order}'; sleep 60) | exec "$@"`, 'sh', ...serving.cmd]);
    const words = [...asking.cmd.slice(0, -1), serving.address];
    // The neighbour itself is asked for, as on a link.
    await expect
      .poll(
        async () =>
          ask(host, { ...asking, cmd: words }, [{ ask: [serving.address, 80] }]).then(([found]) =>
            found === 'no gateway' ? null : found,
          ),
        { timeout: 10_000 },
      )
      .toBe(answer);
    await daemon.stop();
  }
});

test('a DEL whose record was lost removes the tap, and "clean" one that no record names and no bridge has', async ({
  host,
}) => {
  await makeWorld(host);
  const list = kinds['a port of the bridge, in a chain'];
  if (list === undefined) throw new RangeError('there is no such kind');
  const one = await addGuest(host, list({}), { name: 'one' });
  await host.sh('rm /run/drawbridge/attachments/*.json');
  await host.delChain(list({}), one.place);
  expect(await host.run(['ip', '-br', 'link', 'show'])).not.toContain(one.tap);
  const two = await addGuest(host, list({}, { name: 'vm2' }), { name: 'two' });
  await host.sh(`rm /run/drawbridge/attachments/*.json; ip link set vm2 nomaster`);
  const { stdout } = await drawbridge(host, ['clean']);
  expect(stdout).toContain(two.tap);
  expect(await host.run(['ip', '-br', 'link', 'show'])).not.toContain(two.tap);
});

test.for([
  ['"onHost" for a namespace of its own', { onHost: true }, 8, /on the host for/],
  ['"ephemeral" without "onHost"', { ephemeral: true }, 7, /ephemeral/],
] as const)('a tap with %s is refused', async ([, tap, code, text], { host }) => {
  const container = await host.container();
  expectFailure(await host.cni('ADD', interfaceConf({ tap }), { container }), code, text);
});
