/** Rows about one attachment at a time, about many at once, and about a host that is full. */
import { availableParallelism } from 'node:os';
import { lockstep, stand, type Samples, type Standing } from './lockstep.ts';
import { debianPlugins, netavark, referencePlugins } from './peers.ts';
import { compare, type Row, type RowText } from './row.ts';
import {
  besideOthers,
  netavark as netavarkSide,
  one,
  referenceIptables,
  referenceNft,
  two,
  type Side,
} from './sides.ts';
import { median } from './statistics.ts';

type Verb = keyof Samples;
type Figure = 'ms' | 'cpu' | 'rss';

/** Which side is compared with which, in what. */
interface Comparison extends RowText {
  readonly ours: string;
  readonly theirs: string;
  readonly verb: Verb;
  readonly figure?: Figure;
}

const comparisons: readonly Comparison[] = [
  {
    id: 'add',
    what: 'ADD, one process: interface, address, port, policy',
    peer: 'reference, nftables (no egress)',
    ours: 'one',
    theirs: 'nft',
    verb: 'add',
    toReach: 0.45,
    beyond: 0.25,
  },
  {
    id: 'add-no-port',
    what: 'the same without a published port',
    peer: 'reference, nftables',
    ours: 'oneNoPort',
    theirs: 'nftNoPort',
    verb: 'add',
    toReach: 0.8,
    beyond: 0.55,
  },
  {
    id: 'add-netavark',
    what: 'ADD, one process, with port and policy',
    peer: 'netavark, nftables',
    ours: 'one',
    theirs: 'netavark',
    verb: 'add',
    toReach: 1.2,
    beyond: 0.75,
  },
  {
    id: 'add-chain',
    what: 'ADD, drawbridge + egress-policy',
    peer: 'reference, nftables',
    ours: 'two',
    theirs: 'nft',
    verb: 'add',
    toReach: 0.75,
    beyond: 0.6,
  },
  {
    id: 'add-chain-iptables',
    what: 'the same',
    peer: 'reference, iptables + firewall',
    ours: 'two',
    theirs: 'iptables',
    verb: 'add',
    toReach: 0.45,
    beyond: 0.35,
  },
  {
    id: 'add-chain-debian',
    what: 'the same',
    peer: "Debian's reference, iptables + firewall",
    ours: 'two',
    theirs: 'debian',
    verb: 'add',
  },
  {
    id: 'del',
    what: 'DEL, one process',
    peer: 'reference, nftables',
    ours: 'one',
    theirs: 'nft',
    verb: 'del',
    toReach: 0.35,
    beyond: 0.28,
  },
  {
    id: 'del-netavark',
    what: 'the same',
    peer: 'netavark, nftables',
    ours: 'one',
    theirs: 'netavark',
    verb: 'del',
    toReach: 1.1,
    beyond: 0.6,
  },
  {
    id: 'check',
    what: 'CHECK, one process',
    peer: 'reference, nftables',
    ours: 'one',
    theirs: 'nft',
    verb: 'check',
    toReach: 0.9,
    beyond: 0.6,
  },
  {
    id: 'check-foreign',
    what: 'CHECK, one process, beside others who change rules each second',
    peer: 'itself, alone',
    ours: 'besideOthers',
    theirs: 'one',
    verb: 'check',
  },
  {
    id: 'check-chain',
    what: 'CHECK, drawbridge + egress-policy',
    peer: 'reference, nftables',
    ours: 'two',
    theirs: 'nft',
    verb: 'check',
    toReach: 1.2,
    beyond: 1,
  },
  {
    id: 'cpu',
    what: 'CPU time of an ADD, one process',
    peer: 'reference, iptables + firewall',
    ours: 'one',
    theirs: 'iptables',
    verb: 'add',
    figure: 'cpu',
    toReach: 0.6,
    beyond: 0.4,
  },
  {
    id: 'memory',
    what: 'Memory at peak of an ADD, MB',
    peer: 'reference, nftables, summed',
    ours: 'one',
    theirs: 'nft',
    verb: 'add',
    figure: 'rss',
  },
  {
    id: 'add-routed',
    what: 'ADD, one process, routed',
    peer: 'itself, on a bridge',
    ours: 'routed',
    theirs: 'one',
    verb: 'add',
  },
  {
    id: 'del-routed',
    what: 'DEL, one process, routed',
    peer: 'itself, on a bridge',
    ours: 'routed',
    theirs: 'one',
    verb: 'del',
  },
  {
    id: 'add-tap',
    what: 'ADD, one process, with a tap in the namespace',
    peer: 'itself, without a tap',
    ours: 'tapInside',
    theirs: 'oneNoPort',
    verb: 'add',
    toReach: 1.1,
    beyond: 1,
  },
  {
    id: 'add-host-tap',
    what: 'ADD, one process, with a tap on the host',
    peer: 'itself, with a veth',
    ours: 'tapOnHost',
    theirs: 'oneNoPort',
    verb: 'add',
    toReach: 1.1,
    beyond: 1,
  },
  {
    id: 'add-dual',
    what: 'ADD, one process, IPv4 and IPv6',
    peer: 'reference, nftables, both',
    ours: 'oneDual',
    theirs: 'nftDual',
    verb: 'add',
  },
];

export const chainRows = comparisons.map(({ id }) => id);

/** Everything that is measured in one row of rounds, so that all sides see the same machine. */
export async function measureChains(ids: readonly string[], rounds: number): Promise<Row[]> {
  const wanted = comparisons.filter(({ id }) => ids.includes(id));
  const sides = new Map(
    Object.entries(makeSides()).filter(([name]) => wanted.some(({ ours, theirs }) => name === ours || name === theirs)),
  );
  const standings: Standing[] = [];
  try {
    for (const make of sides.values()) {
      const side = make();
      if (side !== undefined) standings.push(await stand(side));
    }
    const names = [...sides.keys()];
    const samples = await lockstep(standings, rounds);
    const of = (name: string): Samples | undefined =>
      [...samples.values()][names.filter((known) => sideExists(known)).indexOf(name)];
    return wanted.flatMap(({ ours, theirs, verb, figure = 'ms', ...text }) => {
      const [own, other] = [of(ours), of(theirs)];
      if (own === undefined || other === undefined) return [];
      const values = ({ [verb]: runs }: Samples): number[] =>
        runs.map((run) => (figure === 'rss' ? run.rss / 1024 : run[figure]));
      return [compare({ ...text, unit: figure === 'rss' ? 'MB' : 'ms' }, values(own), values(other))];
    });
  } finally {
    await closeAll(standings);
  }

  function sideExists(name: string): boolean {
    return (name !== 'netavark' || netavark() !== undefined) && (name !== 'debian' || debianPlugins() !== undefined);
  }
}

function makeSides(): Record<string, () => Side | undefined> {
  const reference = referencePlugins();
  return {
    one: () => one(),
    oneNoPort: () => one({ port: false }),
    oneDual: () => one({ ipv6: true }),
    routed: () => one({ routed: true }),
    tapInside: () => one({ port: false, tap: 'inside' }),
    tapOnHost: () => one({ port: false, tap: 'host' }),
    two: () => two(),
    besideOthers: () => besideOthers(),
    nft: () => referenceNft(reference),
    nftNoPort: () => referenceNft(reference, { port: false }),
    nftDual: () => referenceNft(reference, { ipv6: true }),
    iptables: () => referenceIptables(reference),
    netavark: () => {
      const command = netavark();
      return command === undefined ? undefined : netavarkSide(command);
    },
    debian: () => {
      const folder = debianPlugins();
      // The CHECK of its portmap, 1.1.1, asks for IPv6 rules that its ADD does not make.
      return folder === undefined
        ? undefined
        : { ...referenceIptables(folder, { name: "Debian's reference, iptables" }), hasCheck: false };
    },
  };
}

export const manyRows = ['many-add', 'many-del'];

/** So many containers, four at a time: containers per second. */
export async function measureMany(count: number, rounds: number): Promise<Row[]> {
  const standings = [await stand(one()), await stand(referenceNft(referencePlugins()))];
  const rates = { add: [[], []] as number[][], del: [[], []] as number[][] };
  try {
    for (let round = 0; round < rounds; round++) {
      for (const [place, standing] of standings.entries()) {
        const { add, del } = await burst(standing, count, round * count + 1);
        rates.add[place]?.push((count * 1000) / add);
        rates.del[place]?.push((count * 1000) / del);
      }
    }
  } finally {
    await closeAll(standings);
  }
  const text = (verb: 'add' | 'del'): RowText => ({
    id: `many-${verb}`,
    what: `${count} containers, 4 at a time: ${verb.toUpperCase()} per second`,
    peer: 'reference, nftables',
    unit: '/s',
    toReach: 2,
    beyond: 3,
    better: 'more',
  });
  return (['add', 'del'] as const).map((verb) => compare(text(verb), rates[verb][0] ?? [], rates[verb][1] ?? []));
}

async function burst(
  { side, host, driver }: Standing,
  count: number,
  first: number,
): Promise<{ add: number; del: number }> {
  const containers = await Promise.all(
    Array.from({ length: count }, (_, place) => host.container(`many${first + place}`)),
  );
  const jobs = containers.map((container, place) => side.jobs(container, first + place));
  const added = await driver.many(
    jobs.map(({ add }) => add),
    4,
  );
  const removed = await driver.many(
    jobs.map(({ del }, place) => del(added.each[place]?.result)),
    4,
  );
  for (const container of containers) await container.remove();
  return { add: added.ms, del: removed.ms };
}

export const fullRows = ['full'];

/** The same host with hardly a container and with many. */
export async function measureFull(count: number, rounds: number): Promise<Row[]> {
  const side = one();
  const standings = [await stand(one()), await stand(side)];
  try {
    const [full] = standings;
    if (full === undefined) return [];
    const containers = await Promise.all(
      Array.from({ length: count }, (_, place) => full.host.container(`full${place}`)),
    );
    await full.driver.many(
      containers.map((container, place) => full.side.jobs(container, 20_000 + place).add),
      4,
    );
    const samples = [...(await lockstep(standings, rounds, { withCheck: false })).values()];
    const times = samples.map(({ add }) => add.map(({ ms }) => ms));
    const dels = samples.map(({ del }) => median(del.map(({ ms }) => ms)));
    const note = `${rounds} rounds; DEL ${((dels[0] ?? 0) / (dels[1] ?? 1)).toFixed(2)}x`;
    return [
      compare(
        {
          id: 'full',
          what: `ADD with ${count} containers present`,
          peer: 'itself, with one present',
          toReach: 1.1,
          beyond: 1.05,
          note,
        },
        times[0] ?? [],
        times[1] ?? [],
      ),
    ];
  } finally {
    await closeAll(standings);
  }
}

export const firstRows = ['first', 'first-chain', 'first-del'];

/** The only container of a host, which comes and goes: the tables are made and taken away each time. */
export async function measureFirst(ids: readonly string[], rounds: number): Promise<Row[]> {
  const standings: Standing[] = [];
  try {
    for (const side of [one(), two(), referenceNft(referencePlugins())])
      standings.push(await stand(side, { resident: false }));
    const samples = await lockstep(standings, rounds, { withCheck: false });
    const [process, chain, peer] = [...samples.values()];
    if (process === undefined || chain === undefined || peer === undefined) return [];
    const times = (own: Samples, verb: 'add' | 'del'): number[] => own[verb].map(({ ms }) => ms);
    const text = (id: string, what: string, toReach: number): RowText => ({
      id,
      what,
      peer: 'reference, nftables',
      toReach,
      beyond: toReach,
    });
    return [
      compare(
        text('first', 'ADD of the first container of a host, one process', 0.45),
        times(process, 'add'),
        times(peer, 'add'),
      ),
      compare(
        text('first-chain', 'the same, drawbridge + egress-policy', 0.65),
        times(chain, 'add'),
        times(peer, 'add'),
      ),
      compare(
        text('first-del', 'DEL of the only container of a host, one process', 0.35),
        times(process, 'del'),
        times(peer, 'del'),
      ),
    ].filter(({ id }) => ids.includes(id));
  } finally {
    await closeAll(standings);
  }
}

export const crowdRows = ['crowd'];

/** So many ADDs at once: the longest, and what it may be where nobody waits for more than the processors. */
export async function measureCrowd(count: number): Promise<Row[]> {
  const standing = await stand(one());
  try {
    const { host, side, driver } = standing;
    const containers = await Promise.all(Array.from({ length: count }, (_, place) => host.container(`crowd${place}`)));
    const jobs = containers.map((container, place) => side.jobs(container, place + 1).add);
    const { each } = await driver.many(jobs, count);
    const longest = Math.max(...each.map(({ ms }) => ms));
    const cpu = each.reduce((sum, run) => sum + run.cpu, 0);
    const bound = (1.5 * cpu) / availableParallelism();
    const text: RowText = {
      id: 'crowd',
      what: `${count} ADDs at once: the longest`,
      peer: '1.5 times the processor time, by processor',
      toReach: 1,
      beyond: 1,
      note: `all succeeded; ${(cpu / count).toFixed(0)} ms of processor each`,
    };
    return [compare(text, [longest], [bound])];
  } finally {
    await standing.close();
  }
}

async function closeAll(standings: readonly Standing[]): Promise<void> {
  for (const { close } of standings) await close();
}
