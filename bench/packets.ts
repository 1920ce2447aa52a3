/** Rows about packets: what a policy costs them, and whether a published port's place among many matters. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Container, Host, Place } from '../test/helpers/private-host.ts';
import { stand, type Standing } from './lockstep.ts';
import { referencePlugins } from './peers.ts';
import { compare, type Row, type RowText } from './row.ts';
import { one, portOf, referenceIptables, type Side } from './sides.ts';
import { median } from './statistics.ts';

const python = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3';
const program = join(import.meta.dirname, 'packets.py');
const server = '198.51.99.1';

export const packetRows = ['throughput', 'connections', 'latency'];

/**
 * A container whose policy has so many entries, on a host with so many enforced containers, against one without a
 * policy on a host of its own. Many containers with a long policy each share its sets, so one is enough.
 */
export async function measurePackets(containers: number, entries: number, rounds: number): Promise<Row[]> {
  const policy = { mode: 'allowlist', allow: [...longList(entries - 1), `${server}`] };
  const standings = [await stand(one({ port: false })), await stand(one({ port: false, egress: null }))];
  try {
    const [enforced, open] = standings;
    if (enforced === undefined || open === undefined) return [];
    const crowd = await Promise.all(
      Array.from({ length: containers }, (_, place) => enforced.host.container(`crowd${place}`)),
    );
    await enforced.driver.many(
      crowd.map((container, place) => enforced.side.jobs(container, place + 1).add),
      4,
    );
    const ends = [
      await client(enforced, one({ port: false, egress: policy }), containers + 10),
      await client(open, open.side, containers + 10),
    ];
    const results = { send: [[], []] as number[][], connect: [[], []] as number[][], echo: [[], []] as number[][] };
    for (let round = 0; round < rounds; round++) {
      for (const [place, { host }] of inTurn(standings, round)) {
        for (const mode of ['send', 'connect', 'echo'] as const) {
          const where = ends[place];
          if (where !== undefined)
            results[mode][place]?.push(await traffic(host, where, { mode, address: server, seconds: 1 }));
        }
      }
    }
    const peer = 'itself, without a policy';
    const what = (text: string): string => `${text}, ${containers} enforced containers, policy of ${entries}`;
    const rows: readonly [keyof typeof results, RowText][] = [
      [
        'send',
        {
          id: 'throughput',
          what: what('TCP throughput'),
          peer,
          unit: 'Mbit/s',
          toReach: 0.97,
          beyond: 0.99,
          better: 'more',
        },
      ],
      [
        'connect',
        { id: 'connections', what: what('connections'), peer, unit: '/s', toReach: 0.97, beyond: 0.99, better: 'more' },
      ],
      [
        'echo',
        { id: 'latency', what: what('one byte there and back'), peer, unit: 'µs', toReach: 1 / 0.97, beyond: 1 / 0.99 },
      ],
    ];
    return rows.map(([mode, text]) => compare(text, results[mode][0] ?? [], results[mode][1] ?? []));
  } finally {
    for (const { close } of standings) await close();
  }
}

export const portRows = ['ports'];

/**
 * Connections per second to the last of so many published ports, against those to an only one; and the same of the
 * reference.
 */
export async function measurePorts(ports: number, rounds: number): Promise<Row[]> {
  const reference = referencePlugins();
  const makers: readonly [() => Side, number][] = [
    [() => one(), ports],
    [() => one(), 1],
    [() => referenceIptables(reference, { firewall: false }), ports],
    [() => referenceIptables(reference, { firewall: false }), 1],
  ];
  const standings: Standing[] = [];
  try {
    const targets: string[] = [];
    for (const [make, count] of makers) {
      const standing = await stand(withPorts(make(), count), { resident: false });
      standings.push(standing);
      const container = await standing.host.container('published');
      const { result } = await standing.driver.run(standing.side.jobs(container, 0).add);
      targets.push((result as { ips: { address: string }[] }).ips[0]?.address.split('/', 1)[0] ?? '');
      await serve(standing.host, container, targets.at(-1) ?? '');
    }
    const rates: number[][] = makers.map(() => []);
    for (let round = 0; round < rounds; round++) {
      for (const [place, { host }] of inTurn(standings, round)) {
        const port = portOf((makers[place]?.[1] ?? 1) - 1);
        rates[place]?.push(
          await traffic(
            host,
            { netns: '/run/netns/outside' },
            { mode: 'connect', address: '192.0.2.1', port, seconds: 1 },
          ),
        );
      }
    }
    const [many = [], single = [], theirMany = [], theirSingle = []] = rates;
    const note = `reference, iptables: ${(median(theirMany) / median(theirSingle)).toFixed(2)}x`;
    return [
      compare(
        {
          id: 'ports',
          what: `connections to the last of ${ports} published ports`,
          peer: 'itself, with one',
          unit: '/s',
          toReach: 0.95,
          better: 'more',
          note,
        },
        many,
        single,
      ),
    ];
  } finally {
    for (const { close } of standings) await close();
  }
}

/** With their places; each round begins with another one. */
function inTurn(standings: readonly Standing[], round: number): [number, Standing][] {
  const all = [...standings.entries()];
  const first = round % all.length;
  return [...all.slice(first), ...all.slice(0, first)];
}

function withPorts(side: Side, count: number): Side {
  const portMappings = Array.from({ length: count }, (_, place) => ({
    hostPort: portOf(place),
    containerPort: 80,
    protocol: 'tcp',
  }));
  return {
    ...side,
    jobs: (container, place) => {
      const jobs = side.jobs(container, place);
      if (jobs.add.op !== 'chain') return jobs;
      const plugins = jobs.add.plugins.map(
        ([path, conf]) => [path, { ...conf, runtimeConfig: { portMappings } }] as const,
      );
      return { ...jobs, add: { ...jobs.add, plugins } };
    },
  };
}

async function client({ host, driver }: Standing, side: Side, place: number): Promise<Container> {
  const outside = { netns: '/run/netns/outside' };
  await host.sh(`ip addr add ${server}/32 dev lo`, { where: outside });
  await serve(host, outside, server);
  const container = await host.container('client');
  await driver.run(side.jobs(container, place).add);
  return container;
}

async function serve(host: Host, where: Place, address: string): Promise<void> {
  const daemon = await host.spawn([python, '-I', '-S', program, 'serve', address], { where });
  for (let tries = 0; !(await host.run(['cat', daemon.log])).includes('ready'); tries++) {
    if (tries > 100) throw new Error('The server for the benchmark does not start');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

interface Traffic {
  readonly mode: 'send' | 'connect' | 'echo';
  readonly address: string;
  readonly port?: number;
  readonly seconds: number;
}

async function traffic(
  host: Host,
  where: Place,
  { mode, address, port = { send: 5001, connect: 80, echo: 5002 }[mode], seconds }: Traffic,
): Promise<number> {
  return Number(
    await host.run([python, '-I', '-S', program, mode, address, String(port), String(seconds)], {
      where,
      timeout: 30_000,
    }),
  );
}

/** Addresses that do not lie side by side, so that they stay so many intervals. */
function longList(count: number): string[] {
  return Array.from({ length: count }, (_, place) => `23.${(place >> 7) & 255}.${(place & 127) * 2}.1:443`);
}
