/** One container under a list of names attacks the DNS of its host; a sibling under the same policy goes on. */
import { fileURLToPath } from 'node:url';
import { expect, test as base, type Container, type Daemon, type Host, type Outside } from '../helpers/host.ts';
import { startAgent, until, type Agent } from '../agent/process/agent.ts';
import { drawbridge } from '../cli/cli.ts';
import { conflistWith } from '../agent/process/network.ts';

const flooding = fileURLToPath(new URL('dns-flood.py', import.meta.url));
const serving = fileURLToPath(new URL('dns-server.py', import.meta.url));

interface Lab {
  readonly host: Host;
  readonly agent: Agent;
  readonly outside: Outside;
  readonly attacker: Container;
  readonly sibling: Container;
}

const policy = { mode: 'allowlist', allow: ['api.example.org:80', '*.example.net:80'] };

const test = base.extend<{ lab: Lab }>({
  lab: async ({ host }, use) => {
    const outside = await host.outside();
    await outside.address('198.51.100.1', '198.51.100.2', '198.51.100.5');
    await host.serve(outside, { port: 80, reply: 'hello' });
    await host.spawn(['/usr/bin/python3', serving, outside.v4], { where: outside });
    await host.sh(`printf 'nameserver ${outside.v4}\\n' > /etc/resolv.conf`);
    await until(async () => (await host.exec(['dig', '+time=1', '+tries=1', `@${outside.v4}`, 'x.test'])).code === 0);
    const agent = await startAgent(host);
    const [attacker, sibling] = [await add(host, 'attacker'), await add(host, 'sibling')];
    await until(async () =>
      (await host.run(['nft', 'list', 'set', 'inet', 'drawbridge', 'dnsforce4'])).includes('10.88.0.3'),
    );
    await use({ host, agent, outside, attacker, sibling });
  },
});

async function add(host: Host, name: string): Promise<Container> {
  const container = await host.container(name);
  const added = await host.addChain(conflistWith(policy), { container });
  expect(added.error, added.stderr).toBeUndefined();
  return container;
}

/** Attacks in the background until it is stopped. */
function attack(host: Host, from: Container, kind: string): Promise<Daemon> {
  return host.spawn(['/usr/bin/python3', flooding, kind, '10.88.0.1', '60'], { where: from });
}

async function resolves(container: Container, name: string): Promise<string> {
  const asked = await container.exec(['dig', '+short', '+time=2', '+tries=2', '@9.9.9.9', name, 'A']);
  return asked.stdout.trim();
}

/** The process that answers DNS. */
async function answering(host: Host, { pid }: Agent): Promise<string> {
  return (await host.run(['pgrep', '-P', String(pid), '-f', 'answer-dns'])).trim();
}

/** kB of memory of the agent and of the process that answers DNS. */
async function memoryOf(host: Host, agent: Agent): Promise<number> {
  const files = [agent.pid, await answering(host, agent)].map((pid) => `/proc/${pid}/status`);
  const text = await host.run(['sed', '-n', 's/^VmRSS: *//p', ...files]);
  return text.split('\n').reduce((sum, line) => sum + Number.parseInt(line || '0', 10), 0);
}

test('a container that fills the names of its policy leaves siblings theirs, fails no ADD, and is named', async ({
  lab: { host, agent, attacker, sibling },
}) => {
  expect(await resolves(sibling, 'mine.example.net')).toBe('198.51.100.2');
  const { stdout } = await attacker.exec(['/usr/bin/python3', flooding, 'fill', '10.88.0.1', '100'], {
    timeout: 110_000,
  });
  // The control: it was told far more than the kernel's set holds.
  expect(Number(stdout)).toBeGreaterThan(65_536);
  expect(await host.fetch(sibling, '198.51.100.2', 80)).toBe('hello');
  expect(await resolves(sibling, 'other.example.net')).toBe('198.51.100.2');
  const late = await add(host, 'late');
  expect(await host.fetch(late, '198.51.100.1', 80)).toBe('hello');
  const { result } = await agent.ask<{ openAddresses: number; problems: string[] }>('status');
  expect(result.openAddresses).toBeLessThan(5000);
  expect(result.problems).toContainEqual(
    'The container "lab/attacker" by "*.example.net" has 4096 addresses open, as many as one container may; the oldest are closed',
  );
  const { text } = (await agent.ask<{ text: string }>('metrics')).result;
  expect(text).toMatch(/drawbridge_names_crowded\{network="lab",container="attacker",limit="container"\} [1-9]/);
});

test.for(['denied', 'tcp', 'deaf', 'dead'] as const)(
  'while a container floods DNS (%s), a sibling is answered, and rules that somebody flushed come back',
  async (kind, { lab: { host, agent, attacker, sibling } }) => {
    const before = await memoryOf(host, agent);
    const running = await attack(host, attacker, kind);
    await new Promise((resolve) => setTimeout(resolve, 3000));
    for (let index = 0; index < 5; index += 1)
      expect(await resolves(sibling, `s${index}.example.net`)).toBe('198.51.100.2');
    await host.run(['nft', 'flush', 'ruleset']);
    await until(async () => (await host.fetch(sibling, '198.51.100.1', 80, { timeout: 200 })) === 'hello', 10_000);
    expect(await resolves(sibling, 'after.example.net')).toBe('198.51.100.2');
    // The control: it is still at it.
    expect(await running.running()).toBe(true);
    expect((await memoryOf(host, agent)) - before).toBeLessThan(250_000);
    await running.stop(9);
  },
);

test('the process that answers DNS is started again when it ends, and answers', async ({
  lab: { host, agent, sibling },
}) => {
  const child = await answering(host, agent);
  expect(await host.run(['cat', `/proc/${child}/oom_score_adj`])).toBe('500\n');
  await host.run(['kill', '-9', child]);
  await until(async () => (await resolves(sibling, 'again.example.net')) === '198.51.100.2');
  expect((await agent.log()).map(({ msg }) => msg)).toContain('the process that answers DNS ended');
});

test('the process that answers DNS ends with an agent that is killed', async ({ lab: { host, agent } }) => {
  const child = await answering(host, agent);
  await agent.kill();
  await until(async () => (await host.exec(['kill', '-0', child])).code !== 0);
});

test('a wildcard takes no more of a container than dns.maxQueriesPerMinute lets out', async ({
  lab: { host, attacker, sibling },
}) => {
  const ask = `for n in $(seq 1 400); do echo "@9.9.9.9 d$n.example.net A +short +time=2 +tries=1"; done | dig -f - | grep -c 198.51.100.2`;
  const answered = Number((await attacker.exec(['/bin/sh', '-c', ask], { timeout: 60_000 })).stdout);
  expect(answered).toBeGreaterThanOrEqual(300);
  expect(answered).toBeLessThan(400);
  const asked = await host.run(['/bin/sh', '-c', 'grep -c "^d[0-9]*.example.net" /run/dns-asked.log']);
  expect(Number(asked)).toBe(answered);
  expect(await resolves(sibling, 'd1000.example.net')).toBe('198.51.100.2');
});

test.for([
  ['names', 'met its bound of new names a minute under one wildcard ("dns.maxQueriesPerMinute")'],
  ['addresses', 'met its bound of addresses of names that are open at once'],
] as const)(
  'whoever looks sees that a container met its bound of %s, and its sibling did not',
  async ([bound, words], { lab }) => {
    const { host, attacker } = lab;
    const boundsMet = async (): Promise<Record<string, string[]>> =>
      Object.fromEntries(
        (
          (await drawbridge(host, ['list', '--json'])).json as { containerId: string; boundsMet: { bound: string }[] }[]
        ).map(({ containerId, boundsMet: met }) => [containerId, met.map((one) => one.bound)]),
      );
    expect(await boundsMet()).toEqual({ attacker: [], sibling: [] });
    if (bound === 'names')
      await attacker.exec(
        [
          '/bin/sh',
          '-c',
          `for n in $(seq 1 400); do echo "@9.9.9.9 d$n.example.net A +short +time=2 +tries=1"; done | dig -f -`,
        ],
        { timeout: 60_000 },
      );
    else await attacker.exec(['/usr/bin/python3', flooding, 'fill', '10.88.0.1', '15'], { timeout: 60_000 });
    await until(async () => (await boundsMet())['attacker']?.includes(bound) === true);
    expect(await boundsMet()).toEqual({ attacker: [bound], sibling: [] });
    for (const command of [['list', '--wide'], ['doctor']]) {
      const said = (await drawbridge(host, command)).stdout.replaceAll(/\s+/gu, ' ');
      expect(said.replaceAll('attacker:', 'attacker')).toContain(`attacker ${words}`);
      expect(said).not.toMatch(/sibling:? met its/u);
    }
  },
);

test('a resolver in the container asks for the target of a CNAME itself, and reaches it', async ({
  lab: { host, attacker },
}) => {
  expect(await host.fetch(attacker, '198.51.100.5', 80)).toBe('refused');
  expect(await resolves(attacker, 'edge.cdn.example')).toBe('');
  expect(await resolves(attacker, 'alias.example.net')).toBe('edge.cdn.example.\n198.51.100.5');
  expect(await resolves(attacker, 'edge.cdn.example')).toBe('198.51.100.5');
  expect(await host.fetch(attacker, '198.51.100.5', 80)).toBe('hello');
});
