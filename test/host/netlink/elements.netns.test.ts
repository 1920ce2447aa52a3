import { join } from 'node:path';
import { compilePolicy } from '../../../src/egress/compile.ts';
import { policyChain } from '../../../src/egress/policy-names.ts';
import { parsePolicy } from '../../../src/egress/parse.ts';
import { namesElement } from '../../../src/dataplane/elements/egress.ts';
import { catalogue } from '../../../src/dataplane/catalogue.ts';
import { tableText } from '../../../src/dataplane/layout.ts';
import {
  elementId,
  interfacePart,
  plainText,
  tableNames,
  type Element,
  type Part,
  type TableName,
  type Verdict,
} from '../../../src/nft/element.ts';
import { changeSteps, putSteps, type ElementStep } from '../../../src/dataplane/transaction.ts';
import { pick, seeded } from '../../faults/random.ts';
import { describe, expect, test, type Host } from '../../helpers/host.ts';
import type { Commitment } from './elements-driver.ts';

const bun = join(import.meta.dirname, '../../../node_modules/.bin/bun');
const driver = join(import.meta.dirname, 'elements-driver.ts');

/** A set of a policy, as compilePolicy() declares it. */
const namesSets = [4, 6].map(
  (n) => `add set inet drawbridge policy_ab12_names${n}_tcp_443 { type ipv${n}_addr; flags timeout; size 65536; }`,
);

async function commit(host: Host, commitments: readonly Commitment[]): Promise<string[]> {
  return JSON.parse(await host.run([bun, driver], { input: JSON.stringify(commitments), timeout: 60_000 }));
}

async function writeTables(host: Host): Promise<void> {
  const text = ['flush ruleset', ...tableNames.map((table) => tableText(table)), ...namesSets].join('\n');
  await host.run(['nft', '-f', '-'], { input: `${text}\n` });
}

/** Every element as nft lists it, without what differs between two moments. */
async function listed(host: Host): Promise<string[]> {
  const all = await Promise.all(
    tableNames.map(async (table) => {
      const { nftables } = JSON.parse(await host.run(['nft', '-j', 'list', 'table', ...table.split(' ')])) as {
        nftables: { set?: ListedSet; map?: ListedSet }[];
      };
      return nftables.flatMap(({ set, map }) => {
        const { name = '', elem = [] } = set ?? map ?? {};
        return elem.map(
          (one) => `${table} ${name} ${JSON.stringify(one, (key, value) => (key === 'expires' ? 0 : value))}`,
        );
      });
    }),
  );
  return all.flat().toSorted();
}

interface ListedSet {
  readonly name: string;
  readonly elem?: readonly unknown[];
}

/** Elements of every set and map that somebody fills. */
function randomElements(random: () => number, count: number): Element[] {
  const sets = catalogue.sets.filter(
    ({ flags = [], elements }) => elements === undefined && !flags.includes('dynamic'),
  );
  expect(sets.filter(({ flags }) => flags?.includes('interval')).map(({ name }) => name)).toEqual([
    'bare4',
    'bare6',
    'onlink4',
    'onlink6',
  ]);
  expect(sets.length).toBeGreaterThan(40);
  const number = (below: number): number => Math.floor(random() * below);
  const hex = (digits: number): string => Array.from({ length: digits }, () => number(16).toString(16)).join('');
  const part: Record<string, () => Part> = {
    ifname: () => interfacePart(`${pick(['db0', 'veth0123456789', 'a.b-c@d', '-x'], random)}${number(9)}`),
    ipv4_addr: () => Array.from({ length: 4 }, () => number(256)).join('.'),
    ipv6_addr: () => Array.from({ length: 8 }, () => (number(2) === 0 ? '0' : hex(4))).join(':'),
    ether_addr: () => Array.from({ length: 6 }, () => hex(2)).join(':'),
    inet_proto: () => String(pick(['tcp', 'udp', 'sctp'], random)),
    inet_service: () => String(number(65_536)),
    devgroup: () => 1 + number(65_535),
    half_addr: () => String(BigInt(`0x${hex(16)}`)),
  };
  /** A chain of the map's own table that may be jumped to from where the map is asked. */
  const verdict = (table: TableName): Verdict => {
    const chains =
      table === 'bridge drawbridge'
        ? ['guard_apart', 'guard_apart_if_isolated']
        : ['deny_drop', 'ingress_published', 'egress_unknown'];
    const chain = pick(chains, random) ?? '';
    return number(4) === 0 ? { jump: chain } : { goto: chain };
  };
  /** One address, a prefix or a range, which no other one of the same set has a part of. */
  const interval = (type: string, at: number): Part => {
    const base = type === 'ipv4_addr' ? `${1 + (at >> 8)}.${at & 255}` : `2001:db8:${at.toString(16)}`;
    return pick(
      type === 'ipv4_addr'
        ? [`${base}.3.4`, `${base}.0.0/16`, `${base}.4.0/22`, `${base}.0.9-${base}.200.7`, `${base}.255.255`]
        : [`${base}::1`, `${base}::/48`, `${base}:ff00::/120`, `${base}::9-${base}:8000::7`],
      random,
    ) as string;
  };
  const data = (types: readonly string[]): Part[] => types.map((type) => part[type]?.() ?? expect.fail(type));
  const elements = Array.from({ length: count }, (_, at): Element => {
    const { table, name: set, key, value, flags = [] } = sets[at % sets.length] ?? expect.fail();
    const timeout = flags.includes('timeout') && number(3) > 0 ? { timeout: 100 + number(100_000) } : {};
    const comment =
      number(3) === 0 ? { comment: pick(['lab eth0 c1', 'ü"; flush ruleset', 'x'.repeat(200)], random) ?? '' } : {};
    const parts = data(key);
    if (flags.includes('interval')) parts[parts.length - 1] = interval(key.at(-1) ?? '', at);
    return {
      table,
      set,
      key: parts,
      ...(value === undefined ? {} : { value: value === 'verdict' ? verdict(table) : data(value) }),
      ...timeout,
      ...comment,
    };
  });
  const names = Array.from({ length: 40 }, () =>
    namesElement(
      'ab12',
      plainText(part[number(2) === 0 ? 'ipv4_addr' : 'ipv6_addr']?.() ?? ''),
      { name: 'api.example.org', protocol: 'tcp', ports: { from: 443, to: 443 }, source: 'allow' },
      number(2) === 0 ? undefined : 60 + number(1000),
      'api.example.org',
    ),
  );
  return [...new Map([...elements, ...names].map((one) => [elementId(one), one])).values()];
}

describe('elements that are committed by netlink', () => {
  test.for([1, 2, 3])('are listed as those that nft commits (seed %i)', async (seed, { host }) => {
    const random = seeded(seed);
    const elements = randomElements(random, 300);
    const replaced = elements.filter(({ set }) => set.startsWith('dnsforce')).slice(0, 3);
    const gone = elements.filter(() => random() < 0.3);
    const steps: ElementStep[][] = [putSteps(elements, replaced), [{ verb: 'delete', elements: gone }]];
    const states: string[][] = [];
    for (const way of ['netlink', 'nft'] as const) {
      await writeTables(host);
      expect(
        await commit(
          host,
          steps.slice(0, 1).map((one) => ({ way, steps: one })),
        ),
      ).toEqual(['committed']);
      states.push(await listed(host));
      expect(
        await commit(
          host,
          steps.slice(1).map((one) => ({ way, steps: one })),
        ),
      ).toEqual(['committed']);
      states.push(await listed(host));
    }
    const [whole = [], rest = [], wholeByNft, restByNft] = states;
    expect(whole.length).toBeGreaterThan(300);
    expect(rest.length).toBe(whole.length - gone.length);
    expect(whole).toEqual(wholeByNft);
    expect(rest).toEqual(restByNft);
  });

  test.for([4, 5])('are deleted by nft, and those of nft by netlink (seed %i)', async (seed, { host }) => {
    const elements = randomElements(seeded(seed), 300);
    await writeTables(host);
    const empty = await listed(host);
    for (const [one, other] of [
      ['netlink', 'nft'],
      ['nft', 'netlink'],
    ] as const) {
      expect(await commit(host, [{ way: one, steps: putSteps(elements) }])).toEqual(['committed']);
      expect((await listed(host)).length).toBeGreaterThan(empty.length + 300);
      expect(await commit(host, [{ way: other, steps: [{ verb: 'delete', elements }] }])).toEqual(['committed']);
      expect(await listed(host)).toEqual(empty);
    }
  });

  test.for(['netlink', 'nft'] as const)('go with their policy when it is removed by %s', async (way, { host }) => {
    await writeTables(host);
    const before = await host.run(['nft', '-s', 'list', 'ruleset']);
    const group = compilePolicy(
      parsePolicy(
        {
          allow: ['198.51.100.0/24:443', 'api.example.org:443', '[2001:db8::1]:53/udp'],
          deny: ['203.0.113.9'],
          allowPrivate: ['10.9.0.0/16'],
        },
        '',
      ),
    );
    const led: Element = {
      table: 'inet drawbridge',
      set: 'egress4',
      key: [interfacePart('db0'), '10.88.0.2'],
      value: { goto: policyChain(group.id) },
    };
    const change = { drop: [], undeclare: [], declare: [], assert: [], put: [] };
    expect(await commit(host, [{ way: 'netlink', steps: changeSteps({ ...change, declare: [group] }) }])).toEqual([
      'not understood',
    ]);
    expect(
      await commit(host, [
        { way: 'nft', steps: changeSteps({ ...change, declare: [group], put: [led] }) },
        { way, steps: changeSteps({ ...change, undeclare: [group] }) },
        { way, steps: changeSteps({ ...change, drop: [led], undeclare: [group] }) },
      ]),
    ).toEqual(['committed', 'stale', 'committed']);
    expect(await host.run(['nft', '-s', 'list', 'ruleset'])).toBe(before);
  });

  test('get a new time when they are put again', async ({ host }) => {
    await writeTables(host);
    const element = (timeout: number): Element => ({
      table: 'inet drawbridge',
      set: 'policy_ab12_names4_tcp_443',
      key: ['192.0.2.1'],
      timeout,
    });
    const way = 'netlink';
    expect(
      await commit(host, [
        { way, steps: putSteps([element(60)]) },
        { way, steps: putSteps([element(5000)]) },
      ]),
    ).toEqual(['committed', 'committed']);
    expect(await host.run(['nft', 'list', 'set', 'inet', 'drawbridge', 'policy_ab12_names4_tcp_443'])).toMatch(
      /192\.0\.2\.1 timeout 1h23m20s expires 1h23m1\d/,
    );
  });

  test('are committed by thousands at once', async ({ host }) => {
    await writeTables(host);
    const elements = Array.from({ length: 8000 }, (_, at): Element => ({
      table: 'inet drawbridge',
      set: 'policy_ab12_names4_tcp_443',
      key: [`10.0.${at >> 8}.${at & 255}`],
      timeout: 600,
      comment: `host-${at}.${'label.'.repeat(8)}example.org`,
    }));
    expect(await commit(host, [{ way: 'netlink', steps: putSteps(elements) }])).toEqual(['committed']);
    expect((await listed(host)).filter((line) => line.includes('names4'))).toHaveLength(8000);
  });

  test.each(['netlink', 'nft'] as const)(
    'by %s are stale, and nothing of them is done, where the kernel lacks what they rest on',
    async (way) => {
      await using host = await (await import('../../helpers/private-host.ts')).makeHost();
      await writeTables(host);
      const one: Element = { table: 'inet drawbridge', set: 'bridges', key: [{ interface: 'db0' }] };
      const published: Element = {
        table: 'inet drawbridge',
        set: 'published4',
        key: ['tcp', 80],
        value: ['10.0.0.2', 80],
      };
      const outcomes = await commit(host, [
        {
          way,
          steps: [
            { verb: 'add', elements: [one] },
            { verb: 'delete', elements: [{ ...one, key: [{ interface: 'db1' }] }] },
          ],
        },
        { way, steps: putSteps([published]) },
        { way, steps: putSteps([one, { ...published, value: ['10.0.0.3', 80] }]) },
        { way, steps: putSteps([one, { ...one, set: 'policy_cd34_names4_tcp_443', key: ['10.0.0.1'] }]) },
      ]);
      expect(outcomes).toEqual(['stale', 'committed', 'stale', 'stale']);
      expect(await listed(host)).not.toContainEqual(expect.stringContaining('inet drawbridge bridges'));
      await host.run(['nft', 'flush', 'ruleset']);
      expect(await commit(host, [{ way, steps: putSteps([one]) }])).toEqual(['stale']);
    },
  );

  test('that find no room in their set are "full" by netlink and by nft', async ({ host }) => {
    await writeTables(host);
    await host.run([
      'nft',
      'add',
      'set',
      'inet',
      'drawbridge',
      'policy_ef56_names4_tcp_443',
      '{ type ipv4_addr; size 2; }',
    ]);
    const elements = [1, 2, 3].map((at): Element => ({
      table: 'inet drawbridge',
      set: 'policy_ef56_names4_tcp_443',
      key: [`10.0.0.${at}`],
    }));
    expect(await commit(host, [{ way: 'netlink', steps: putSteps(elements) }])).toEqual(['full']);
  });
});
