import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { mostFirstBytes, readFirstBytes } from '../../../src/egress/first-bytes/read-first-bytes.ts';
import { QuicHello } from '../../../src/egress/first-bytes/quic.ts';
import { hello, inRecords, vector } from './hello.ts';

/** What real clients sent that were to ask for api.example.org. */
const captured = JSON.parse(readFileSync(new URL('captured.json', import.meta.url), 'utf8')) as {
  tls: Record<string, string>;
  withoutServerName: string;
  http: Record<string, string>;
  http2: string;
  quic: string[];
};

const bytesOf = (hex: string): Buffer => Buffer.from(hex, 'hex');
const host = (name: string): Buffer => inRecords(hello({ names: [[[0, name]]] }));

describe('readFirstBytes() of TLS', () => {
  test.for(Object.entries(captured.tls))('finds the server name in the hello of %s', ([, hex]) => {
    expect(readFirstBytes(bytesOf(hex))).toEqual({ kind: 'name', protocol: 'tls', name: 'api.example.org' });
  });

  test.for(Object.entries(captured.tls))('waits for the rest of the hello of %s, wherever it is cut', ([, hex]) => {
    const bytes = bytesOf(hex);
    const cuts = Array.from({ length: bytes.length }, (_, at) => readFirstBytes(bytes.subarray(0, at)).kind);
    expect([...new Set(cuts)]).toEqual(['more']);
  });

  test('refuses a hello without a server name', () => {
    expect(readFirstBytes(bytesOf(captured.withoutServerName))).toEqual({
      kind: 'none',
      why: 'its TLS ClientHello has no server name',
    });
  });

  test.for([1, 2, 5, 63, 400])('finds the name in a hello in records of %i bytes', (size) => {
    const message = hello({ names: [[[0, 'api.example.org']]], before: [[0x33, Buffer.alloc(1800)]] });
    expect(readFirstBytes(inRecords(message, size))).toMatchObject({ name: 'api.example.org' });
  });

  test.for<[string, Buffer, object]>([
    ['a name in upper case', host('API.Example.ORG'), { name: 'api.example.org' }],
    ['a name with a dot at its end', host('api.example.org.'), { name: 'api.example.org' }],
    ['a name in its ASCII form', host('xn--bcher-kva.example'), { name: 'xn--bcher-kva.example' }],
    [
      'GREASE and padding around the name',
      inRecords(
        hello({
          names: [[[0, 'a.example']]],
          before: [[0x0a0a, Buffer.alloc(0)]],
          after: [
            [0x1a1a, Buffer.from([0])],
            [21, Buffer.alloc(500)],
          ],
        }),
      ),
      { name: 'a.example' },
    ],
    [
      'an encrypted hello',
      inRecords(hello({ names: [[[0, 'outer.example']]], after: [[0xfe0d, Buffer.alloc(200)]] })),
      { name: 'outer.example', isOuter: true },
    ],
    ['an address as its name', host('192.0.2.1'), { kind: 'none' }],
    ['an address in hex as its name', host('0x7f.1'), { kind: 'none' }],
    ['an IPv6 address as its name', host('2001:db8::1'), { kind: 'none' }],
    ['a name that is not ASCII', host('b\u00fccher.example'), { kind: 'none' }],
    ['a name with a zero byte', host('api.example.org\0.evil.example'), { kind: 'none' }],
    ['an empty name', host(''), { kind: 'none' }],
    ['a name of 300 characters', host(`${'a'.repeat(60)}.`.repeat(5)), { kind: 'none' }],
    [
      'two server names',
      inRecords(
        hello({
          names: [
            [
              [0, 'a.example'],
              [0, 'b.example'],
            ],
          ],
        }),
      ),
      { kind: 'none', why: expect.stringContaining('more than one server name') },
    ],
    [
      'two lists of server names',
      inRecords(hello({ names: [[[0, 'a.example']], [[0, 'a.example']]] })),
      { kind: 'none', why: expect.stringContaining('more than one list') },
    ],
    ['a name of another type', inRecords(hello({ names: [[[1, 'a.example']]] })), { kind: 'none' }],
    ['no extensions at all', inRecords(hello({ withoutExtensions: true })), { kind: 'none' }],
    [
      'a message that is no hello',
      inRecords(Buffer.concat([Buffer.from([2]), vector(3, Buffer.alloc(40))])),
      { kind: 'none' },
    ],
    ['an alert', Buffer.from([21, 3, 1, 0, 2, 1, 0]), { kind: 'none' }],
    ['a record that is too long', Buffer.from([22, 3, 1, 0x7f, 0xff]), { kind: 'none' }],
    ['an empty record', Buffer.from([22, 3, 1, 0, 0]), { kind: 'none' }],
    ['a record of SSL 2', Buffer.from([22, 2, 0, 0, 5]), { kind: 'none' }],
    [
      'an alert between two records of its hello',
      Buffer.concat([
        inRecords(hello({ names: [[[0, 'a.example']]] }), 20).subarray(0, 25),
        Buffer.from([21, 3, 1, 0, 2, 1, 0]),
      ]),
      { kind: 'none' },
    ],
  ])('reads %s as it is', ([, bytes, expected]) => {
    expect(readFirstBytes(bytes)).toMatchObject(expected);
  });

  test('finds the name in a hello of 60 kB', () => {
    const message = hello({ names: [[[0, 'a.example']]], before: [[0x33, Buffer.alloc(60_000)]] });
    expect(readFirstBytes(inRecords(message))).toMatchObject({ name: 'a.example' });
  });

  test('refuses a hello that says it is longer than 64 kB', () => {
    expect(readFirstBytes(inRecords(Buffer.concat([Buffer.from([1, 1, 0, 0]), Buffer.alloc(100)])))).toMatchObject({
      kind: 'none',
    });
  });

  test('refuses what never ends', () => {
    const endless = inRecords(Buffer.concat([Buffer.from([1, 0, 0xff, 0xff]), Buffer.alloc(65_000)]), 1);
    expect(endless.length).toBeGreaterThan(mostFirstBytes);
    expect(readFirstBytes(endless.subarray(0, mostFirstBytes - 1))).toEqual({ kind: 'more' });
    expect(readFirstBytes(endless.subarray(0, mostFirstBytes))).toMatchObject({ kind: 'none' });
  });

  test('never gives another name for the same bytes cut short, and crashes on none', () => {
    const base = inRecords(hello({ names: [[[0, 'a.example']]], before: [[0x33, Buffer.alloc(64)]] }));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(base.length - 1), fc.nat(255)), { maxLength: 4 }),
        fc.nat(base.length),
        (changes, cut) => {
          const bytes = Buffer.from(base);
          for (const [at, value] of changes) bytes[at] = value;
          const whole = readFirstBytes(bytes);
          const part = readFirstBytes(bytes.subarray(0, cut));
          if (part.kind === 'name') expect(whole).toEqual(part);
        },
      ),
      { numRuns: 3000 },
    );
  });
});

describe('readFirstBytes() of HTTP/1', () => {
  const request = (...lines: string[]): Buffer => Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');

  test.for(Object.entries(captured.http))('finds the host in %s that curl sent', ([, hex]) => {
    expect(readFirstBytes(bytesOf(hex))).toMatchObject({ kind: 'name', protocol: 'http', name: 'api.example.org' });
  });

  test.for(Object.entries(captured.http))('waits for the rest of %s, wherever it is cut', ([, hex]) => {
    const bytes = bytesOf(hex);
    const end = bytes.indexOf('\r\n\r\n') + 4;
    const cuts = Array.from({ length: end }, (_, at) => readFirstBytes(bytes.subarray(0, at)).kind);
    expect([...new Set(cuts)]).toEqual(['more']);
  });

  test.for<[string, Buffer, object]>([
    ['a port in its Host', request('GET / HTTP/1.1', 'Host: a.example:8080'), { name: 'a.example', port: 8080 }],
    ['a Host in upper case', request('GET / HTTP/1.1', 'HOST:A.EXAMPLE. '), { name: 'a.example' }],
    ['an absolute target', request('GET http://a.example/x HTTP/1.1', 'Host: a.example'), { name: 'a.example' }],
    ['an absolute target alone', request('GET http://a.example HTTP/1.0'), { name: 'a.example' }],
    ['OPTIONS for the server', request('OPTIONS * HTTP/1.1', 'Host: a.example'), { name: 'a.example' }],
    ['a target of another host', request('GET http://b.example/ HTTP/1.1', 'Host: a.example'), { kind: 'none' }],
    [
      'a target with user information',
      request('GET http://a.example@b.example/ HTTP/1.1', 'Host: a.example'),
      { kind: 'none' },
    ],
    ['CONNECT to another host', request('CONNECT b.example:443 HTTP/1.1', 'Host: a.example'), { kind: 'none' }],
    ['two hosts', request('GET / HTTP/1.1', 'Host: a.example', 'Host: b.example'), { kind: 'none' }],
    ['the same host twice', request('GET / HTTP/1.1', 'Host: a.example', 'Host: a.example'), { kind: 'none' }],
    ['no host', request('GET / HTTP/1.0', 'Accept: */*'), { kind: 'none', why: 'its HTTP request has no Host' }],
    ['an address as its host', request('GET / HTTP/1.1', 'Host: 192.0.2.1'), { kind: 'none' }],
    ['a space before the colon', request('GET / HTTP/1.1', 'Host : a.example'), { kind: 'none' }],
    ['a folded Host', request('GET / HTTP/1.1', 'Host: a.example', ' b.example'), { kind: 'none' }],
    [
      'a bare line feed before a second Host',
      request('GET / HTTP/1.1', 'X: y\nHost: b.example', 'Host: a.example'),
      { kind: 'none' },
    ],
    ['a bare carriage return', request('GET / HTTP/1.1', 'X: y\rHost: b.example', 'Host: a.example'), { kind: 'none' }],
    ['HTTP/0.9', Buffer.from('GET /\r\n'), { kind: 'none' }],
    ['another version', request('GET / HTTP/3.0', 'Host: a.example'), { kind: 'none' }],
    ['SSH', Buffer.from('SSH-2.0-OpenSSH_9.6\r\n'), { kind: 'none', why: 'its first bytes are neither TLS nor HTTP' }],
    ['noise', Buffer.from([0, 1, 2, 3]), { kind: 'none' }],
    ['a head that never ends', Buffer.from(`GET / HTTP/1.1\r\nX: ${'y'.repeat(40_000)}`), { kind: 'none' }],
  ])('reads %s as it is', ([, bytes, expected]) => {
    expect(readFirstBytes(bytes)).toMatchObject(expected);
  });
});

describe('readFirstBytes() of HTTP/2 with prior knowledge', () => {
  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  const frame = (type: number, flags: number, stream: number, payload: Buffer): Buffer =>
    Buffer.concat([vector(3, payload).subarray(0, 3), Buffer.from([type, flags, 0, 0, 0, stream]), payload]);
  const literal = (name: string, value: string): Buffer =>
    Buffer.concat([Buffer.from([0]), vector(1, Buffer.from(name)), vector(1, Buffer.from(value))]);
  const authority = (value: string): Buffer => literal(':authority', value);
  const settings = frame(4, 0, 0, Buffer.alloc(0));

  test('finds the authority that curl sent, with Huffman codes and the static table', () => {
    expect(readFirstBytes(bytesOf(captured.http2))).toMatchObject({
      kind: 'name',
      protocol: 'http2',
      name: 'api.example.org',
    });
  });

  test('waits for the rest of the request that curl sent, until its header block is there', () => {
    const bytes = bytesOf(captured.http2);
    const kinds = Array.from({ length: bytes.length + 1 }, (_, at) => readFirstBytes(bytes.subarray(0, at)).kind);
    const first = kinds.indexOf('name');
    expect(first).toBeGreaterThan(preface.length);
    expect([...new Set(kinds.slice(0, first))]).toEqual(['more']);
  });

  test.for<[string, Buffer[], object]>([
    [
      'headers over two frames',
      [frame(1, 0, 1, authority('a.example').subarray(0, 5)), frame(9, 4, 1, authority('a.example').subarray(5))],
      { name: 'a.example' },
    ],
    [
      'padding and priority',
      [
        frame(
          1,
          4 | 8 | 32,
          1,
          Buffer.concat([Buffer.from([3, 0, 0, 0, 0, 9]), authority('a.example'), Buffer.alloc(3)]),
        ),
      ],
      { name: 'a.example' },
    ],
    [
      'an entry of the dynamic table',
      [
        frame(
          1,
          4,
          1,
          Buffer.concat([
            Buffer.from([0x40]),
            vector(1, Buffer.from('host')),
            vector(1, Buffer.from('a.example')),
            Buffer.from([0x80 | 62]),
          ]),
        ),
      ],
      { name: 'a.example' },
    ],
    [
      'two authorities',
      [frame(1, 4, 1, Buffer.concat([authority('a.example'), authority('b.example')]))],
      { kind: 'none' },
    ],
    [
      'an authority and another host',
      [frame(1, 4, 1, Buffer.concat([authority('a.example'), literal('host', 'b.example')]))],
      { kind: 'none' },
    ],
    ['no authority', [frame(1, 4, 1, literal(':path', '/'))], { kind: 'none' }],
    ['an index that is in no table', [frame(1, 4, 1, Buffer.from([0x80 | 100]))], { kind: 'none' }],
    ['an integer without end', [frame(1, 4, 1, Buffer.alloc(12, 0xff))], { kind: 'none' }],
    [
      'another frame between headers and their continuation',
      [frame(1, 0, 1, authority('a.example')), settings],
      { kind: 'none' },
    ],
    ['data before headers', [frame(0, 0, 1, Buffer.from('x'))], { kind: 'none' }],
    ['padding that is longer than the frame', [frame(1, 4 | 8, 1, Buffer.from([200, 0]))], { kind: 'none' }],
  ])('reads %s as it is', ([, frames, expected]) => {
    expect(readFirstBytes(Buffer.concat([preface, settings, ...frames]))).toMatchObject(expected);
  });
});

describe('QuicHello', () => {
  test('finds the server name in the Initial that aioquic sent', () => {
    expect(new QuicHello().add(bytesOf(captured.quic[0] ?? ''))).toEqual({
      kind: 'name',
      protocol: 'quic',
      name: 'api.example.org',
    });
  });

  test.for([
    ['garbage', Buffer.from('hello')],
    ['an Initial with one bit changed', flipped(bytesOf(captured.quic[0] ?? ''), 100)],
    ['an Initial of a version that nobody knows', flipped(bytesOf(captured.quic[0] ?? ''), 1)],
    ['a short header', Buffer.alloc(100, 0x40)],
  ] as const)('refuses %s', ([, datagram]) => {
    expect(new QuicHello().add(datagram)).toMatchObject({ kind: 'none' });
  });
});

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}
