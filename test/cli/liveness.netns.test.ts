/**
 * A network namespace whose /sys shows another one: a shell after `nsenter -n`, and the namespace in which a rootless
 * nerdctl keeps containers apart from its own. Nothing that lives there is taken for dead, and what is dead still goes.
 */
import { attach, drawbridge, shipped, listRules } from './cli.ts';
import { executable } from '../helpers/executable.ts';
import { describe, expect, test, type Container, type ExecOptions, type Host, type Place } from '../helpers/host.ts';
import { Runtime, type Json } from '../helpers/runtime.ts';

/** A host's runtime and shell in another network namespace, with the /sys of the host's own. */
class Detached extends Runtime {
  readonly #host: Host;
  readonly place: Container;

  constructor(host: Host, place: Container) {
    super();
    this.#host = host;
    this.place = place;
  }

  exec(cmd: readonly string[], options: ExecOptions = {}) {
    return this.#host.exec(cmd, { ...options, where: this.place });
  }
}

const network = {
  cniVersion: '1.1.0',
  name: 'net',
  plugins: [
    {
      type: 'drawbridge',
      bridge: 'br0',
      isDefaultGateway: true,
      ipMasq: true,
      ipam: { type: 'host-local', ranges: [[{ subnet: '10.1.0.0/24' }]] },
      capabilities: { portMappings: true },
      egress: { mode: 'open' },
    },
  ],
};
const conf = { cniVersion: network.cniVersion, name: network.name, ...network.plugins[0] } as Json;
const ports = { runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80 }] } };

interface World {
  readonly host: Host;
  /** Where the containers' other ends are. */
  readonly detached: Detached;
  readonly living: Container;
  /** Whether the container is as its ADD left it. */
  isWell(): Promise<boolean>;
}

async function makeWorld(host: Host, env: Record<string, string> = {}): Promise<World> {
  const detached = new Detached(host, await host.container('detached'));
  const living = await host.container('living');
  const added = await detached.addChain(network, { container: living, ...ports, env });
  expect(added.error).toBeUndefined();
  expect((await host.exec(['ls', '/sys/class/net/br0'])).code, '/sys shows another namespace').not.toBe(0);
  return {
    host,
    detached,
    living,
    isWell: async () =>
      (await host.ping(living, '10.1.0.1')) === 'answer' &&
      (await detached.checkChain(network, { container: living, ...ports })).error === undefined,
  };
}

/** A command as typed in a place. */
async function type(host: Host, where: Place | undefined, words: readonly string[], env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await host.exec([executable, ...words], {
    ...(where === undefined ? {} : { where }),
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8', ...env },
    timeout: 30_000,
  });
  return { code, stdout, stderr };
}

const verbs: readonly [title: string, run: (world: World) => Promise<unknown>][] = [
  [
    'a second ADD, which is refused',
    async ({ detached, living }) =>
      expect((await detached.cni('ADD', { ...conf, ...ports }, { container: living })).error).toMatchObject({
        code: 102,
      }),
  ],
  [
    'an ADD of another container with its port, which is refused',
    async ({ host, detached }) =>
      expect(
        (await detached.cni('ADD', { ...conf, ...ports }, { container: await host.container('other') })).error,
      ).toMatchObject({ code: 102, msg: expect.stringContaining('living') }),
  ],
  ['STATUS', async ({ detached }) => expect((await detached.cni('STATUS', conf)).error).toBeUndefined()],
  ['GC without a list', async ({ detached }) => expect((await detached.cni('GC', conf)).error).toBeUndefined()],
  [
    'GC of egress-policy without a list',
    async ({ detached }) =>
      expect(
        (await detached.cni('GC', { cniVersion: '1.1.0', name: 'net', type: 'egress-policy' })).error,
      ).toBeUndefined(),
  ],
  [
    'GC with a list that names it',
    async ({ detached }) =>
      expect((await detached.gcChain(network, [{ containerID: 'living', ifname: 'eth0' }])).error).toBeUndefined(),
  ],
  [
    'DEL of another container',
    async ({ host, detached }) =>
      expect((await detached.cni('DEL', conf, { container: await host.container('other') })).error).toBeUndefined(),
  ],
];

const commands = [
  ['list'],
  ['explain', 'living', '10.1.0.1'],
  ['doctor'],
  ['doctor', '--fix'],
  ['clean', '--dry-run'],
  ['clean'],
  ['clean', '--orphans'],
  ['graph'],
  ['refresh'],
  ['uninstall'],
].map((words): [command: string, words: string[]] => [words.join(' '), words]);

/** What may take from a dead container. */
const takers: readonly [title: string, run: (world: World) => Promise<unknown>][] = [
  ['GC without a list', ({ detached }) => detached.cni('GC', conf)],
  ['"clean"', ({ host, detached }) => type(host, detached.place, ['clean'])],
  [
    'an ADD that needs its port',
    async ({ host, detached }) => {
      const other = await host.container('other');
      expect((await detached.cni('ADD', { ...conf, ...ports }, { container: other })).error).toBeUndefined();
    },
  ],
];

describe('where /sys shows another network namespace', () => {
  test.for(verbs)('%s leaves a living container alone', async ([, run], { host }) => {
    const world = await makeWorld(host);
    await run(world);
    expect(await world.isWell()).toBe(true);
  });

  test.for(commands)('"%s" leaves a living container alone', async ([, words], { host }) => {
    const { detached, isWell } = await makeWorld(host);
    const { stdout, stderr } = await type(host, detached.place, words);
    expect(`${stdout}${stderr}`).not.toMatch(/is gone|are gone|cut off/);
    expect(await isWell()).toBe(true);
  });

  test.for(commands)(
    '"%s" in the namespace that /sys shows leaves a living container alone',
    async ([, words], { host }) => {
      const { isWell } = await makeWorld(host);
      await type(host, undefined, words);
      expect(await isWell()).toBe(true);
    },
  );

  test.for([['in its namespace'], ['in the namespace that /sys shows']])(
    'the agent %s, told to clean, leaves a living container alone and removes a dead one',
    async ([place], { host }) => {
      const { detached, isWell } = await makeWorld(host);
      const dead = await host.container('dead');
      expect((await detached.addChain(network, { container: dead })).error).toBeUndefined();
      await dead.remove();
      const where = place === 'in its namespace' ? detached.place : undefined;
      const agent = await host.spawn([executable, 'agent', '--clean', '--grace', '0'], where && { where });
      await expect.poll(async () => host.run(['cat', agent.log]), { timeout: 20_000 }).toContain('"dead/eth0"');
      await expect.poll(async () => host.sh('grep -l dead /run/drawbridge/attachments/* || true')).toBe('');
      await agent.stop();
      expect(await isWell()).toBe(true);
    },
  );

  test('"list", "explain" and "doctor" find nothing wrong with a living container', async ({ host }) => {
    const { detached } = await makeWorld(host);
    const [listed] = JSON.parse((await type(host, detached.place, ['list', '--json'])).stdout) as Json[];
    expect(listed).toMatchObject({ containerId: 'living', alive: true, stale: [] });
    const explained = JSON.parse(
      (await type(host, detached.place, ['explain', 'living', '10.1.0.1:53/udp', '--json'])).stdout,
    ) as Json;
    expect(explained).toMatchObject({ verdict: 'allow' });
    expect((await type(host, detached.place, ['doctor'])).stdout).not.toMatch(/"br0" is|"veth\w+" is/);
  });

  test.for(takers)('%s still takes from a dead container what it held', async ([, run], { host }) => {
    const world = await makeWorld(host);
    await world.living.remove();
    const gone = async (): Promise<boolean> =>
      (await host.exec(['ip', 'link', 'show', 'master', 'br0'], { where: world.detached.place })).stdout === '';
    await expect.poll(gone, { timeout: 5000 }).toBe(true);
    await run(world);
    const { stdout } = await type(host, world.detached.place, ['list', '--json']);
    expect(
      (JSON.parse(stdout) as Json[]).filter(
        ({ containerId, ports: own }) => containerId === 'living' && own.length > 0,
      ),
    ).toEqual([]);
  });

  test('children in place of netlink answer the same', async ({ host }) => {
    const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', DRAWBRIDGE_CHILDREN: '1' };
    const { detached, living, isWell } = await makeWorld(host, env);
    expect((await detached.cni('GC', conf, { env })).error).toBeUndefined();
    expect((await detached.cni('ADD', { ...conf, ...ports }, { container: living, env })).error).toMatchObject({
      code: 102,
    });
    await type(host, detached.place, ['clean'], env);
    expect(await isWell()).toBe(true);
    await living.remove();
    await expect
      .poll(async () => (await type(host, detached.place, ['clean', '--json'], env)).stdout, { timeout: 5000 })
      .toContain('"living/eth0"');
  });
});

describe('an attachment whose interface on the host alone is gone', () => {
  test('is not removed by "clean" or GC, is shown as it is, and is made anew by an ADD', async ({ host }) => {
    const container = await attach(host, shipped('10-drawbridge'), 'c1');
    const [{ hostInterface }] = (await drawbridge(host, ['list', '--json'])).json;
    await host.run(['ip', 'link', 'del', hostInterface]);
    expect((await drawbridge(host, ['clean', '--json'])).json).toEqual([]);
    await host.gcChain(shipped('10-drawbridge'), undefined);
    expect((await drawbridge(host, ['list', '--json'])).json).toMatchObject([
      { containerId: 'c1', alive: true, stale: expect.arrayContaining([`its interface "${hostInterface}" is gone`]) },
    ]);
    expect((await host.addChain(shipped('10-drawbridge'), { container })).error).toBeUndefined();
    expect((await drawbridge(host, ['list', '--json'])).json).toMatchObject([{ containerId: 'c1', stale: [] }]);
  });
});

describe('the record of a newer drawbridge', () => {
  const newer = `sed -i 's/"version": 2/"version": 3/' /run/drawbridge/attachments/*.json`;

  test.for(['ADD', 'CHECK', 'DEL'])(
    'is refused by name by %s, and nothing of its container is touched',
    async (verb, { host }) => {
      const conflist = shipped('10-drawbridge');
      const container = await host.container('c1');
      const { result: prevResult } = await host.addChain(conflist, { container });
      await host.sh(newer);
      const before = await host.sh(`ls /run/drawbridge/attachments; ip -o link | wc -l; ${listRules}`);
      const plugin = { ...conflist.plugins[0], cniVersion: '1.1.0', name: conflist.name, prevResult };
      const { error } = await host.cni(verb, plugin, { container });
      expect(error).toMatchObject({ code: 102, msg: expect.stringMatching(/attachments\/.*newer drawbridge/) });
      expect(await host.sh(`ls /run/drawbridge/attachments; ip -o link | wc -l; ${listRules}`)).toBe(before);
    },
  );

  test('keeps everything of its container beside "clean", GC, "uninstall" and the agent\'s sweep', async ({ host }) => {
    const conflist = shipped('10-drawbridge');
    const container = await attach(host, conflist, 'c1');
    await attach(host, { ...conflist, name: 'other' }, 'c2');
    const [{ hostInterface }] = (await drawbridge(host, ['list', '--json'])).json;
    await host.sh(`for f in $(grep -l '"c1"' /run/drawbridge/attachments/*.json); do sed -i 's/"version": 2/"version": 3/' $f; done
      ip link set ${hostInterface} nomaster; ip link set ${hostInterface} master drawbridge0`);
    const state = `ip rule; ip -o link show type veth; ${listRules}; find /var/lib/cni /run/drawbridge/attachments -type f`;
    const before = await host.sh(state);
    const { json, code } = await drawbridge(host, ['clean', '--json', '--orphans']);
    expect({ code, json }).toMatchObject({
      code: 0,
      json: [{ kind: 'record', removed: false, why: expect.stringContaining('newer drawbridge') }],
    });
    for (const valid of [undefined, []]) await host.gcChain(conflist, valid);
    expect((await drawbridge(host, ['uninstall'])).stderr).toContain('attachments/');
    expect(await host.sh(state)).toBe(before);
    expect(await host.ping(container, '10.88.0.1')).toBe('answer');
  });
});
