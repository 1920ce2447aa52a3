import { makeHost, type Host } from '../test/helpers/private-host.ts';
import { startDriver, type Driver, type Run } from './driver.ts';
import type { Side } from './sides.ts';

/** What the runs of one side took, a list each, in the order of the rounds. */
export interface Samples {
  readonly add: Run[];
  readonly check: Run[];
  readonly del: Run[];
}

/** A side in a private host of its own, with one container that stays: bridge, chains and tables are there. */
export interface Standing {
  readonly side: Side;
  readonly host: Host;
  readonly driver: Driver;
  readonly close: () => Promise<void>;
}

export async function stand(side: Side, { resident = true }: { resident?: boolean } = {}): Promise<Standing> {
  const host = await makeHost();
  await host.outside();
  await occupy(host);
  const driver = startDriver(host);
  await side.surround?.(host);
  if (resident) await driver.run(side.jobs(await host.container('resident'), 0).add);
  return {
    side,
    host,
    driver,
    close: async () => {
      await driver.stop();
      await host.dispose();
    },
  };
}

/**
 * What a host has that is in use: somebody listens, connections are remembered; and the folder that netavark is told.
 */
async function occupy(host: Host): Promise<void> {
  await host.sh('mkdir -p /run/netavark');
  await host.serve(host, { port: 22 });
  const flow = (number: number): string =>
    `-I -p udp -s 192.0.2.2 -d 192.0.2.1 --sport ${20_000 + number} --dport 53 --timeout 3600\n`;
  await host.run(['conntrack', '-R', '-'], {
    input: Array.from({ length: 100 }, (_, number) => flow(number)).join(''),
  });
}

const warmUp = 2;

/**
 * Adds, checks and removes a container with each side in turn, round after round, so that whatever the machine does
 * meanwhile hits all sides alike. Each round begins with another side. The first rounds are not counted.
 */
export async function lockstep(
  standings: readonly Standing[],
  rounds: number,
  { withCheck = true }: { withCheck?: boolean } = {},
): Promise<Map<Side, Samples>> {
  const samples = new Map<Side, Samples>(standings.map(({ side }) => [side, { add: [], check: [], del: [] }]));
  for (let round = -warmUp; round < rounds; round++) {
    for (let turn = 0; turn < standings.length; turn++) {
      const standing = standings[(round + warmUp + turn) % standings.length];
      if (standing === undefined) continue;
      const runs = await addAndRemove(standing, round + warmUp + 1, withCheck);
      if (round < 0) continue;
      const own = samples.get(standing.side);
      own?.add.push(runs.add);
      if (runs.check !== undefined) own?.check.push(runs.check);
      own?.del.push(runs.del);
    }
  }
  return samples;
}

async function addAndRemove(
  { side, host, driver }: Standing,
  place: number,
  withCheck: boolean,
): Promise<{ add: Run; check?: Run; del: Run }> {
  const container = await host.container(`bench${place}`);
  const { add, check, del } = side.jobs(container, place);
  const added = await driver.run(add);
  const checked = withCheck && side.hasCheck ? await driver.run(check(added.result)) : undefined;
  const removed = await driver.run(del(added.result));
  await container.remove();
  return { add: added, ...(checked === undefined ? {} : { check: checked }), del: removed };
}
