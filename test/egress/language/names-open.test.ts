import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openNames, type OpenNamesOptions } from '../../../src/egress/names-open.ts';
import { stampNow, uptime } from '../../../src/host/uptime.ts';
import { recallName, rememberName } from '../../../src/egress/names-store.ts';
import { parsePolicy } from '../../../src/egress/parse.ts';
import { DnsServer } from './dns-server.ts';

/** Milliseconds since boot; what is remembered from before it counts too. */
const now = -1_000_000;

let folder: string;
let server: DnsServer;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drawbridge-names-'));
  server = await DnsServer.start({ 'a.example.org': { a: [['192.0.2.1', 300]], aaaa: [['2001:db8::1', 120]] } });
});

afterEach(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

const open = async (allow: string[], options: OpenNamesOptions = {}, keys: object = {}): ReturnType<typeof openNames> =>
  openNames(parsePolicy({ allow, dns: { upstream: [server.address] }, ...keys }, ''), {
    folder,
    now,
    deadline: 1500,
    ...options,
  });

describe('openNames()', () => {
  test('opens what a name resolves to, for as long as its TTL and the interval say', async () => {
    expect(await open(['a.example.org:443'])).toEqual([
      {
        name: 'a.example.org',
        addresses: [
          { address: '192.0.2.1', seconds: 2100 },
          { address: '2001:db8::1', seconds: 1920 },
        ],
        ttls: [300, 120],
        problems: [],
      },
    ]);
  });

  test('asks once for a name that is listed twice, and never for a wildcard', async () => {
    await open(['a.example.org:443', 'a.example.org:80', '*.example.org']);
    expect(server.asked.toSorted()).toEqual(['a.example.org A', 'a.example.org AAAA']);
  });

  test('opens nothing for a name that does not exist, says so, and opens the others', async () => {
    const [gone, a] = await open(['gone.example.org', 'a.example.org']);
    expect(gone).toEqual({
      name: 'gone.example.org',
      addresses: [],
      ttls: [],
      problems: ['Cannot resolve "gone.example.org": it has no addresses; it opens nothing'],
    });
    expect(a?.addresses).toHaveLength(2);
  });

  test('opens no private address that a name resolves to, and says so', async () => {
    server.say('a.example.org', {
      a: [
        ['10.0.0.1', 60],
        ['192.0.2.1', 60],
      ],
    });
    const [a] = await open(['a.example.org'], {}, { allowLocalNetworks: true });
    expect(a?.addresses.map(({ address }) => address)).toEqual(['192.0.2.1']);
    expect(a?.problems).toEqual(['"a.example.org" resolves to 10.0.0.1, which no name opens']);
  });

  test('asks nobody while the TTL of the last answer runs', async () => {
    await open(['a.example.org']);
    server.asked.length = 0;
    const [a] = await open(['a.example.org'], { now: now + 100_000 });
    expect(server.asked).toEqual([]);
    expect(a?.addresses).toEqual([
      { address: '192.0.2.1', seconds: 2000 },
      { address: '2001:db8::1', seconds: 1820 },
    ]);
  });

  test('asks again when one family failed the last time', async () => {
    server.say('a.example.org', { a: [['192.0.2.1', 300]], codeOfAaaa: 2 });
    await open(['a.example.org']);
    server.say('a.example.org', { a: [['192.0.2.1', 300]], aaaa: [['2001:db8::1', 300]] });
    const [a] = await open(['a.example.org'], { now: now + 1000 });
    expect(a?.addresses.map(({ address }) => address)).toEqual(['192.0.2.1', '2001:db8::1']);
  });

  test('asks all the same when it is told to', async () => {
    await open(['a.example.org']);
    server.asked.length = 0;
    await open(['a.example.org'], { now: now + 1000, force: true });
    expect(server.asked).toHaveLength(2);
  });

  test('serves the last good addresses while the resolver fails', async () => {
    await open(['a.example.org']);
    server.say('a.example.org', { code: 2 });
    const [a] = await open(['a.example.org'], { now: now + 86_400_000 });
    expect(a?.addresses.map(({ address, seconds }) => `${address} ${seconds}`)).toEqual([
      '192.0.2.1 3600',
      '2001:db8::1 3600',
    ]);
    expect(a?.problems).toEqual([
      'Cannot resolve "a.example.org": the server failed (SERVFAIL); 2 earlier addresses stay open',
    ]);
  });

  test('lets the last good addresses run out when the name is gone', async () => {
    await open(['a.example.org']);
    server.say('a.example.org', { code: 3 });
    const [a] = await open(['a.example.org'], { now: now + 86_400_000 });
    expect(a?.addresses).toEqual([]);
  });

  test('keeps addresses of earlier answers open until their time has come', async () => {
    await open(['a.example.org']);
    server.say('a.example.org', { a: [['192.0.2.9', 300]] });
    const [a] = await open(['a.example.org'], { now: now + 1_000_000 });
    expect(a?.addresses.map(({ address }) => address)).toEqual(['192.0.2.9', '192.0.2.1', '2001:db8::1']);
  });

  test('opens what it cannot remember, and says so', async () => {
    await writeFile(join(folder, 'file'), '');
    const [a] = await open(['a.example.org'], { folder: join(folder, 'file') });
    expect(a?.addresses).toHaveLength(2);
    expect(a?.problems).toEqual([expect.stringContaining('Cannot remember the addresses of "a.example.org"')]);
  });

  test('shares no answers between policies with other resolvers', async () => {
    await open(['a.example.org']);
    expect(await recallName('a.example.org', [], folder)).toBeUndefined();
    expect(await recallName('a.example.org', [server.address], folder)).toBeDefined();
  });
});

describe('the store of names', () => {
  const written = stampNow();
  const known = { name: 'a.example.org', resolvedAt: now, addresses: [{ address: '192.0.2.1', ttl: 60, seenAt: now }] };

  test('gives back what it was given', async () => {
    await rememberName(known, [], folder);
    expect(await recallName('a.example.org', [], folder)).toEqual(known);
  });

  test('leaves nothing but the file of the name', async () => {
    await Promise.all(Array.from({ length: 20 }, async () => rememberName(known, [], folder)));
    expect(await readdir(folder)).toEqual(['a.example.org.json']);
    expect(JSON.parse(await readFile(join(folder, 'a.example.org.json'), 'utf8'))).toMatchObject({
      version: 2,
      ...known,
    });
  });

  test.each([
    ['is cut off', '{"version":2,"name":"a.exam'],
    ['has another version', JSON.stringify({ ...known, version: 3 })],
    ['tells not when it was written', JSON.stringify({ ...known, version: 2 })],
    ['is of another name', JSON.stringify({ ...known, version: 2, written, name: 'b.example.org' })],
    ['has no addresses', JSON.stringify({ version: 2, written, name: 'a.example.org', resolvedAt: now })],
    ['is a list', '[]'],
  ])('forgets a name whose file %s', async (_what, text) => {
    await writeFile(join(folder, 'a.example.org.json'), text);
    expect(await recallName('a.example.org', [], folder)).toBeUndefined();
  });

  test('does not believe a file that has a private address in it', async () => {
    await writeFile(
      join(folder, 'a.example.org.json'),
      JSON.stringify({
        version: 2,
        written,
        ...known,
        addresses: [
          ...known.addresses,
          { address: '10.0.0.1', ttl: 60, seenAt: now },
          { address: '}; flush', ttl: 60, seenAt: now },
        ],
      }),
    );
    expect(await recallName('a.example.org', [], folder)).toEqual(known);
  });

  test.each([
    [
      'of an earlier boot by wall time',
      { version: 2, written: { boot: 'x', uptime: now, wall: Date.now() - 5000 } },
      5,
    ],
    ['of this boot by uptime, though the clock was set', { version: 2, written: { ...stampNow(), wall: 0 } }, 7],
  ])('tells the age of what was written in a file %s', async (_what, head, age) => {
    const at = head.written.boot === 'x' ? now : head.written.uptime - 7000;
    const text = JSON.stringify({
      ...head,
      ...known,
      resolvedAt: at,
      addresses: [{ ...known.addresses[0], seenAt: at }],
    });
    await writeFile(join(folder, 'a.example.org.json'), text);
    const recalled = await recallName('a.example.org', [], folder);
    const seconds = (uptime() - (recalled?.addresses[0]?.seenAt ?? 0)) / 1000;
    expect(seconds).toBeGreaterThanOrEqual(age - 0.1);
    expect(seconds).toBeLessThan(age + 5);
  });

  test('reads a file of version 1, whose times are milliseconds since 1970', async () => {
    const at = Date.now() - 5000;
    const old = { version: 1, ...known, resolvedAt: at, addresses: [{ address: '192.0.2.1', ttl: 60, seenAt: at }] };
    await writeFile(join(folder, 'a.example.org.json'), JSON.stringify(old));
    const recalled = await recallName('a.example.org', [], folder);
    expect((uptime() - (recalled?.resolvedAt ?? 0)) / 1000).toBeGreaterThanOrEqual(4.9);
  });

  test('forgets addresses that were seen in the future, in an earlier boot: nothing tells how old they are', async () => {
    const ahead = { version: 2, written: { boot: 'x', uptime: now, wall: Date.now() + 3_600_000 }, ...known };
    await writeFile(join(folder, 'a.example.org.json'), JSON.stringify(ahead));
    expect((await recallName('a.example.org', [], folder))?.addresses).toEqual([]);
  });

  test('stays within its folder whatever the name', async () => {
    const odd = { ...known, name: '../../x' };
    await rememberName(odd, [], folder);
    expect(await readdir(folder)).toHaveLength(1);
    expect(await recallName('../../x', [], folder)).toEqual(odd);
  });

  test('takes a name that is too long for a file', async () => {
    const long = { ...known, name: `${'abcdefgh.'.repeat(27)}org` };
    await rememberName(long, ['9.9.9.9'], folder);
    expect(await recallName(long.name, ['9.9.9.9'], folder)).toEqual(long);
  });
});
