/**
 * Verbs of one attachment that overlap, at any offset: whatever the order, what is left is either whole and enforced,
 * or nothing. Runtimes do this when a container is killed while it is being created (containerd#5768, containerd#7010).
 */
import fc from 'fast-check';
import {
  describe,
  expect,
  makeHost,
  test,
  type Conflist,
  type Container,
  type CniResult,
  type Host,
  type Server,
} from '../helpers/host.ts';
import { folder, installDropIns } from '../plugins/drop-in/links.ts';
import { attachmentsLeft, conflist as chain, forbidden, isLong, locksLeft, outcome } from './network.ts';
import { count } from './tally.ts';

const policy = { mode: 'allowlist', allow: ['8.8.8.8'] };
const [plain = {}, chained = {}] = chain.plugins;
const { capabilities: _, ...drawbridge } = plain;

const forms: Readonly<Record<string, Conflist>> = {
  'one process': { ...chain, plugins: [{ ...drawbridge, egress: policy }] },
  chain: { ...chain, plugins: [drawbridge, { type: chained['type'], ...policy }] },
  'drop-ins': {
    ...chain,
    plugins: [
      { ...drawbridge, type: 'bridge', bridge: 'drawbridge0', isGateway: true },
      { type: 'portmap', capabilities: { portMappings: true } },
      { type: 'firewall' },
      { type: 'bandwidth', ingressRate: 1e9, ingressBurst: 1e9, egressRate: 1e9, egressBurst: 1e9 },
      { type: 'egress-policy', ...policy },
    ],
  },
};

const verbs = ['ADD', 'DEL', 'DEL without namespace', 'CHECK', 'GC with an empty list', 'GC without a list'] as const;

interface Step {
  readonly verb: (typeof verbs)[number];
  /** Milliseconds after the first. */
  readonly at: number;
}

const step: fc.Arbitrary<Step> = fc.record({ verb: fc.constantFrom(...verbs), at: fc.integer({ min: 0, max: 200 }) });

/** An ADD and whatever overlaps it. */
const overlaps: fc.Arbitrary<readonly Step[]> = fc
  .tuple(
    fc.record({ verb: fc.constant('ADD' as const), at: fc.constant(0) }),
    fc.array(step, { minLength: 1, maxLength: 3 }),
  )
  .map(([first, rest]) => [first, ...rest]);

/** What was seen to leave an open container: a DEL that begins while the ADD runs, with and without a namespace. */
const known: readonly (readonly Step[])[] = [
  ...[4, 20, 35, 50, 65, 80, 100, 130].flatMap((at) =>
    (['DEL', 'DEL without namespace'] as const).map((verb) => [
      { verb: 'ADD' as const, at: 0 },
      { verb, at },
    ]),
  ),
  ...[10, 40, 70].map((at) => [
    { verb: 'DEL' as const, at: 0 },
    { verb: 'ADD' as const, at: 0 },
    { verb: 'DEL' as const, at },
  ]),
];

interface Scene {
  readonly host: Host;
  readonly conflist: Conflist;
  readonly server: Server;
  readonly runtimeConfig: object;
}

async function makeScene(host: Host, conflist: Conflist): Promise<Scene> {
  const outside = await host.outside();
  await outside.address(forbidden, '8.8.8.8');
  await host.run(['ip', 'route', 'add', '10.88.0.0/16', 'via', outside.hostV4], { where: outside });
  await host.sh('cat > /etc/cni/net.d/10-drawbridge.conflist', { input: JSON.stringify(conflist) });
  await installDropIns(host);
  await host.serve(outside, { port: 80, address: '8.8.8.8', reply: 'allowed' });
  const server = await host.serve(outside, { port: 7, proto: 'udp', reply: 'forbidden' });
  await host.takeBaseline();
  const hasPorts = conflist.plugins.some(({ type }) => type === 'portmap');
  const runtimeConfig = hasPorts ? { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] } : {};
  return { host, conflist, server, runtimeConfig };
}

function perform(
  { host, conflist, runtimeConfig }: Scene,
  container: Container,
  verb: Step['verb'],
): Promise<CniResult> {
  const options = { container, runtimeConfig, result: null, bin: folder };
  switch (verb) {
    case 'ADD':
      return host.addChain(conflist, options);
    case 'DEL':
      return host.delChain(conflist, options);
    case 'DEL without namespace':
      return host.delChain(conflist, { ...options, netns: '' });
    case 'CHECK':
      return host.checkChain(conflist, { container, runtimeConfig, bin: folder });
    case 'GC with an empty list':
      return host.gcChain(conflist, [], { bin: folder });
    case 'GC without a list':
      return host.gcChain(conflist, undefined, { bin: folder });
  }
}

/** Lets steps overlap and says what is wrong afterwards. */
async function overlap(scene: Scene, steps: readonly Step[]): Promise<string[]> {
  const { host, conflist, server, runtimeConfig } = scene;
  const container = await host.container();
  const results = await Promise.all(
    steps.map(async ({ verb, at }) => {
      await new Promise((resolve) => setTimeout(resolve, at));
      return { verb, result: await perform(scene, container, verb) };
    }),
  );
  const failedDels = results
    .filter(({ verb, result }) => verb.startsWith('DEL') && result.code !== 0)
    .map(({ verb, result }) => `${verb}: ${outcome(result)}`);
  const problems = [...failedDels, ...(await judge(scene, container))];
  const deleted = await host.delChain(conflist, { container, runtimeConfig, result: null, bin: folder });
  if (deleted.code !== 0) problems.push(`last DEL: ${outcome(deleted)}`);
  problems.push(...(await attachmentsLeft(host)).map((line) => `left after the last DEL: ${line}`));
  problems.push(...(await locksLeft(host)).map((name) => `lock left: ${name}`));
  await container.remove();
  await server.peers();
  return problems.map(
    (problem) => `${problem} (${results.map(({ verb, result }) => `${verb}=${result.code}`).join(' ')})`,
  );
}

/** Whole and enforced, or nothing. */
async function judge({ host, conflist, server, runtimeConfig }: Scene, container: Container): Promise<string[]> {
  const before = (await server.peers()).length;
  await host.fetch(container, forbidden, server.port, { proto: 'udp', timeout: 60 }).catch(() => undefined);
  const open = (await server.peers()).length === before ? [] : [`the container reaches ${forbidden}`];
  const { stdout } = await host.exec(['ip', '-o', '-4', 'address', 'show', 'dev', 'eth0'], { where: container });
  const address = /inet ([0-9.]+)\//.exec(stdout)?.[1];
  if (address === undefined) {
    const left = (await attachmentsLeft(host)).map((line) => `left of what is nothing: ${line}`);
    return [...open, ...left];
  }
  const answer = await host.fetch(container, '8.8.8.8', 80);
  const checked = await host.checkChain(conflist, { container, runtimeConfig, bin: folder });
  const lease = await host.exec(['cat', `/var/lib/cni/networks/${conflist.name}/${address}`]);
  return [
    ...open,
    ...(answer === 'allowed' ? [] : [`the container does not reach what its policy allows: ${answer}`]),
    ...(checked.code === 0 ? [] : [`CHECK: ${outcome(checked)}`]),
    ...(lease.stdout.startsWith(container.name) ? [] : [`the lease of ${address} is gone`]),
  ];
}

describe.each(Object.entries(forms))('%s', (name, conflist) => {
  test(
    'is whole and enforced or nothing at all after a DEL that began during its ADD',
    { timeout: 300_000 },
    async ({ host }) => {
      const scene = await makeScene(host, conflist);
      const problems: string[] = [];
      for (const steps of known)
        problems.push(...(await overlap(scene, steps)).map((problem) => `${JSON.stringify(steps)}: ${problem}`));
      expect(problems).toEqual([]);
    },
  );

  test(
    'is whole and enforced or nothing at all after any verbs that overlapped',
    { timeout: isLong ? 7_200_000 : 300_000 },
    async ({ task }) => {
      await using host = await makeHost();
      const scene = await makeScene(host, conflist);
      let ran = 0;
      await fc.assert(
        fc.asyncProperty(overlaps, async (steps) => {
          ran++;
          expect(await overlap(scene, steps)).toEqual([]);
        }),
        { seed: 12, numRuns: isLong ? 1000 : 15, endOnFailure: true },
      );
      count({ task }, { [`sequences of overlapping verbs (${name}) that left one of the two outcomes`]: ran });
    },
  );
});
