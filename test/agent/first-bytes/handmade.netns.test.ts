/** Hellos that no client's library sends, in segments made by hand, through the real queue. */
import { fileURLToPath } from 'node:url';
import { hello, inRecords, vector } from '../../egress/first-bytes/hello.ts';
import { describe, expect, test, type Host } from '../../helpers/host.ts';
import { until } from '../process/agent.ts';
import { makeSites, type Sites } from './sites.ts';

const address = '198.51.100.1';
const port = 4443;
const [client, recorder] = ['handmade.py', 'recorder.py'].map((name) => fileURLToPath(new URL(name, import.meta.url)));

interface Case {
  readonly id: string;
  /** In the order in which they are sent: where the data begins, and the data. */
  readonly segments: readonly (readonly [offset: number, data: Buffer])[];
  readonly withSyn?: Buffer;
}

const named = (...names: readonly string[]): Buffer => inRecords(hello({ names: [names.map((name) => [0, name])] }));
const good = named('good.example.org');
const evil = named('evil.example.net');
const grease = [0x0a_0a, Buffer.alloc(0)] as const;
const padding = (size: number): readonly [number, Buffer] => [21, Buffer.alloc(size)];
const whole = (id: string, data: Buffer): Case => ({ id, segments: pieces(data, 1400) });

/** Data cut into segments of so many bytes. */
function pieces(data: Buffer, size: number): readonly (readonly [number, Buffer])[] {
  return Array.from({ length: Math.ceil(data.length / size) }, (_, place) => [
    place * size,
    data.subarray(place * size, (place + 1) * size),
  ]);
}

async function makeLab(
  host: Host,
): Promise<{ sites: Sites; play: (cases: readonly Case[], patience?: number) => Promise<Played> }> {
  const sites = await makeSites(host, { policy: { allow: [`good.example.org:${port}`] } });
  await record(host, sites, port, '/run/recorded');
  // The reader begins with the first such container.
  await until(async () => (await sites.agent.log()).some(({ msg }) => msg === 'first bytes are read'));
  await host.run(['nft', '-f', '-'], {
    where: sites.container,
    input: 'table ip own {\n chain out {\n type filter hook output priority 0;\n tcp flags & rst != 0 drop\n }\n}\n',
  });
  const play = async (cases: readonly Case[], patience = 3): Promise<Played> => {
    const input = JSON.stringify(
      cases.map(({ id, segments, withSyn }) => ({
        id,
        segments: segments.map(([offset, data]) => [offset, data.toString('hex')]),
        ...(withSyn === undefined ? {} : { withSyn: withSyn.toString('hex') }),
      })),
    );
    await host.sh('> /run/recorded');
    const { stdout, stderr } = await sites.container.exec(
      ['python3', client ?? '', address, String(port), String(patience)],
      { input, timeout: 60_000 },
    );
    expect(stderr).toBe('');
    const got = new Map<number, string>();
    for (const line of (await host.run(['cat', '/run/recorded'])).trim().split('\n')) {
      const [source, hex = ''] = line.split(' ');
      got.set(Number(source), (got.get(Number(source)) ?? '') + hex);
    }
    return {
      said: JSON.parse(stdout) as Record<string, string>,
      got: (id) => got.get(20_000 + cases.findIndex((one) => one.id === id)) ?? '',
    };
  };
  return { sites, play };
}

interface Played {
  /** What the client saw. */
  readonly said: Readonly<Record<string, string>>;
  /** What the server got of a case, in hexadecimal. */
  readonly got: (id: string) => string;
}

async function record(host: Host, { outside }: Sites, at: number, file: string, greeting?: string): Promise<void> {
  const command = ['python3', recorder ?? '', address, String(at), file, ...(greeting === undefined ? [] : [greeting])];
  const { log } = await host.spawn(command, { where: outside });
  await until(async () => (await host.run(['cat', log])).includes('ready'));
}

function expectAll(cases: readonly Case[], { said, got }: Played, outcome: 'data' | 'reset'): void {
  expect(said).toEqual(Object.fromEntries(cases.map(({ id }) => [id, outcome])));
  for (const { id, segments } of cases) {
    const sent = Buffer.alloc(Math.max(...segments.map(([offset, data]) => offset + data.length)));
    for (const [offset, data] of segments) data.copy(sent, offset);
    expect(got(id), id).toBe(outcome === 'data' ? sent.toString('hex') : '');
  }
}

describe('a hello with an allowed name', () => {
  test('passes cut after any byte, in either order of its two segments', async ({ host }) => {
    const { play } = await makeLab(host);
    const cases = Array.from({ length: good.length - 1 }, (_, place): readonly Case[] => {
      const [head, tail] = [good.subarray(0, place + 1), good.subarray(place + 1)];
      return [
        {
          id: `${place + 1} in order`,
          segments: [
            [0, head],
            [head.length, tail],
          ],
        },
        {
          id: `${place + 1} reversed`,
          segments: [
            [head.length, tail],
            [0, head],
          ],
        },
      ];
    }).flat();
    expectAll(cases, await play(cases), 'data');
  });

  test('passes whatever its form, and comes to its server as it was sent', async ({ host }) => {
    const { play } = await makeLab(host);
    const name = [[[0, 'good.example.org']]] as const;
    const large = inRecords(hello({ names: name, before: [[51, Buffer.alloc(1216, 3)]] }));
    const [one = [0, good], two = [0, good]] = pieces(large, 700);
    const cases: readonly Case[] = [
      whole('as it is', good),
      whole('upper case', named('GOOD.Example.ORG')),
      whole('a dot behind it', named('good.example.org.')),
      whole(
        'GREASE before and behind',
        inRecords(hello({ names: name, before: [grease], after: [[0xfa_fa, Buffer.from([0])]] })),
      ),
      whole('padding', inRecords(hello({ names: name, after: [padding(400)] }))),
      whole(
        'the name last',
        inRecords(
          hello({
            names: name,
            before: [grease, [43, vector(1, Buffer.from([3, 4]))], [16, vector(2, Buffer.from('\x02h2'))]],
          }),
        ),
      ),
      whole('records of nine bytes', inRecords(hello({ names: name }), 9)),
      { id: 'three bytes a segment', segments: pieces(good, 3) },
      { id: 'key shares of two segments', segments: pieces(large, 700) },
      { id: 'sent twice', segments: [one, one, ...pieces(large, 700)] },
      {
        id: 'overlapping segments',
        segments: [
          [0, large.subarray(0, 900)],
          [500, large.subarray(500)],
        ],
      },
      { id: 'any order', segments: [...pieces(large, 300).toReversed(), two] },
      { id: 'sixty kilobytes', segments: pieces(inRecords(hello({ names: name, before: [padding(59_000)] })), 1400) },
    ];
    expectAll(cases, await play(cases), 'data');
  });
});

describe('a hello that does not ask for an allowed name', () => {
  test('is refused whatever its form, without a byte for its server', async ({ host }) => {
    const { play, sites } = await makeLab(host);
    const lists = (...names: readonly (readonly (readonly [number, string])[])[]): Buffer =>
      inRecords(hello({ names }));
    const cases: readonly Case[] = [
      whole('another name', evil),
      whole('no name', inRecords(hello({}))),
      whole('no extensions', inRecords(hello({ withoutExtensions: true }))),
      whole('an empty name', named('')),
      whole('two names', named('good.example.org', 'evil.example.net')),
      whole('two lists', lists([[0, 'good.example.org']], [[0, 'evil.example.net']])),
      whole('a name of another kind', lists([[1, 'good.example.org']])),
      whole('an address', named(address)),
      whole('an address of IPv6', named('2001:db8:1::1')),
      whole('a name that is not ASCII', named('gööd.example.org')),
      whole('the same in punycode', named('xn--gd-eka8sa.example.org')),
      whole('a zero in it', named('good.example.org\0.evil.example.net')),
      whole('two dots behind it', named('good.example.org..')),
      whole('white space behind it', named('good.example.org ')),
      whole('a longer name', named('good.example.org.evil.example.net')),
      whole('garbage', Buffer.from('SSH-2.0-OpenSSH_9.2\r\n')),
      whole('zeros', Buffer.alloc(200)),
      whole('a record that is no handshake', Buffer.concat([Buffer.from([23]), good.subarray(1)])),
      whole('the old form of SSL', Buffer.from([0x80, 0x2e, 1, 3, 1, 0, 0x15, 0, 0, 0, 0x10, ...Buffer.alloc(37)])),
      {
        id: 'first one name, then another',
        segments: [
          [0, good.subarray(0, 100)],
          [0, evil.subarray(0, 105)],
          [100, good.subarray(100)],
        ],
      },
      { id: 'sixty-five pieces', segments: pieces(Buffer.concat([good.subarray(0, 5), Buffer.alloc(65)]), 1) },
    ];
    expectAll(cases, await play(cases), 'reset');
    expect(await sites.agent.running()).toBe(true);
    // The same lab lets the allowed one pass.
    expect((await play([whole('as it is', good)])).said).toEqual({ 'as it is': 'data' });
  });

  test('and never ends is held for ten seconds, and no more bytes of it than the bounds say', async ({ host }) => {
    const { play, sites } = await makeLab(host);
    const half = good.subarray(0, 40);
    const cases: readonly Case[] = Array.from({ length: 40 }, (_, place) => ({
      id: `${place}`,
      segments: [[0, half]],
    }));
    const began = performance.now();
    const played = play(cases, 20);
    await until(async () => (await waiting(host)) > 0);
    expectAll(cases, await played, 'reset');
    expect(performance.now() - began).toBeGreaterThan(8000);
    expect(await waiting(host)).toBe(0);
    expect(await sites.agent.running()).toBe(true);
  });
});

/** Packets that wait in the kernel's queue: the third column of its list. */
async function waiting(host: Host): Promise<number> {
  return Number((await host.run(['cat', '/proc/net/netfilter/nfnetlink_queue'])).trim().split(/\s+/)[2]);
}

test('data in a SYN reaches nobody, and the same connection without goes on', async ({ host }) => {
  const { play } = await makeLab(host);
  const fast: Case = { id: 'fast', withSyn: good, segments: [[0, good]] };
  const { said, got } = await play([fast, whole('plain', good)]);
  expect(said).toEqual({ fast: 'no answer', plain: 'data' });
  expect([got('fast'), got('plain')]).toEqual(['', good.toString('hex')]);
});

test('what a server says before the hello is not delivered, and comes when the name was allowed', async ({ host }) => {
  const { container, ...sites } = await makeSites(host, { policy: { allow: ['good.example.org:2525'] } });
  await record(host, { container, ...sites }, 2525, '/run/greeted', '220 hello\n');
  const script = `import socket, sys, time
s = socket.create_connection(("${address}", 2525)); s.settimeout(2)
try: print("early", s.recv(99))
except TimeoutError: print("nothing")
s.sendall(bytes.fromhex(sys.argv[1])); s.settimeout(10); got = b""
try:
  while b"answer" not in got: got += s.recv(99)
except OSError as error: print(type(error).__name__)
print(got)`;
  const run = async (data: Buffer): Promise<string> =>
    (await container.exec(['python3', '-c', script, data.toString('hex')], { timeout: 30_000 })).stdout;
  expect(await run(good)).toBe("nothing\nb'220 hello\\nanswer'\n");
  expect(await run(evil)).toBe("nothing\nConnectionResetError\nb''\n");
});
