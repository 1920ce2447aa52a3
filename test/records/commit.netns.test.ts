import { describe, expect, test, type Host } from '../helpers/host.ts';
import { call, values } from './calls.ts';
import { mapping, numbered, sample } from './sample.ts';

const fast = { rebuilt: false, warnings: [] };
const rebuilt = { rebuilt: true, warnings: [] };

const one = numbered(1, { link: { ports: [mapping(8080, 80)] } });
const two = numbered(2, { link: { ports: [mapping(8081, 80)] } });
const three = numbered(3);

describe('commit()', () => {
  test('makes the tables with the first attachment and removes them with the last', async ({ host }) => {
    const adding = { ...one, state: 'adding' as const };
    expect(await values(host, ['put', adding])).toEqual([fast]);
    expect(await host.run(['nft', 'list', 'tables'])).toBe('');
    expect(await values(host, ['put', one], ['findMissing', one])).toEqual([rebuilt, []]);
    expect(await values(host, ['drop', one.key], ['drop', one.key])).toEqual([fast, fast]);
    expect((await host.leftovers()).filter((line) => !line.includes('/locks/'))).toEqual([]);
  });

  test('adds and removes further attachments by a few elements', async ({ host }) => {
    expect(await values(host, ['put', one], ['put', two], ['put', three])).toEqual([rebuilt, fast, fast]);
    expect(await values(host, ['findMissing', one], ['findMissing', two], ['findMissing', three])).toEqual([
      [],
      [],
      [],
    ]);
    expect(await values(host, ['drop', one.key], ['findMissing', two])).toEqual([fast, []]);
    expect(await elements(host, 'bridges')).toBe('"drawbridge0"');
    expect(await elements(host, 'published4')).toBe('tcp . 8081 comment "drawbridge eth0 c2" : 10.88.0.3 . 80');
  });

  test('leaves the other attachments in force when the tables were deleted', async ({ host }) => {
    await values(host, ['put', one], ['put', two]);
    await host.run(['nft', 'flush', 'ruleset']);
    expect(await values(host, ['put', three], ['findMissing', one], ['findMissing', two])).toEqual([rebuilt, [], []]);
    await host.run(['nft', 'flush', 'ruleset']);
    expect(await values(host, ['drop', one.key], ['findMissing', two], ['findMissing', three])).toEqual([
      rebuilt,
      [],
      [],
    ]);
    expect(await elements(host, 'published4')).not.toContain('8080');
  });

  test('writes the tables anew when they have another layout', async ({ host }) => {
    await values(host, ['put', one], ['put', two]);
    const ruleset = await host.run(['nft', 'list', 'ruleset']);
    await host.run(['nft', '-f', '-'], {
      input: `flush ruleset\n${ruleset.replaceAll(/layout_\w+/g, 'layout_older')}`,
    });
    expect(await values(host, ['put', three], ['findMissing', one])).toEqual([rebuilt, []]);
  });

  test('writes the tables anew when only the one of the bridges is gone', async ({ host }) => {
    await values(host, ['put', one], ['put', two]);
    await host.run(['nft', 'delete', 'table', 'bridge', 'drawbridge']);
    expect(await values(host, ['drop', one.key], ['findMissing', two])).toEqual([rebuilt, []]);
  });

  test('replaces an element that somebody changed by hand', async ({ host }) => {
    await values(host, ['put', one], ['put', two]);
    await host.sh(
      'nft delete element inet drawbridge published4 { tcp . 8081 }; nft add element inet drawbridge published4 { tcp . 8081 : 10.0.0.1 . 1 }',
    );
    expect(await values(host, ['findMissing', two], ['put', two], ['findMissing', two])).toEqual([
      ['element { tcp . 8081 : 10.88.0.3 . 80 } of "published4" in table "inet drawbridge"'],
      rebuilt,
      [],
    ]);
  });

  test('refuses a port of the host that a living container publishes, and changes nothing', async ({ host }) => {
    const holder = numbered(1, { link: { ports: [mapping(8080, 80)] } });
    await host.run(['ip', 'link', 'add', holder.link?.hostInterface ?? '', 'type', 'veth']);
    const late = numbered(2, { link: { ports: [mapping(8080, 80, { hostIp: '192.0.2.1', families: [4] })] } });
    await values(host, ['put', holder]);
    const [refused] = await call(host, ['put', { ...late, state: 'adding' }]);
    expect(refused?.error).toEqual({
      code: 102,
      message:
        'Cannot publish port "8080/tcp" of "192.0.2.1": container "c1" (interface "eth0" of network "drawbridge") publishes it',
      details: 'Remove that container, or publish another port of the host',
    });
    expect(await values(host, ['findMissing', holder], ['listRecords'])).toEqual([
      [],
      { records: [holder], broken: [] },
    ]);
    expect(await host.run(['ls', '/run/drawbridge/addresses'])).not.toContain('10.88.0.3');
  });

  test('takes a port of the host from a container that is gone, and leaves it its other ports', async ({ host }) => {
    const gone = numbered(1, { link: { ports: [mapping(8080, 80), mapping(9090, 90)] } });
    const next = numbered(2, { link: { ports: [mapping(8080, 80)] } });
    const [first, second] = await values(host, ['put', gone], ['put', next]);
    expect([first, second]).toEqual([rebuilt, fast]);
    expect(await elements(host, 'published4')).toContain('tcp . 8080 comment "drawbridge eth0 c2" : 10.88.0.3 . 80');
    expect(await elements(host, 'published4')).toContain('tcp . 9090');
    expect(await values(host, ['drop', gone.key], ['findMissing', next])).toEqual([fast, []]);
  });

  test('leaves a reused address to the newer attachment when the older one goes late', async ({ host }) => {
    const older = sample({ containerId: 'older', link: { ports: [mapping(8080, 80)] } });
    const newer = sample({ containerId: 'newer', createdAt: '2026-01-02T00:00:00.000Z' });
    expect(await values(host, ['put', older], ['put', newer], ['drop', older.key], ['findMissing', newer])).toEqual([
      rebuilt,
      fast,
      fast,
      [],
    ]);
    expect(await elements(host, 'masquerade4')).toBe('10.88.0.2');
    expect(await elements(host, 'published4')).toBe('');
  });

  test('leaves out a broken record and says so', async ({ host }) => {
    await values(host, ['put', one], ['put', two]);
    await host.sh(`echo '{"version":' > /run/drawbridge/attachments/${one.key}.json; nft flush ruleset`);
    const [committed] = (await values(host, ['put', three])) as [{ rebuilt: boolean; warnings: string[] }];
    expect(committed.rebuilt).toBe(true);
    expect(committed.warnings).toEqual([
      expect.stringMatching(
        `^Cannot read the record "/run/drawbridge/attachments/${one.key}.json": .*; its rules are not in force$`,
      ),
    ]);
    expect(await values(host, ['findMissing', two], ['drop', one.key])).toMatchObject([[], { rebuilt: true }]);
    expect(await host.run(['ls', '/run/drawbridge/attachments'])).not.toContain(one.key);
  });

  test('changes neither record nor tables when nft fails', async ({ host }) => {
    await values(host, ['put', one], ['put', two]);
    await host.sh(
      'mkdir -p /usr/local/sbin; printf "#!/bin/sh\\necho Error: syntax error >&2; exit 1\\n" > /usr/local/sbin/nft; chmod +x /usr/local/sbin/nft',
    );
    const [failed, dropped] = await call(host, ['put', three], ['drop', one.key]);
    expect(failed?.error?.code).toBe(100);
    expect(dropped?.error?.code).toBe(100);
    await host.run(['rm', '/usr/local/sbin/nft']);
    expect(await values(host, ['listRecords'], ['findMissing', one])).toEqual([
      { records: [one, two].toSorted((a, b) => (a.key < b.key ? -1 : 1)), broken: [] },
      [],
    ]);
    expect(await host.run(['ls', '/run/drawbridge/addresses'])).not.toContain('10.88.0.4');
  });

  test('forgets an ADD that never came to its rules without nft', async ({ host }) => {
    await values(host, ['put', one], ['put', { ...two, state: 'adding' }]);
    await host.sh(
      'mkdir -p /usr/local/sbin; printf "#!/bin/sh\\nexit 1\\n" > /usr/local/sbin/nft; chmod +x /usr/local/sbin/nft',
    );
    expect(await values(host, ['drop', two.key])).toEqual([fast]);
  });

  test('puts expiring elements for the record that comes, and renews them', async ({ host }) => {
    await values(host, ['put', one]);
    await host.run(['nft', 'add set inet drawbridge names4 { type ipv4_addr; flags timeout; }']);
    const expiring = (timeout: number) => [{ table: 'inet drawbridge', set: 'names4', key: ['192.0.2.9'], timeout }];
    expect(await values(host, ['put', two, expiring(60)], ['put', two, expiring(600)])).toEqual([fast, fast]);
    expect(await elements(host, 'names4')).toMatch(/^192\.0\.2\.9 timeout 10m expires 9m59s/);
  });

  test('tells the last container of a bridge', async ({ host }) => {
    expect(
      await values(
        host,
        ['put', one],
        ['put', two],
        ['sharedByOthers', 'bridge-drawbridge0', one.key],
        ['drop', two.key],
        ['sharedByOthers', 'bridge-drawbridge0', one.key],
      ),
    ).toEqual([rebuilt, fast, true, fast, false]);
  });
});

describe('findMissing()', () => {
  test('names what the kernel lacks', async ({ host }) => {
    await values(host, ['put', one]);
    await host.sh(
      'nft delete element inet drawbridge masquerade4 { 10.88.0.2 }; nft delete element inet drawbridge published6 { tcp . 8080 }',
    );
    expect(await values(host, ['findMissing', one])).toEqual([
      [
        'element { tcp . 8080 : fd00:88::2 . 80 } of "published6" in table "inet drawbridge"',
        'element { 10.88.0.2 } of "masquerade4" in table "inet drawbridge"',
      ],
    ]);
    await host.run(['nft', 'delete', 'table', 'inet', 'drawbridge']);
    expect(await values(host, ['findMissing', one])).toEqual([
      ['the tables "inet drawbridge" and "bridge drawbridge", or they are of another version'],
    ]);
  });

  test('changes nothing', async ({ host }) => {
    await values(host, ['put', one]);
    const before = await host.run(['nft', 'list', 'ruleset']);
    await values(host, ['findMissing', one]);
    expect(await host.run(['nft', 'list', 'ruleset'])).toBe(before);
  });
});

/** What a set holds, without what changes with time. */
async function elements(host: Host, set: string): Promise<string> {
  const kind = set.startsWith('published') ? 'map' : 'set';
  const text = await host.run(['nft', 'list', kind, 'inet', 'drawbridge', set]);
  return (/elements = \{ ([^}]*) \}/.exec(text)?.[1] ?? '').replaceAll(/\s+/g, ' ');
}

test('many processes that commit at once leave every attachment in force', async ({ host }) => {
  const records = Array.from({ length: 12 }, (_, n) => numbered(n + 1, { link: { ports: [mapping(9000 + n, 80)] } }));
  await Promise.all(records.map((record) => values(host, ['put', { ...record, state: 'adding' }], ['put', record])));
  expect(await values(host, ...records.map((record) => ['findMissing', record] as const))).toEqual(
    records.map(() => []),
  );
  await Promise.all(records.slice(1).map(({ key }) => values(host, ['drop', key])));
  expect(await elements(host, 'masquerade4')).toBe('10.88.0.2');
  expect(await values(host, ['findMissing', records[0]])).toEqual([[]]);
});

test('a host without the program nft is told what to do, and one without conntrack goes on', async ({ host }) => {
  await host.sh('iptables-legacy -A OUTPUT -m conntrack --ctstate NEW');
  await host.fetch(host, '127.0.0.1', 53, { proto: 'udp', timeout: 100 });
  // Bind mounts hide the programs in the mount namespace of this host alone.
  await host.sh(
    'touch /run/none; mount --bind /run/none "$(command -v nft)"; mount --bind /run/none "$(command -v conntrack)"',
  );
  const [put, flows] = await call(host, ['put', one], ['forgetUdpFlows', [{ families: [4], hostPort: 53 }]]);
  expect(put?.error).toEqual({
    code: 100,
    message: 'Cannot write rules: the program "nft" is not installed in PATH or in the usual folders',
    details: 'Install the package "nftables", or add the folder that "nft" is in to PATH of the container runtime',
  });
  expect(flows?.value).toEqual([
    expect.stringMatching(/^Cannot forget old flows: .* the program "conntrack" is not installed: Load/),
  ]);
  expect(await host.run(['ls', '/run/drawbridge/attachments'])).toBe('');
});
