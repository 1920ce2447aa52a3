import { startAgent, until, type Agent } from '../agent/process/agent.ts';
import { executable } from '../helpers/executable.ts';
import { describe, expect, makeHost, test, type Container, type Host, type Server } from '../helpers/host.ts';
import { inspect, leaks } from './aftermath.ts';
import { aimAt, brokenAt, callsSoFar } from './broken-programs.ts';
import { describePoint, installKillers, systemCallPoints, systemCalls, type KillPoint } from './kill-points.ts';
import { attachmentsLeft, conflist, isLong, options, outcome, prepare } from './network.ts';
import { sample, seeded } from './random.ts';
import { count } from './tally.ts';

/** What somebody does to the host, so that the agent has something to put back. */
const harms = {
  'all rules flushed': 'nft flush ruleset; iptables -P FORWARD DROP',
  // Of a kind that opens nothing by itself.
  'a rule put into a chain': 'nft insert rule inet drawbridge egress_out ip daddr 203.0.113.77 accept',
  'links changed': `
    port=$(ls /sys/class/net | grep ^veth)
    ip link set $port nomaster
    ip address del 10.88.0.1/16 dev drawbridge0
    ip rule | sed -n 's/^\\([0-9]*\\):.*prohibit.*/\\1/p' | while read pref; do ip rule del pref $pref; done`,
  'accepts of a foreign firewall flushed': 'iptables -F',
} as const;

type Harm = keyof typeof harms;

/** How many points are tried in the short form. */
const sampled: Readonly<Record<Harm, number>> = {
  'all rules flushed': 4,
  'a rule put into a chain': 2,
  'links changed': 4,
  'accepts of a foreign firewall flushed': 2,
};

/** What happens after the agent was killed. */
const followUps = ['another agent', 'ADD', 'DEL', 'clean'] as const;

/** Hosts side by side. */
const hosts = isLong ? 3 : 2;

describe('after SIGKILL of the agent at any step of its repair', () => {
  test.for(Object.keys(harms) as Harm[])(
    'of %s nothing gets out, nothing is left, and agent, ADD, DEL and clean work at once',
    { timeout: isLong ? 2_400_000 : 300_000 },
    async (harm, { task }) => {
      const points = await pointsOf(harm);
      const random = seeded(8);
      const chosen = isLong ? points : sample(points, sampled[harm], random);
      const offset = Math.floor(random() * followUps.length);
      const jobs = chosen.map((point, index) => ({
        point,
        followUp: followUps[(index + offset) % followUps.length] ?? 'ADD',
      }));
      const total = jobs.length;
      const failures: string[] = [];
      let killed = 0;
      await Promise.all(
        Array.from({ length: hosts }, async () => {
          for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
            const { hit, problems } = await tryPoint(harm, job.point, job.followUp);
            if (hit) killed++;
            const where = `${describePoint(job.point)}, then ${job.followUp}`;
            failures.push(...problems.map((problem) => `${where}: ${problem}`));
          }
        }),
      );
      console.log(`${harm}: ${points.length} points, ${total} tried, ${killed} killed`);
      count(
        { task },
        {
          "points of the agent's repair at which SIGKILL was tried": total,
          "points of the agent's repair at which SIGKILL hit": killed,
          'problems after a SIGKILL (left over, missing, let out)': failures.length,
        },
      );
      expect(failures).toEqual([]);
      expect(killed).toBeGreaterThan(total / 3);
    },
  );
});

interface Scene {
  readonly container: Container;
  readonly server: Server;
  readonly agent: Agent;
  readonly env: Record<string, string>;
}

/** A container with a policy and ports, a foreign firewall that drops, and an agent that finds everything in place. */
async function setUp(host: Host, how: Parameters<typeof brokenAt>[2]): Promise<Scene> {
  const outside = await prepare(host);
  await installKillers(host);
  await host.sh('iptables -P FORWARD DROP');
  await host.takeBaseline();
  const server = await host.serve(outside, { proto: 'udp', address: '10.99.0.1' });
  const container = await host.container();
  expect(outcome(await host.addChain(conflist, options(container)))).toBe('code 0');
  // With programs in place of netlink the agent would hear of no change, and only look every few seconds.
  const { env } = await brokenAt(host, 'later', how, { children: false });
  const agent = await startAgent(host, [], env, 30_000);
  await isQuiet(host, env);
  return { container, server, agent, env };
}

/** No program was started for a while. */
async function isQuiet(host: Host, env: Record<string, string>): Promise<void> {
  for (let before = -1; ;) {
    const now = await callsSoFar(host, env);
    if (now === before) return;
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 800));
  }
}

async function pointsOf(harm: Harm): Promise<KillPoint[]> {
  await using host = await makeHost();
  const { agent, env } = await setUp(host, '');
  const first = await callsSoFar(host, env);
  const stop = await trace(host, agent.pid, `-e trace=${systemCalls.join(',')} -o /opt/faults/trace`);
  await host.sh(harms[harm]);
  await isQuiet(host, env);
  await stop();
  const count = (await callsSoFar(host, env)) - first;
  const hows = ['kill-before', 'kill-while', 'kill-after'] as const;
  const points = systemCallPoints(await host.run(['cat', '/opt/faults/trace']));
  expect(points.length, 'system calls of the repair').toBeGreaterThan(0);
  return [
    ...points,
    ...Array.from({ length: count }, (_, n) => hows.map((how) => ({ kind: 'program' as const, n, how }))).flat(),
  ];
}

/** Follows the system calls of a process that runs already; returns when it does. */
async function trace(host: Host, pid: number, how: string): Promise<() => Promise<unknown>> {
  const strace = await host.spawn(['strace', '-f', '-p', String(pid), '-e', 'signal=none', ...how.split(' ')]);
  await until(async () => (await host.run(['cat', strace.log])).includes('attached'));
  return () => strace.stop(2);
}

async function tryPoint(
  harm: Harm,
  point: KillPoint,
  followUp: (typeof followUps)[number],
): Promise<{ hit: boolean; problems: string[] }> {
  await using host = await makeHost();
  const { container, server, agent, env } = await setUp(host, point.kind === 'program' ? point.how : '');
  if (point.kind === 'program') await aimAt(host, env, (await callsSoFar(host, env)) + point.n);
  else {
    const inject = `-e trace=${point.name} -e inject=${point.name}:signal=KILL:when=${point.n} -o /dev/null`;
    await trace(host, agent.pid, inject);
  }
  await host.sh(harms[harm]);
  const escaped = await leaks(host, container, server);
  const hit = await until(async () => !(await agent.running()), 2500).then(
    () => true,
    () => false,
  );
  if (!hit) await agent.kill();
  const problems = [
    ...escaped,
    ...(await leaks(host, container, server)),
    ...(await follow(host, container, { harm, followUp })),
    ...(await leaks(host, container, server)),
  ];
  const deleted = await host.delChain(conflist, { ...options(container), result: null });
  if (deleted.code !== 0) problems.push(`DEL: ${outcome(deleted)}`);
  await container.remove();
  await host.sh('rm -rf /run/drawbridge/agent.sock /var/lib/drawbridge/learnt.json /var/lib/drawbridge/flows');
  problems.push(...(await inspect(host, 'DEL')).problems);
  return { hit, problems };
}

async function follow(
  host: Host,
  container: Container,
  { harm, followUp }: { harm: Harm; followUp: (typeof followUps)[number] },
): Promise<string[]> {
  switch (followUp) {
    case 'another agent': {
      const agent = await startAgent(host, [], {}, 15_000);
      let last = '';
      // What is inside of chains it looks at when its monitor listens.
      const isWell = async (): Promise<boolean> => {
        last = outcome(await host.checkChain(conflist, options(container)));
        return last === 'code 0';
      };
      const well = await until(isWell, 5000).then(
        () => [],
        () => [`CHECK: ${last}`],
      );
      await agent.stop();
      return well;
    }
    case 'ADD': {
      const next = await host.container();
      const added = await host.addChain(conflist, { container: next });
      const checked = await host.checkChain(conflist, { container: next });
      const deleted = await host.delChain(conflist, { container: next });
      await next.remove();
      // What an earlier ADD made for all of a bridge, and what is inside of chains, an ADD does not look at; CHECK
      // does.
      const tells = harm !== 'all rules flushed' && [103, 104].includes(checked.error?.['code'] as number);
      return [added, ...(tells ? [] : [checked]), deleted].filter(({ code }) => code !== 0).map(outcome);
    }
    case 'DEL': {
      const deleted = await host.delChain(conflist, { ...options(container), result: null });
      const left = (await attachmentsLeft(host)).filter(
        (line) => !/agent\.sock|learnt\.json|drawbridge\/flows\/|\.json(?:\.\d+)+$|\/(?:locks|listings)\//u.test(line),
      );
      return [...(deleted.code === 0 ? [] : [outcome(deleted)]), ...left.map((line) => `left after DEL: ${line}`)];
    }
    case 'clean': {
      const { code, stdout, stderr } = await host.exec([executable, 'clean', '--json'], { timeout: 30_000 });
      const records = await host.sh('ls /run/drawbridge/attachments | wc -l');
      return [
        ...(code === 0 ? [] : [`clean: ${stderr}${stdout}`]),
        ...(records === '1\n' ? [] : [`clean left ${records} records of one living container`]),
      ];
    }
  }
}
