/** Rows about one attachment at a time, about many at once, and about a host that is full. */
import { lockstep, stand, type Samples, type Standing } from './lockstep.ts';
import { debianPlugins, netavark, referencePlugins } from './peers.ts';
import { compare, type Row, type RowText } from './row.ts';
import { netavark as netavarkSide, one, referenceIptables, referenceNft, two, type Side } from './sides.ts';
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
    beyond: 0.33,
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
    beyond: 0.9,
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
    toReach: 0.35,
    beyond: 0.25,
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
    beyond: 0.9,
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

async function closeAll(standings: readonly Standing[]): Promise<void> {
  for (const { close } of standings) await close();
}
