import { describe, expect, makeHost, test, type CniResult, type Container, type Host } from '../helpers/host.ts';
import { pluginFolder } from '../helpers/executable.ts';
import { attachmentsLeft, conflist, forbidden, options, outcome, prepare } from './network.ts';
import { otherVersion } from './other-version.ts';
import { seeded } from './random.ts';

/** Our version, and one whose tables have another layout. */
const bins = (): [string, string] => [pluginFolder, otherVersion()];

async function mark(host: Host): Promise<string> {
  return (await host.sh('nft list table inet drawbridge | grep -o "set layout_[0-9a-f]*"')).trim();
}

/** What a container reaches: through its policy, where it must not, and by its published port. */
async function reach(host: Host, container: Container): Promise<Record<string, string>> {
  return {
    allowed: await host.fetch(container, '8.8.8.8', 80),
    forbidden: await host.fetch(container, forbidden, 80),
    published: await host.fetch(host, '192.0.2.1', 8080),
  };
}

const asItShouldBe = { allowed: 'outside', forbidden: 'refused', published: 'published' };

describe('two versions of the executable on one host', () => {
  test('write the tables anew in turn, with every element, and open nothing meanwhile', async ({ host }) => {
    const outside = await prepare(host);
    await outside.address('8.8.8.8');
    await host.serve(outside, { port: 80, reply: 'outside' });
    const spy = await host.serve(outside, { proto: 'udp', address: forbidden });
    const container = await host.container();
    const [first, second] = bins();
    expect(outcome(await host.addChain(conflist, { ...options(container), bin: first }))).toBe('code 0');
    await host.serve(container, { port: 80, reply: 'published' });
    const marks = new Set([await mark(host)]);
    for (const bin of [second, first, second]) {
      const next = await host.container();
      const added = host.addChain(conflist, { container: next, bin });
      let isOver = false;
      const over = added.then(() => (isOver = true));
      while (!isOver) await host.fetch(container, forbidden, spy.port, { proto: 'udp', timeout: 5 });
      await over;
      expect(outcome(await added)).toBe('code 0');
      marks.add(await mark(host));
      expect(await reach(host, container)).toEqual(asItShouldBe);
      for (const each of [container, next])
        expect(outcome(await host.checkChain(conflist, { ...options(each), bin }))).toBe('code 0');
      expect(outcome(await host.delChain(conflist, { container: next, bin: bin === first ? second : first }))).toBe(
        'code 0',
      );
    }
    expect(marks.size).toBe(2);
    expect(await spy.peers()).toEqual([]);
    expect(outcome(await host.delChain(conflist, { ...options(container), bin: second }))).toBe('code 0');
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test('CHECK of the one tells of the tables of the other, and is content after any ADD or "drawbridge doctor --fix" of its own', async ({
    host,
  }) => {
    await prepare(host);
    const container = await host.container();
    const [first, second] = bins();
    expect(outcome(await host.addChain(conflist, { ...options(container), bin: first }))).toBe('code 0');
    const told = await host.checkChain(conflist, { ...options(container), bin: second });
    expect([103, 104]).toContain(told.error?.['code']);
    await host.exec([`${second}/drawbridge`, 'doctor', '--fix'], { timeout: 30_000 });
    expect(outcome(await host.checkChain(conflist, { ...options(container), bin: second }))).toBe('code 0');
  });
});

/** One attachment's life, in an order that every history keeps. */
type Step = readonly ['ADD' | 'DEL', name: string, bin: 0 | 1];

const lives: readonly (readonly Step[])[] = [
  [['ADD', 'a', 0]],
  [
    ['ADD', 'b', 1],
    ['DEL', 'b', 0],
    ['ADD', 'b', 0],
  ],
  [
    ['ADD', 'c', 0],
    ['DEL', 'c', 1],
  ],
  [
    ['ADD', 'd', 0],
    ['DEL', 'd', 0],
    ['ADD', 'd', 1],
  ],
];

/** Lives merged at random; each keeps its own order. */
function history(random: () => number): Step[] {
  const rest = lives.map((life) => [...life]);
  const merged: Step[] = [];
  while (rest.some(({ length }) => length > 0)) {
    const open = rest.filter(({ length }) => length > 0);
    const step = open[Math.floor(random() * open.length)]?.shift();
    if (step !== undefined) merged.push(step);
  }
  return merged;
}

/**
 * Everything that is there in the end, without what differs from run to run by nature: numbers of interfaces, times.
 */
async function endState(host: Host): Promise<unknown> {
  const rules = JSON.parse(await host.run(['nft', '-j', '-s', 'list', 'ruleset'])) as { nftables: object[] };
  const links = JSON.parse(await host.run(['ip', '-j', '-d', 'link'])) as Record<string, unknown>[];
  const records = await host.sh(
    "cat /run/drawbridge/attachments/*.json | jq -cS 'del(.createdAt, .createdUptime, .netnsInode, .adder)'",
  );
  return {
    rules: rulesOf(rules.nftables),
    links: sorted(links.map(({ ifname, address, master, flags, mtu }) => ({ ifname, address, master, flags, mtu }))),
    records: records.split('\n').toSorted(),
    leases: (await host.sh('cd /var/lib/cni/networks/drawbridge; grep -r . [0-9f]* | sort')).split('\n'),
  };
}

/** Chains and sets by their names; rules stay in the order that they have in their chain. */
function rulesOf(objects: readonly object[]): unknown[] {
  type Named = { family?: string; table?: string; chain?: string; name?: string };
  const place = (object: object): string => {
    const [[kind, { family, table, chain, name }] = ['', {}]] = Object.entries(object) as [string, Named][];
    return [kind, family, table, chain, name].join(' ');
  };
  return objects
    .map((object) => withoutCounts(object))
    .toSorted((one, other) => place(one).localeCompare(place(other)));
}

/** Elements of a set have no order; buckets, which packets put into one, run out by themselves. */
function withoutCounts<T>(value: T, key = ''): T {
  if (Array.isArray(value)) {
    const inner = value.map((one: unknown) => withoutCounts(one));
    return (key === 'elem' ? sorted(inner).filter((one) => !one.includes('"limit":')) : inner) as T;
  }
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value)
    .filter(([name]) => !['handle', 'index', 'packets', 'bytes'].includes(name))
    .map(([name, inner]) => [name, withoutCounts<unknown>(inner, name)] as const);
  // A set without any has no list of them.
  return Object.fromEntries(entries.filter(([name, inner]) => name !== 'elem' || JSON.stringify(inner) !== '[]')) as T;
}

function sorted(values: readonly unknown[]): string[] {
  return values.map((value) => JSON.stringify(value)).toSorted();
}

test('the end is the same in whichever order containers came and went, one after the other or all at once', async () => {
  const random = seeded(8);
  const [first, second] = bins();
  const ends: unknown[] = [];
  for (let round = 0; round < 4; round++) {
    await using host = await makeHost();
    await prepare(host);
    const containers = new Map<string, Container>();
    for (const name of ['a', 'b', 'c', 'd']) containers.set(name, await host.container(name));
    const take = async ([verb, name, which]: Step): Promise<CniResult> => {
      const container = containers.get(name);
      const at = ['a', 'b', 'c', 'd'].indexOf(name);
      const runtimeConfig = {
        ips: [`10.88.7.${at + 1}`, `fd00:88::7:${at + 1}`],
        portMappings: [{ hostPort: 8080 + at, containerPort: 80, protocol: 'tcp' }],
      };
      const call = {
        ...(container === undefined ? {} : { container }),
        runtimeConfig,
        bin: which === 0 ? first : second,
      };
      return verb === 'ADD' ? host.addChain(conflist, call) : host.delChain(conflist, call);
    };
    const results =
      round === 3
        ? (await Promise.all(lives.map(async (life) => inTurn(life, take)))).flat()
        : await inTurn(history(random), take);
    expect(results.map(outcome).filter((text) => text !== 'code 0')).toEqual([]);
    // Who came last says of which version the tables are.
    const last = await host.container('last');
    expect(outcome(await host.addChain(conflist, { container: last }))).toBe('code 0');
    expect(outcome(await host.delChain(conflist, { container: last }))).toBe('code 0');
    ends.push(await endState(host));
  }
  for (const end of ends) expect(end).toEqual(ends[0]);
});

async function inTurn(steps: readonly Step[], take: (step: Step) => Promise<CniResult>): Promise<CniResult[]> {
  const results: CniResult[] = [];
  for (const step of steps) results.push(await take(step));
  return results;
}
