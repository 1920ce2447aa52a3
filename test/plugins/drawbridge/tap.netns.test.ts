import { describe, expect, test, type Conflist, type Container, type Host, type Json } from '../../helpers/host.ts';
import { ask, toldGuest, type ToldGuest } from '../../helpers/guest.ts';
import { drawbridge, schemaErrors } from '../../cli/cli.ts';
import { addContainer, chain, makeWorld, oneProcess, world } from '../egress-policy/network.ts';
import { expectFailure, interfaceConf, show } from './network.ts';

/** How a guest behind a tap is connected. */
const kinds: Readonly<Record<string, (policy: Json) => Conflist>> = {
  'on a bridge, in a chain': (policy) => chain(policy, { tap: true, capabilities: { portMappings: true } }),
  'routed, in one process': (policy) => oneProcess(policy, { tap: true, routed: true, bridge: undefined }),
};

interface Guest extends ToldGuest {
  readonly container: Container & { readonly result: Json };
}

async function addGuest(host: Host, list: Conflist, runtimeConfig: Json = {}): Promise<Guest> {
  const container = await addContainer(host, list, { runtimeConfig });
  return { container, ...toldGuest(container.result, container.name) };
}

describe.for(Object.entries(kinds))('%s', ([, list]) => {
  test('a guest behind the tap reaches what its policy lets it, and nothing else', async ({ host }) => {
    const outside = await makeWorld(host);
    await host.serve(outside, { port: 9, proto: 'udp', reply: '{peer}' });
    const guest = await addGuest(host, list({}));
    const answers = await ask(host, guest, [{ ask: [world.public4, 9] }, { ask: [world.private4, 9] }]);
    expect(answers).toEqual(['192.0.2.1', null]);
    const checked = await host.checkChain(list({}), { container: guest.container });
    expect(checked.error, checked.stderr).toBeUndefined();
    const { json } = await drawbridge(host, ['list', '--json']);
    expect(json).toMatchObject([
      {
        guest: {
          tap: 'tap0',
          mac: guest.mac,
          kernelArgument: 'ip=10.1.0.2::10.1.0.1:255.255.255.0::eth0:off',
        },
      },
    ]);
    expect(schemaErrors('list', json)).toEqual([]);
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

  test('a published port leads to the guest, and after DEL neither port nor tap is there', async ({ host }) => {
    const outside = await makeWorld(host);
    const portMappings = [{ hostPort: 8080, containerPort: 80, protocol: 'udp' }];
    const { container, cmd } = await addGuest(host, list({}), { portMappings });
    const order = JSON.stringify({ serve: [80, 'guest'] });
    const script = `(echo '${order}'; sleep 60) | exec "$@"`;
    const daemon = await host.spawn(['/bin/sh', '-c', script, 'sh', ...cmd], { where: container });
    await expect
      .poll(async () => host.fetch(outside, '192.0.2.1', 8080, { proto: 'udp', timeout: 1000 }), { timeout: 8000 })
      .toBe('guest');
    await daemon.stop();
    await host.delChain(list({}), { container });
    expect(await host.fetch(outside, '192.0.2.1', 8080, { proto: 'udp' })).not.toBe('guest');
    expect(await host.run(['ip', '-br', 'link', 'show'], { where: container })).not.toMatch(/tap0|eth0/u);
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
});

test('the tap has the name, the owner and the queues that are asked for, and CHECK finds when it is gone', async ({
  host,
}) => {
  await makeWorld(host);
  const tap = { name: 'vm', owner: 54_321, group: 54_322, multiQueue: true, vnetHeader: true };
  const list = chain({}, { tap });
  const container = await addContainer(host, list);
  const { linkinfo } = (await show(host, container, 'link', 'vm')) as { linkinfo: { info_data: Json } };
  expect(linkinfo.info_data).toMatchObject({
    type: 'tap',
    user: 54_321,
    group: 54_322,
    multi_queue: true,
    vnet_hdr: true,
    persist: true,
  });
  await host.run(['ip', 'link', 'del', 'vm'], { where: container });
  const checked = await host.checkChain(list, { container });
  expect(checked.error).toMatchObject({ code: 103, msg: expect.stringContaining('The tap "vm"') });
});

test.for([
  ['a word', 'yes', /"tap"/],
  ['a key that is misspelt', { onwer: 5 }, /owner/],
  ['a name with a slash', { name: 'a/b' }, /"tap"/],
] as const)('"tap" with %s is refused', async ([, tap, text], { host }) => {
  const container = await host.container();
  expectFailure(await host.cni('ADD', interfaceConf({ tap }), { container }), 7, text);
});
