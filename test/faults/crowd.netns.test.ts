import { expect, makeHost, test, type Host } from '../helpers/host.ts';
import { executable } from '../helpers/executable.ts';
import { startAgent, type Agent } from '../agent/process/agent.ts';
import { Crowd, networks } from './crowd.ts';
import { conflist, isLong, outcome, prepare } from './network.ts';
import { count } from './tally.ts';

/** Containers side by side, as a runtime has them. */
const sideBySide = 16;

/** A crowd goes on for so many milliseconds and until there were so many containers, the later of both. */
const duration = isLong ? 120_000 : 30_000;
const fewest = isLong ? 500 : 0;

/** What others do meanwhile, one after the other; `turn` counts. */
const disturbances = {
  'flush ruleset': async (host: Host) => void (await host.exec(['nft', 'flush', 'ruleset'])),
  GC: async (_host: Host, crowd: Crowd) => crowd.collect(),
  'changed policy': async (host: Host, _crowd: Crowd, turn: number) => writePolicy(host, turn),
  clean: async (host: Host, crowd: Crowd) => command(host, crowd, ['clean', '--orphans']),
  'deleted table': async (host: Host) => void (await host.exec(['nft', 'delete', 'table', 'inet', 'drawbridge'])),
  refresh: async (host: Host, crowd: Crowd) => command(host, crowd, ['refresh']),
  'deleted bridge address': async (host: Host) =>
    void (await host.exec(['ip', 'address', 'del', '10.71.0.1/22', 'dev', 'br1'])),
} as const;

test(
  'a crowd of two runtimes and two versions leaves no duplicates, no leaks and no deadlocks, whoever flushes, collects, cleans, repairs and changes policies meanwhile',
  { timeout: duration + 900_000 },
  async ({ task }) => {
    await using host = await makeHost();
    await prepare(host);
    await writePolicy(host, 0);
    const crowd = await Crowd.at(host, 8);
    let agent = await startAgent(host, ['--clean'], {}, 30_000);
    const end = Date.now() + duration;
    const isOn = (): boolean => (Date.now() < end || crowd.containers < fewest) && crowd.failures.length < 20;
    const workers = Array.from({ length: sideBySide }, async () => {
      while (isOn()) await crowd.live(false);
    });
    const done: Record<string, number> = { 'agent killed and started': 0 };
    const disturb = async (): Promise<void> => {
      const kinds = Object.entries(disturbances);
      for (let turn = 0; isOn(); turn++) {
        await new Promise((resolve) => setTimeout(resolve, 700));
        const [kind, disturbance] = kinds[turn % kinds.length] ?? [];
        if (kind === undefined || disturbance === undefined) continue;
        await disturbance(host, crowd, turn);
        done[kind] = (done[kind] ?? 0) + 1;
        if (turn % 10 !== 9) continue;
        await agent.kill();
        agent = await startAgent(host, ['--clean'], {}, 60_000);
        done['agent killed and started'] = (done['agent killed and started'] ?? 0) + 1;
      }
    };
    await Promise.all([...workers, disturb()]);
    const churned = crowd.containers;
    expect(crowd.failures).toEqual([]);
    const repairs = await repairsOf(agent);
    await agent.stop();

    await expectEverythingInForce(host, crowd);

    const waits = await longestWaits(host);
    console.log(
      `${churned} containers, ${crowd.times.ADD.length} ADD, ${crowd.times.CHECK.length + crowd.checksRefused} CHECK (${crowd.checksRefused} told of rules that were gone or of another version's), ${crowd.times.DEL.length} DEL, ${crowd.times.GC.length} GC; ${crowd.otherCalls} chains of the other version; ` +
        `disturbed by ${JSON.stringify(done)}; the last agent repaired ${repairs} times; longest ADD ${longest(crowd.times.ADD)} ms, longest DEL ${longest(crowd.times.DEL)} ms; ${waits.text}`,
    );
    for (const { conflist: list } of networks.filter(({ bin }) => bin === undefined))
      expect(outcome(await host.gcChain(list, []))).toBe('code 0');
    const left = await host.leftovers({
      allow: [
        /^\+ link (?:drawbridge0|br[1234])$/u,
        /^\+ file \/run\/drawbridge\/bridges\//u,
        /^\+ file \/var\/lib\/drawbridge\/(?:boot\/|names\/|flows\/|learnt\.json$)/u,
      ],
    });
    count(
      { task },
      {
        'containers of a crowd': churned,
        'ADDs of a crowd': crowd.times.ADD.length,
        'disturbances of a crowd': Object.values(done).reduce((sum, each) => sum + each, 0),
        'duplicate addresses, leaks and deadlocks in a crowd': left.length,
        'longest ADD in a crowd, ms': longest(crowd.times.ADD),
        'longest wait for a lock in a crowd, ms': waits.ms,
      },
    );
    expect(left.slice(0, 20)).toEqual([]);
  },
);

/** What stays is in force, whatever happened before. */
async function expectEverythingInForce(host: Host, crowd: Crowd): Promise<void> {
  await Promise.all(Array.from({ length: 8 }, async () => crowd.live(true)));
  await crowd.collect();
  await host.exec(['nft', 'flush', 'ruleset']);
  const last = await host.container();
  expect(outcome(await host.addChain(conflist, { container: last }))).toBe('code 0');
  for (const { network, container, ifname } of crowd.valid.values()) {
    const { conflist: list, bin } = network;
    const checked = await host.checkChain(list, { container, ifname, ...(bin === undefined ? {} : { bin }) });
    expect(outcome(checked)).toBe('code 0');
  }
  for (const attachment of crowd.valid.values()) await crowd.remove(attachment);
  expect(crowd.failures).toEqual([]);
  expect(outcome(await host.delChain(conflist, { container: last }))).toBe('code 0');
}

async function command(host: Host, crowd: Crowd, words: readonly string[]): Promise<void> {
  const { code, stderr, stdout } = await host.exec([executable, ...words], { timeout: 60_000 });
  if (code !== 0) crowd.failures.push(`${words.join(' ')}: ${stderr}${stdout}`);
}

async function repairsOf(agent: Agent): Promise<number> {
  return (await agent.ask<{ repairs: number }>('status')).result.repairs;
}

function longest(times: readonly number[]): number {
  return Math.round(Math.max(0, ...times));
}

/** From the timelines that the plugins wrote: host/trace.ts. */
async function longestWaits(host: Host): Promise<{ ms: number; text: string }> {
  const lines = (await host.run(['cat', '/opt/trace.json'], { timeout: 60_000 })).split('\n');
  const events = lines.flatMap((line) =>
    line.startsWith('{') ? [JSON.parse(line.replace(/,$/u, '')) as { name: string; dur: number }] : [],
  );
  const locks = new Map<string, number>();
  for (const { name, dur } of events) {
    if (/^(?:wait for|hold) lock /u.test(name)) locks.set(name, Math.max(locks.get(name) ?? 0, Math.round(dur / 1000)));
  }
  const waits = [...locks].filter(([name]) => name.startsWith('wait'));
  return {
    ms: longest(waits.map(([, ms]) => ms)),
    text: [...locks].map(([name, ms]) => `longest "${name}" ${ms} ms`).join(', '),
  };
}

async function writePolicy(host: Host, turn: number): Promise<void> {
  const policy = { mode: 'restricted', allowPrivate: [`10.200.${turn % 250}.0/24`] };
  await host.sh(
    'mkdir -p /etc/drawbridge/policies; cat > /etc/drawbridge/policies/.new; mv /etc/drawbridge/policies/.new /etc/drawbridge/policies/changing.json',
    { input: JSON.stringify(policy) },
  );
}
