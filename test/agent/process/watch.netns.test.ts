import { expect, test, type Host } from '../../helpers/host.ts';
import { startAgent, until, type Agent, type LogLine } from './agent.ts';
import { attach } from './network.ts';

const policy = { mode: 'allowlist', allow: ['8.8.8.8:80'] };

async function problemsOf(agent: Agent): Promise<readonly string[]> {
  return (await agent.ask<{ problems: string[] }>('status')).result.problems;
}

async function metric(agent: Agent, line: RegExp): Promise<string | undefined> {
  return line.exec((await agent.ask<{ text: string }>('metrics')).result.text)?.[0];
}

function holds(host: Host): Promise<boolean> {
  return host.exec(['nft', 'list', 'table', 'inet', 'drawbridge']).then(({ code }) => code === 0);
}

test('the agent that cannot have a netlink socket says so, and repairs by the clock', async ({ host }) => {
  await attach(host, policy);
  const agent = await startAgent(host, [], { DRAWBRIDGE_CHILDREN: '1' });
  const sentences = [
    'Cannot record packets that are denied',
    'Cannot watch the rules of this host',
    'Cannot watch the links of this host',
  ].map((what): unknown => expect.stringContaining(`${what}: this process has no netlink socket`));
  expect(await problemsOf(agent)).toEqual(sentences);
  const told = (await agent.log()).filter(({ msg }) => msg === 'problem');
  for (const problem of sentences) expect(told).toContainEqual(expect.objectContaining({ level: 'error', problem }));
  expect(await metric(agent, /^drawbridge_watch_blind\{watch="rules"\} 1$/m)).toBeDefined();
  await host.run(['nft', 'flush', 'ruleset']);
  await until(() => holds(host), 20_000);
});

test('the agent that is watching says nothing of it', async ({ host }) => {
  await attach(host, policy);
  const agent = await startAgent(host);
  expect(await problemsOf(agent)).toEqual([]);
  expect(await metric(agent, /^drawbridge_watch_blind\{.*$/m)).toBeUndefined();
  expect((await agent.log()).filter(({ level }) => level === 'error')).toEqual([]);
});

/** More than the kernel keeps for who does not listen, and a loss among it. */
async function overrun(host: Host, agent: Agent): Promise<void> {
  const elements = Array.from({ length: 100_000 }, (_, at) => `10.${at >> 16}.${(at >> 8) & 255}.${at & 255}`);
  const flood = `add element inet flood s { ${elements.join(', ')} }\nflush set inet flood s\n`;
  await host.run(['kill', '-STOP', String(agent.pid)]);
  await host.run(['nft', '-f', '-'], { input: flood, timeout: 60_000 });
  await host.run(['nft', 'flush', 'table', 'inet', 'drawbridge']);
  await host.run(['kill', '-CONT', String(agent.pid)]);
}

test('changes that the agent is too late for are found all the same, and that is said; twice in a minute is a problem', async ({
  host,
}) => {
  await attach(host, policy);
  await host.sh("nft 'add table inet flood; add set inet flood s { type ipv4_addr; }'");
  const agent = await startAgent(host);
  const rules = await host.run(['nft', '--stateless', '--terse', 'list', 'table', 'inet', 'drawbridge']);
  const isMended = async (): Promise<boolean> =>
    (await host.run(['nft', '--stateless', '--terse', 'list', 'table', 'inet', 'drawbridge'])) === rules;
  const lost = async (): Promise<LogLine[]> =>
    (await agent.log()).filter(({ msg }) => msg === 'changes were missed: everything is looked at');
  await overrun(host, agent);
  await until(isMended, 20_000);
  expect(await lost()).toMatchObject([{ level: 'warn', watch: 'rules', reason: 'ENOBUFS' }]);
  expect(await metric(agent, /^drawbridge_watch_gaps_total\{watch="rules"\} 1$/m)).toBeDefined();
  expect(await problemsOf(agent)).toEqual([]);
  await overrun(host, agent);
  await until(isMended, 20_000);
  expect(await problemsOf(agent)).toEqual([
    expect.stringContaining('Cannot watch the rules of this host: it ended twice within a minute (ENOBUFS)'),
  ]);
});
