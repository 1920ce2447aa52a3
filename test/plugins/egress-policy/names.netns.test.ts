import { describe, expect, type Host, type Json } from '../../helpers/host.ts';
import { uptime } from '../../../src/host/uptime.ts';
import { startDns, type Zone } from '../../helpers/dns.ts';
import { addContainer, chain, oneProcess, world } from './network.ts';
import { test } from './world.ts';

const both = { A: [world.public4], AAAA: [world.public6], ttl: 300 };
const zone: Zone = {
  'api.example.org': both,
  'alias.example.org': { CNAME: 'edge.example.net', ttl: 600 },
  'edge.example.net': { CNAME: 'far.example.net', ttl: 90 },
  'far.example.net': { ...both, ttl: 400 },
  'four.example.org': { A: [world.other4] },
  'rebind.example.org': { A: [world.private4, world.metadata], AAAA: [world.private6, '::1'] },
  'servfail.example.org': { rcode: 2 },
  'silent.example.org': { silent: true },
};

const policy = (allow: string[], more: Json = {}): Json => ({
  mode: 'allowlist',
  allow,
  dns: { upstream: ['127.0.0.53'] },
  ...more,
});

/** Address and seconds of every element that a name opened. */
async function expiring(host: Host): Promise<Record<string, number | undefined>> {
  const listed = JSON.parse(await host.run(['nft', '-j', 'list', 'table', 'inet', 'drawbridge'])) as {
    nftables: {
      set?: { name: string; elem?: (string | { elem: { val: string; timeout?: number; comment?: string } })[] };
    }[];
  };
  const elements = listed.nftables.flatMap(({ set }) => (/_names/u.test(set?.name ?? '') ? (set?.elem ?? []) : []));
  return Object.fromEntries(
    elements.flatMap((one) => (typeof one === 'string' ? [[one, undefined]] : [[one.elem.val, one.elem.timeout]])) as [
      string,
      number | undefined,
    ][],
  );
}

describe('a name', () => {
  test.for([
    ['a chain', chain],
    ['one process', oneProcess],
  ] as const)('opens its addresses of both families at its port, in %s', async ([, conflist], { host, world }) => {
    await startDns(host, zone);
    const container = await addContainer(host, conflist(policy(['api.example.org:80'])));
    const answers = await Promise.all([
      host.fetch(container, world.public4, 80),
      host.fetch(container, world.public6, 80, { timeout: 1500 }),
      host.fetch(container, world.public4, 443),
      host.fetch(container, world.other4, 80),
    ]);
    expect(answers).toEqual(['outside', 'outside', 'refused', 'refused']);
    expect(container.stderr).toBe('');
  });

  test('is asked of the servers of the host when the policy names none', async ({ host, world }) => {
    const { outside } = world;
    await startDns(host, zone, { where: outside, address: '192.0.2.2' });
    await host.sh('cp --remove-destination /dev/null /etc/resolv.conf; echo nameserver 192.0.2.2 > /etc/resolv.conf');
    const container = await addContainer(host, chain({ allow: ['api.example.org'] }));
    expect(await host.fetch(container, world.public4, 80)).toBe('outside');
  });

  test('is asked of a server with a port, at an IPv6 address', async ({ host, world }) => {
    const { outside } = world;
    const server = await startDns(host, zone, { where: outside, address: '2001:db8:ffff::2', port: 5353 });
    const container = await addContainer(
      host,
      chain(policy(['api.example.org'], { dns: { upstream: [server.upstream] } })),
    );
    expect(await host.fetch(container, world.public4, 80)).toBe('outside');
  });

  test('is followed through a chain of CNAMEs, and lives as long as the shortest of them', async ({ host, world }) => {
    await startDns(host, zone);
    const container = await addContainer(host, chain(policy(['alias.example.org'], { refreshIntervalMinutes: 10 })));
    expect(await host.fetch(container, world.public4, 80)).toBe('outside');
    expect(await expiring(host)).toEqual({ [world.public4]: 690, [world.public6]: 690 });
  });

  test('opens all of 500 addresses', async ({ host, world }) => {
    const A = Array.from({ length: 500 }, (_, index) =>
      `198.51.100.${index % 250}`.replace('100', String(100 + Math.floor(index / 250))),
    );
    await startDns(host, {
      'many.example.org': { A: [...A, world.other4].map((one) => one.replace(/^198\.51\./u, '145.1.')) },
    });
    const container = await addContainer(host, chain(policy(['many.example.org'])));
    expect(Object.keys(await expiring(host))).toHaveLength(501);
    expect(await host.fetch(container, world.other4, 80)).toBe('outside');
  });

  test('never opens a private, link-local, metadata or loopback address, and says so', async ({ host, world }) => {
    await startDns(host, zone);
    const container = await addContainer(host, chain(policy(['rebind.example.org', 'api.example.org'])));
    expect(Object.keys(await expiring(host)).toSorted()).toEqual([world.public6, world.public4].toSorted());
    for (const address of [world.private4, world.metadata, world.private6, '::1'])
      expect(container.stderr).toContain(`"rebind.example.org" resolves to ${address}, which no name opens`);
    expect(await host.fetch(container, world.private4, 80)).toBe('refused');
  });

  test.for([
    ['does not exist', 'missing.example.org', 'it has no addresses'],
    ['fails at the server', 'servfail.example.org', 'the server failed (SERVFAIL)'],
    ['gets no answer', 'silent.example.org', 'no server answered'],
  ])('that %s opens nothing, harms no other, and is reported', async ([, name = '', why], { host, world }) => {
    await startDns(host, zone);
    const container = await addContainer(host, chain(policy([name, 'api.example.org'])));
    expect(container.stderr).toContain(`Cannot resolve "${name}": ${why}`);
    expect(container.stderr).toContain('it opens nothing');
    expect(await host.fetch(container, world.public4, 80)).toBe('outside');
  });

  test('with one family whose query fails opens the other', async ({ host, world }) => {
    await startDns(host, { 'half.example.org': { A: [world.public4], rcode6: 2 } });
    const container = await addContainer(host, chain(policy(['half.example.org'])));
    expect(await host.fetch(container, world.public4, 80)).toBe('outside');
  });

  test('in "restricted" is not asked for at all', async ({ host }) => {
    const server = await startDns(host, zone);
    const container = await addContainer(
      host,
      chain({ mode: 'restricted', allow: ['api.example.org'], dns: { upstream: ['127.0.0.53'] } }),
    );
    expect(await server.queries()).toEqual([]);
    expect(container.stderr).toContain('has no effect in mode "restricted"');
  });
});

describe('timeouts', () => {
  const cases: readonly [string, number, Json, number | undefined][] = [
    ['are the TTL and an interval of grace', 300, { refreshIntervalMinutes: 30 }, 300 + 1800],
    ['count a TTL of 0 as a minute', 0, { refreshIntervalMinutes: 30 }, 60 + 1800],
    ['count a short TTL as a minute', 5, { refreshIntervalMinutes: 5 }, 60 + 300],
    ['are capped by the interval', 86_400, { refreshIntervalMinutes: 10 }, 1200],
    ['are absent where refresh is off', 300, { refreshIntervalMinutes: 0 }, undefined],
  ];
  test.for(cases)('%s', async ([, ttl, more, seconds], { host }) => {
    await startDns(host, { 'api.example.org': { ...both, ttl } });
    await addContainer(host, chain(policy(['api.example.org'], more)));
    expect(await expiring(host)).toEqual({ [world.public4]: seconds, [world.public6]: seconds });
  });
});

describe('while no resolver answers', () => {
  test('a name that was never resolved opens nothing, and the ADD ends in its time', async ({ host, world }) => {
    const list = chain(
      policy(['api.example.org', 'four.example.org', world.other4], {
        dns: { upstream: ['192.0.2.77', '192.0.2.78'] },
      }),
    );
    const container = await host.container();
    const added = await host.addChain(list, { container });
    expect(added.error).toBeUndefined();
    expect(added.ms).toBeLessThan(5000);
    expect(added.stderr).toContain('Cannot resolve "api.example.org": no server answered');
    expect(await host.fetch(container, world.public4, 80)).toBe('refused');
    expect(await host.fetch(container, world.other4, 80)).toBe('outside');
  });

  test('the last good addresses serve', async ({ host, world }) => {
    const server = await startDns(host, zone);
    const list = chain(policy(['api.example.org']));
    const first = await addContainer(host, list);
    await host.delChain(list, { container: first });
    await server.say({ '*': { rcode: 2 } });
    // As if the answer had run out by now.
    await host.sh(`sed -i -E 's/"ttl":300/"ttl":0/g' /var/lib/drawbridge/names/*`);
    const second = await addContainer(host, list);
    expect(second.stderr).toContain(
      'Cannot resolve "api.example.org": the server failed (SERVFAIL); 2 earlier addresses stay open',
    );
    expect(await host.fetch(second, world.public4, 80)).toBe('outside');
  });

  test('last good addresses that are older than four days do not serve', async ({ host, world }) => {
    const server = await startDns(host, zone);
    const list = chain(policy(['api.example.org']));
    const first = await addContainer(host, list);
    await host.delChain(list, { container: first });
    await server.say({ '*': { rcode: 2 } });
    const old = Math.round(uptime()) - 97 * 3600 * 1000;
    await host.sh(`sed -i -E 's/("resolvedAt"|"seenAt"):[0-9.]+/\\1:${old}/g' /var/lib/drawbridge/names/*`);
    const second = await addContainer(host, list);
    expect(second.stderr).toContain('it opens nothing');
    expect(await host.fetch(second, world.public4, 80)).toBe('refused');
  });
});

describe('what is remembered', () => {
  test('is not asked for again while it holds', async ({ host }) => {
    const server = await startDns(host, zone);
    const list = chain(policy(['api.example.org']));
    await addContainer(host, list);
    await addContainer(host, list);
    expect(await server.queries()).toHaveLength(2);
  });

  test('of one resolver does not count for a policy that asks another', async ({ host, world }) => {
    await startDns(host, zone);
    await startDns(host, { 'api.example.org': { A: [world.other4] } }, { address: '127.0.0.54' });
    await addContainer(host, chain(policy(['api.example.org'])));
    const second = await addContainer(host, chain(policy(['api.example.org'], { dns: { upstream: ['127.0.0.54'] } })));
    expect([await host.fetch(second, world.public4, 80), await host.fetch(second, world.other4, 80)]).toEqual([
      'refused',
      'outside',
    ]);
  });

  test('may be spoiled by anyone, and opens nothing that is private', async ({ host, world }) => {
    const server = await startDns(host, zone);
    const list = chain(policy(['api.example.org']));
    await addContainer(host, list);
    await server.say({ '*': { rcode: 2 } });
    await host.sh(`sed -i 's/${world.public4}/${world.private4}/' /var/lib/drawbridge/names/*`);
    const second = await addContainer(host, list);
    expect(await host.fetch(second, world.private4, 80)).toBe('refused');
  });

  test('with times in the future opens nothing, and stops no ADD', async ({ host, world }) => {
    const server = await startDns(host, zone);
    const list = chain(policy(['api.example.org']));
    await addContainer(host, list);
    await server.say({ '*': { rcode: 2 } });
    await host.sh(`sed -i -E 's/("resolvedAt"|"seenAt"):[0-9.]+/\\1:${Date.now()}/g' /var/lib/drawbridge/names/*`);
    await host.sh('nft flush ruleset');
    const second = await addContainer(host, list);
    expect(second.stderr).toContain('it opens nothing');
    expect(await host.fetch(second, world.public4, 80)).toBe('refused');
  });
});

test('names stay open when the tables are rebuilt for another container', async ({ host, world }) => {
  await startDns(host, zone);
  const first = await addContainer(host, chain(policy(['api.example.org'])));
  await host.sh('nft flush ruleset');
  expect(await host.fetch(first, world.public4, 80)).toBe('timeout');
  await addContainer(host, chain());
  expect([await host.fetch(first, world.public4, 80), await host.fetch(first, world.other4, 80)]).toEqual([
    'outside',
    'refused',
  ]);
});

test('containers under one policy share what its names open, and those under another do not', async ({
  host,
  world,
}) => {
  await startDns(host, zone);
  await addContainer(host, chain(policy(['api.example.org'])));
  const same = await addContainer(host, chain(policy(['api.example.org'])));
  const other = await addContainer(host, chain(policy(['four.example.org'])));
  expect([await host.fetch(same, world.public4, 80), await host.fetch(other, world.public4, 80)]).toEqual([
    'outside',
    'refused',
  ]);
});
