import { describe, expect, makeHost, test, type Container, type Host, type Server } from '../helpers/host.ts';
import { follow, followUps, inspect, leaks, type FollowUp } from './aftermath.ts';
import { describePoint, findPoints, installKillers, killAt, type Call, type KillPoint } from './kill-points.ts';
import { conflist, isLong, options, outcome, prepare } from './network.ts';
import { sample, seeded } from './random.ts';
import { count } from './tally.ts';

/** A place in the life of an attachment: what comes before it, and the plugin that is killed there. */
interface Stage {
  readonly name: string;
  readonly verb: 'ADD' | 'DEL' | 'CHECK' | 'GC';
  /** Which plugin of the chain. */
  readonly plugin: 0 | 1;
  /** How many points are tried in the short form. */
  readonly sampled: number;
}

const stages: readonly Stage[] = [
  { name: 'ADD of drawbridge', verb: 'ADD', plugin: 0, sampled: 14 },
  { name: 'ADD of egress-policy', verb: 'ADD', plugin: 1, sampled: 7 },
  { name: 'CHECK of drawbridge', verb: 'CHECK', plugin: 0, sampled: 2 },
  { name: 'DEL of egress-policy', verb: 'DEL', plugin: 1, sampled: 4 },
  { name: 'DEL of drawbridge', verb: 'DEL', plugin: 0, sampled: 6 },
  { name: 'GC of egress-policy', verb: 'GC', plugin: 1, sampled: 2 },
  { name: 'GC of drawbridge', verb: 'GC', plugin: 0, sampled: 4 },
];

/** Hosts side by side: each run waits more than it works. */
const hosts = isLong ? 4 : 2;

describe('after SIGKILL at any step', () => {
  test.for(stages)(
    'of a $name nothing is left, nothing is missing and a new ADD works at once',
    { timeout: isLong ? 3_600_000 : 300_000 },
    async (stage, { task }) => {
      const points = await pointsOf(stage);
      const random = seeded(8);
      const chosen = isLong ? points : sample(points, stage.sampled, random);
      const offset = Math.floor(random() * followUps.length);
      const jobs = chosen.map((point, index) => ({
        point,
        followUp: followUps[(index + offset) % followUps.length] ?? 'DEL',
      }));
      const total = jobs.length;
      const failures: string[] = [];
      let killed = 0;
      let slowest = 0;
      await Promise.all(
        Array.from({ length: hosts }, async () => {
          await using host = await makeHost();
          const server = await equip(host);
          for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
            const { problems, hit, ms } = await tryPoint(host, stage, { ...job, server });
            if (hit) killed++;
            slowest = Math.max(slowest, ms);
            failures.push(
              ...problems.map((problem) => `${describePoint(job.point)}, then ${job.followUp}: ${problem}`),
            );
            if (problems.length > 0) await clear(host);
          }
        }),
      );
      console.log(
        `${stage.name}: ${points.length} points, ${total} tried, ${killed} killed, slowest ADD after it ${Math.round(slowest)} ms`,
      );
      count(
        { task },
        {
          'points of a plugin at which SIGKILL was tried': total,
          'points of a plugin at which SIGKILL hit': killed,
          'longest ADD after a SIGKILL, ms': slowest,
          'problems after a SIGKILL (left over, missing, let out)': failures.length,
        },
      );
      expect(failures).toEqual([]);
      // A CHECK starts two programs, and has none left to start after the last of them.
      expect(killed).toBeGreaterThanOrEqual(total / 2);
    },
  );
});

async function equip(host: Host): Promise<Server> {
  const outside = await prepare(host);
  await installKillers(host);
  await host.takeBaseline();
  return host.serve(outside, { proto: 'udp', address: '10.99.0.1' });
}

async function pointsOf(stage: Stage): Promise<KillPoint[]> {
  await using host = await makeHost();
  await equip(host);
  const container = await host.container();
  await leadUp(host, stage, container);
  const { result, points } = await findPoints(host, callOf(stage, container));
  expect(outcome(result)).toBe('code 0');
  return points;
}

/** Everything that comes before the call that is killed. */
async function leadUp(host: Host, { verb, plugin }: Stage, container: Container): Promise<void> {
  if (verb === 'ADD' && plugin === 0) return;
  const before = verb === 'ADD' ? { ...conflist, plugins: conflist.plugins.slice(0, plugin) } : conflist;
  const added = await host.addChain(before, options(container));
  expect(outcome(added)).toBe('code 0');
  results.set(container, added.result);
  if (verb === 'DEL' && plugin === 0) {
    const policyOnly = { ...conflist, plugins: conflist.plugins.slice(1) };
    expect(outcome(await host.delChain(policyOnly, options(container)))).toBe('code 0');
  }
}

const results = new WeakMap<Container, unknown>();

function callOf({ verb, plugin }: Stage, container: Container): Call {
  const { capabilities, ...own } = conflist.plugins[plugin] ?? {};
  const conf = {
    ...own,
    cniVersion: conflist.cniVersion,
    name: conflist.name,
    runtimeConfig: plugin === 0 ? options(container).runtimeConfig : undefined,
    prevResult: verb === 'GC' ? undefined : results.get(container),
    'cni.dev/valid-attachments': verb === 'GC' ? [] : undefined,
    capabilities,
  };
  return { verb, conf, options: verb === 'GC' ? {} : { container } };
}

interface Trial {
  readonly point: KillPoint;
  readonly followUp: FollowUp;
  readonly server: Server;
}

async function tryPoint(
  host: Host,
  stage: Stage,
  { point, followUp, server }: Trial,
): Promise<{ problems: string[]; hit: boolean; ms: number }> {
  const container = await host.container();
  await leadUp(host, stage, container);
  const hit = await killAt(host, point, callOf(stage, container));
  const escaped = await leaks(host, container, server);
  const followed = await follow(host, container, followUp, hit ? stage.verb : 'DEL');
  const { problems, ms } = await inspect(host, followUp);
  await container.remove();
  return { hit, ms, problems: [...escaped, ...followed, ...problems] };
}

/** So that what one point broke does not count against the next. */
async function clear(host: Host): Promise<void> {
  await host.gcChain(conflist, []);
  await host.sh(
    'rm -rf /var/lib/cni/networks /run/drawbridge; nft flush ruleset; for l in $(ls /sys/class/net | grep ^veth); do ip link del $l; done',
  );
}
