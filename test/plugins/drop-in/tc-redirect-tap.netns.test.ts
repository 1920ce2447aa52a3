import { executable } from '../../helpers/executable.ts';
import { describe, expect, test, type Conflist, type Container, type Host, type Json } from '../../helpers/host.ts';
import { ask, toldGuest, type ToldGuest } from '../../helpers/guest.ts';
import { drawbridge, schemaErrors } from '../../cli/cli.ts';
import { chain, makeWorld, referencePlugins, world } from '../egress-policy/network.ts';
import { attachmentsLeft, hostLocal } from '../drawbridge/network.ts';

const tapElement = { type: 'tc-redirect-tap' };

/** What makes the interface that the tap is put beside. */
const makers: Readonly<Record<string, (policy: Json) => Conflist>> = {
  'our own bridge': (policy) => {
    const { plugins, ...list } = chain(policy);
    const [bridge = {}, ...rest] = plugins;
    return { ...list, plugins: [bridge, tapElement, ...rest] };
  },
  "the reference's bridge": (policy) => ({
    cniVersion: '1.0.0',
    name: 'net',
    plugins: [
      {
        type: 'bridge',
        bridge: 'cni0',
        isGateway: true,
        ipMasq: true,
        ipam: { ...hostLocal('10.1.0.0/24'), routes: [{ dst: '0.0.0.0/0' }] },
      },
      tapElement,
      { type: 'egress-policy', ...policy },
    ],
  }),
};

interface Attached {
  readonly container: Container;
  readonly result: Json;
}

/** Runs one verb of a list, our plugins under our names and those of the reference from its package. */
async function run(
  host: Host,
  verb: 'ADD' | 'CHECK' | 'DEL',
  { plugins, ...list }: Conflist,
  { container, result, args }: { container: Container; result?: Json; args?: string },
): Promise<Json | undefined> {
  const folder = `/run/plugins`;
  await host.sh(
    `mkdir -p ${folder}; for name in drawbridge egress-policy tc-redirect-tap; do ln -sf ${executable} ${folder}/$name; done`,
  );
  const reference = referencePlugins() ?? '';
  let prevResult = result;
  for (const plugin of verb === 'DEL' ? plugins.toReversed() : plugins) {
    const type = String(plugin['type']);
    const program = type === 'bridge' ? `${reference}/bridge` : `${folder}/${type}`;
    const conf = { ...plugin, ...list, ...(prevResult === undefined ? {} : { prevResult }) };
    const ran = await host.cni(verb, conf, {
      container,
      program,
      path: reference,
      ...(args === undefined ? {} : { args }),
    });
    expect(ran.error, `${type}: ${ran.stderr}`).toBeUndefined();
    if (verb === 'ADD') prevResult = ran.result;
  }
  return prevResult;
}

async function addGuest(host: Host, list: Conflist, args?: string): Promise<Attached & ToldGuest> {
  const container = await host.container();
  const result = (await run(host, 'ADD', list, { container, ...(args === undefined ? {} : { args }) })) ?? {};
  return { container, result, ...toldGuest(result, container.name) };
}

describe.for(Object.entries(makers))('a tap after %s', ([, list]) => {
  test('leads to a guest that reaches what its policy lets it, with its own MAC and address alone', async ({
    host,
  }) => {
    const outside = await makeWorld(host);
    const server = await host.serve(outside, { port: 9, proto: 'udp', reply: '{peer}' });
    const guest = await addGuest(host, list({}));
    const to = { ask: [world.public4, 9] };
    const answers = await ask(host, guest, [
      { ...to, from: '10.1.0.77' },
      { ...to, mac: '02:00:00:00:00:77' },
      { ask: [world.private4, 9] },
      to,
    ]);
    expect(answers).toEqual([null, null, null, '192.0.2.1']);
    expect(await server.peers()).toHaveLength(1);
    await run(host, 'CHECK', list({}), guest);
    const { json } = await drawbridge(host, ['list', '--json']);
    expect(json).toMatchObject([
      { guest: { tap: 'tap0', kernelArgument: expect.stringContaining('ip=10.1.0.2::10.1.0.1') } },
    ]);
    expect(schemaErrors('list', json)).toEqual([]);
  });

  test('goes with its DEL, and leaves the interface as it was', async ({ host }) => {
    await makeWorld(host);
    const { plugins, ...rest } = list({});
    const guest = await addGuest(host, { plugins, ...rest });
    const taps = { ...rest, plugins: plugins.filter((plugin) => plugin === tapElement) };
    await run(host, 'DEL', taps, guest);
    expect(await host.run(['ip', '-br', 'link', 'show'], { where: guest.container })).not.toContain('tap0');
    expect(await host.run(['tc', 'qdisc', 'show', 'dev', 'eth0'], { where: guest.container })).not.toContain('ingress');
    // What the namespace sends itself arrives again.
    expect(await host.fetch(guest.container, world.public4, 80, { timeout: 3000 })).toBe('outside');
    await run(host, 'DEL', { plugins, ...rest }, guest);
    // The reference keeps its bridge, and its table for masquerading.
    expect((await attachmentsLeft(host)).filter((text) => !/cni0|nft table ip nat/u.test(text))).toEqual([]);
  });
});

test('CNI_ARGS of tc-redirect-tap name the tap and its owner', async ({ host }) => {
  await makeWorld(host);
  const list = makers['our own bridge']?.({}) ?? chain();
  const args = 'TC_REDIRECT_TAP_NAME=vm0;TC_REDIRECT_TAP_UID=54321;TC_REDIRECT_TAP_GID=54322';
  const { container, tap } = await addGuest(host, list, args);
  expect(tap).toBe('vm0');
  const [shown] = JSON.parse(
    await host.run(['ip', '-json', '-details', 'link', 'show', 'vm0'], { where: container }),
  ) as Json[];
  expect(shown).toMatchObject({ linkinfo: { info_data: { user: 54_321, group: 54_322, persist: true } } });
});

test('a tap beside no interface is refused, one whose name is taken, and another MAC', async ({ host }) => {
  await makeWorld(host);
  const list = makers['our own bridge']?.({}) ?? chain();
  const guest = await addGuest(host, list);
  const conf = { ...tapElement, cniVersion: '1.1.0', name: 'net', prevResult: guest.result };
  const program = '/run/plugins/tc-redirect-tap';
  const again = await host.cni('ADD', conf, { container: guest.container, program });
  expect(again.error).toMatchObject({ code: 102 });
  const args = 'TC_REDIRECT_TAP_GUEST_MAC=02:00:00:00:00:77;TC_REDIRECT_TAP_NAME=tap1';
  const other = await host.cni('ADD', conf, { container: guest.container, program, args });
  expect(other.error).toMatchObject({ code: 2, msg: expect.stringContaining('02:00:00:00:00:77') });
  const alone = await host.cni('ADD', { ...conf, prevResult: undefined }, { container: guest.container, program });
  expect(alone.error).toMatchObject({ code: 7 });
});
