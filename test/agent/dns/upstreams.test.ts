import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import { Lookup } from '../../../src/agent/dns/lookup.ts';
import { Upstreams } from '../../../src/agent/dns/upstreams.ts';
import { byUdp, heard, queryBytes } from './client.ts';
import { makeRig } from './rig.ts';
import { a, soa, startUpstream, type Asked, type Said } from './upstream.ts';

const one = (name: string): Said => ({ answers: [a(name, '198.51.100.7')] });

describe('odd upstreams', () => {
  test('a server that is silent is followed by the next, and then asked last', async () => {
    await using silent = await startUpstream(() => undefined);
    await using rig = await makeRig(({ name }) => one(name), { names: 'any' });
    rig.policy = { ...rig.policy, upstream: [silent.server, rig.upstream.server] };
    expect((await rig.ask('one.example')).data).toEqual(['198.51.100.7']);
    expect((await rig.ask('two.example')).data).toEqual(['198.51.100.7']);
    expect(new Set(silent.asked.map(({ name }) => name))).toEqual(new Set(['one.example']));
  });

  test('a port that is closed is followed by the next server at once', async () => {
    await using rig = await makeRig(({ name }) => one(name));
    rig.policy = { ...rig.policy, upstream: ['127.0.0.1:1', rig.upstream.server] };
    const started = performance.now();
    expect((await rig.ask('api.example.org')).data).toEqual(['198.51.100.7']);
    expect(performance.now() - started).toBeLessThan(250);
  });

  test.each([2, 5])('code %i of one server is not told, the next is asked', async (rcode) => {
    await using bad = await startUpstream(() => ({ rcode }));
    await using rig = await makeRig(({ name }) => one(name));
    rig.policy = { ...rig.policy, upstream: [bad.server, rig.upstream.server] };
    expect((await rig.ask('api.example.org')).data).toEqual(['198.51.100.7']);
  });

  test('all servers failing is SERVFAIL, and the reasons are reported', async () => {
    await using rig = await makeRig(() => ({ rcode: 5 }));
    expect((await rig.ask('api.example.org')).rcode).toBe('SERVFAIL');
    expect(rig.reports[0]).toMatchObject({
      verdict: 'failed',
      why: expect.stringContaining('it answered with code 5'),
    });
  });

  test('no server at all is SERVFAIL', async () => {
    await using rig = await makeRig(() => undefined, { upstream: [] });
    expect((await rig.ask('api.example.org')).rcode).toBe('SERVFAIL');
  });

  test('a server from before EDNS is asked without it', async () => {
    await using rig = await makeRig(({ name, packet }) =>
      packet.additionals?.length === 0 ? one(name) : { rcode: 1 },
    );
    expect((await rig.ask('api.example.org')).data).toEqual(['198.51.100.7']);
  });

  describe('a server from before EDNS, which has more addresses than a datagram holds,', () => {
    const many = Array.from({ length: 60 }, (_, index) => a('api.example.org', `198.51.100.${index}`));
    const without = ({ protocol }: Asked): Said => (protocol === 'udp' ? { truncated: true } : { answers: many });
    const hasEdns = ({ packet }: Asked): boolean => (packet.additionals ?? []).length > 0;
    const bare = (rcode: number) => (id: number) => [
      Buffer.from([id >> 8, id & 0xff, 0x81, 0x80 | rcode, 0, 0, 0, 0, 0, 0, 0, 0]),
    ];

    test.each<[string, (asked: Asked) => Said | undefined]>([
      ['says FORMERR', () => ({ rcode: 1 })],
      ['says NOTIMP', () => ({ rcode: 4 })],
      ['says FORMERR in a bare header', () => ({ raw: bare(1) })],
      ['says NOTIMP in a bare header', () => ({ raw: bare(4) })],
      ['says nothing', () => undefined],
      [
        'answers by UDP, and says FORMERR by TCP alone',
        ({ protocol }) => (protocol === 'udp' ? { truncated: true } : { rcode: 1 }),
      ],
    ])('and %s to EDNS, is asked without, by TCP at the end', async (_, withEdns) => {
      await using rig = await makeRig((asked) => (hasEdns(asked) ? withEdns(asked) : without(asked)));
      const { data } = await rig.ask('api.example.org', { edns: 1232 });
      expect(data).toHaveLength(60);
      expect(rig.openKeys()).toHaveLength(60);
    });

    test('and says FORMERR, is asked without at once the next time', async () => {
      await using rig = await makeRig((asked) => (hasEdns(asked) ? { rcode: 1 } : one(asked.name)));
      await rig.ask('a.example.net');
      await rig.ask('b.example.net');
      expect(rig.upstream.asked.map((asked) => [asked.name, hasEdns(asked)])).toEqual([
        ['a.example.net', true],
        ['a.example.net', false],
        ['b.example.net', false],
      ]);
    });

    test('and says nothing, is asked without at once after it did so twice', async () => {
      await using rig = await makeRig((asked) => (hasEdns(asked) ? undefined : one(asked.name)));
      for (const name of ['a', 'b', 'c']) await rig.ask(`${name}.example.net`);
      expect(rig.upstream.asked.map((asked) => [asked.name, hasEdns(asked)])).toEqual([
        ['a.example.net', true],
        ['a.example.net', false],
        ['b.example.net', true],
        ['b.example.net', false],
        ['c.example.net', false],
      ]);
    });

    test('and answers a query without EDNS with another question or id, is waited past', async () => {
      await using rig = await makeRig((asked) =>
        hasEdns(asked)
          ? { raw: bare(1) }
          : {
              raw: (id, question) => [
                answer(id ^ 1, question, '203.0.113.1'),
                bare(1)(id ^ 1)[0] as Buffer,
                answer(id, question, '198.51.100.7'),
              ],
            },
      );
      expect((await rig.ask('api.example.org')).data).toEqual(['198.51.100.7']);
    });
  });

  test('a truncated answer whose server takes no TCP is no answer', async () => {
    await using rig = await makeRig(({ protocol }) =>
      protocol === 'udp' ? { truncated: true, answers: [a('api.example.org', '198.51.100.1')] } : undefined,
    );
    expect((await rig.ask('api.example.org')).rcode).toBe('SERVFAIL');
    expect(rig.opened).toEqual([]);
  });

  test('names that no server answers, asked for by one container, keep no other waiting', async () => {
    await using rig = await makeRig(
      ({ name }) => (name.startsWith('dead') ? undefined : one(name)),
      {},
      { lookup: new Lookup({ upstreams: new Upstreams({ deadline: 1500, timeoutPerTry: 1500, concurrency: 16 }) }) },
    );
    const flood = Array.from({ length: 100 }, (_, index) =>
      rig.ask(`dead${index}.example.net`, { from: '127.0.0.2', timeout: 4000 }).catch(() => undefined),
    );
    while (rig.upstream.asked.length < 8) await new Promise((resolve) => setImmediate(resolve));
    expect((await rig.ask('api.example.org', { from: '127.0.0.3', timeout: 1000 })).data).toEqual(['198.51.100.7']);
    // The control: the container that floods waits for its own.
    await expect(rig.ask('x.example.net', { from: '127.0.0.2', timeout: 300 })).rejects.toThrow('timeout');
    await Promise.all(flood);
  });

  test('a name that waits in the queue of one container is asked for in the turn of another', async () => {
    await using rig = await makeRig(
      ({ name }) => (name.startsWith('dead') ? undefined : one(name)),
      {},
      { lookup: new Lookup({ upstreams: new Upstreams({ deadline: 1500, timeoutPerTry: 1500, concurrency: 4 }) }) },
    );
    const flood = ['dead1', 'dead2', 'dead3', 'api'].map((name) =>
      rig.ask(name === 'api' ? 'api.example.org' : `${name}.example.net`, { from: '127.0.0.2', timeout: 4000 }),
    );
    while (rig.proxy.underWay < 4) await new Promise((resolve) => setImmediate(resolve));
    expect((await rig.ask('api.example.org', { from: '127.0.0.3', timeout: 1000 })).data).toEqual(['198.51.100.7']);
    expect(rig.upstream.asked.filter(({ name }) => name === 'api.example.org')).toHaveLength(1);
    await Promise.all(flood);
  });

  test('answers with another id, another question and no sense are waited past', async () => {
    await using rig = await makeRig(() => ({
      raw: (id, question) => {
        const good = answer(id, question, '198.51.100.7');
        const otherQuestion = Buffer.from(question);
        otherQuestion[1] = 0x7a;
        return [
          answer(id ^ 1, question, '203.0.113.1'),
          answer(id, otherQuestion, '203.0.113.2'),
          randomBytes(40),
          Buffer.alloc(3),
          good.subarray(0, -2),
          good,
        ];
      },
    }));
    expect((await rig.ask('api.example.org')).data).toEqual(['198.51.100.7']);
    expect(rig.openKeys()).toEqual(['198.51.100.7']);
  });

  test('an answer that comes late is not too late', async () => {
    await using rig = await makeRig(({ name }) => ({ ...one(name), delay: 200 }));
    expect((await rig.ask('api.example.org')).data).toEqual(['198.51.100.7']);
  });

  test('queries come from changing ports with changing ids', async () => {
    await using rig = await makeRig(({ name }) => one(name));
    for (let index = 0; index < 20; index += 1) await rig.ask(`n${index}.example.net`);
    expect(new Set(rig.upstream.asked.map(({ id }) => id)).size).toBeGreaterThan(15);
  });

  test('a last answer serves while upstream fails, up to a day, with a TTL of 30 seconds', async () => {
    await using rig = await makeRig(({ name }) => one(name));
    await rig.ask('api.example.org');
    rig.upstream.say = () => ({ rcode: 2 });
    rig.clock.now += 3600_000;
    const stale = await rig.ask('api.example.org', { edns: 1232 });
    expect(stale.packet.answers?.[0]).toMatchObject({ ttl: 30, data: '198.51.100.7' });
    expect(stale.bytes.toString('latin1')).toContain('no upstream answers');
    expect(rig.opened).toHaveLength(2);
    const askedBefore = rig.upstream.asked.length;
    await rig.ask('api.example.org');
    expect(rig.upstream.asked).toHaveLength(askedBefore);
    rig.clock.now += 25 * 3600_000;
    expect((await rig.ask('api.example.org')).rcode).toBe('SERVFAIL');
  });

  test('"no such name" is remembered for as long as its authority says', async () => {
    await using rig = await makeRig(() => ({ rcode: 3, authorities: [soa('example.org', 20)] }));
    await rig.ask('api.example.org');
    await rig.ask('api.example.org');
    expect(rig.upstream.asked).toHaveLength(1);
    rig.clock.now += 21_000;
    await rig.ask('api.example.org');
    expect(rig.upstream.asked).toHaveLength(2);
  });
});

describe('odd clients', () => {
  test('thousands of malformed packets crash nothing, and open and forward nothing', async () => {
    await using rig = await makeRig(({ name }) => one(name));
    const socket = createSocket('udp4');
    socket.on('error', () => {});
    const seeds = [
      queryBytes('api.example.org', 'A', 1232),
      queryBytes('evil.example', 'TXT'),
      queryBytes('x.example.net', 'AAAA', 512),
    ];
    const before = process.memoryUsage().heapUsed;
    for (let round = 0; round < 5000; round += 1) {
      const message = Buffer.from(seeds[round % 3] ?? Buffer.alloc(0));
      if (round % 5 === 0) socket.send(randomBytes(round % 600), rig.port, '127.0.0.1');
      // Never the name itself: what stays a query for it is a good one.
      for (let change = 0; change <= round % 4; change += 1)
        message[Math.floor(Math.random() * 12)] = Math.floor(Math.random() * 256);
      message[12 + (round % 8)] = Math.floor(Math.random() * 256) | 0xc0;
      socket.send(
        message.subarray(0, round % 7 === 0 ? Math.floor(Math.random() * message.length) : undefined),
        rig.port,
        '127.0.0.1',
      );
      if (round % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await new Promise<void>((resolve) => socket.close(resolve));
    // Until the proxy has read them all, the kernel has no room for one more.
    await vi.waitFor(
      async () => expect((await rig.ask('api.example.org', { timeout: 200 })).data).toEqual(['198.51.100.7']),
      5000,
    );
    expect(rig.upstream.asked).toHaveLength(1);
    expect(rig.proxy.underWay).toBe(0);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(60_000_000);
  });

  test.each([
    ['an answer', (message: Buffer) => message.writeUInt16BE(0x8180, 2), undefined],
    ['two questions', (message: Buffer) => message.writeUInt16BE(2, 4), undefined],
    ['no question', (message: Buffer) => message.writeUInt16BE(0, 4), undefined],
    ['a pointer in the question', (message: Buffer) => message.writeUInt16BE(0xc000, 12), undefined],
    ['an update', (message: Buffer) => message.writeUInt16BE(0x2900, 2), 'NOTIMP'],
    ['a notify', (message: Buffer) => message.writeUInt16BE(0x2100, 2), 'NOTIMP'],
    ['a record in the answer', (message: Buffer) => message.writeUInt16BE(1, 6), 'FORMERR'],
    ['an additional record that is not there', (message: Buffer) => message.writeUInt16BE(1, 10), 'FORMERR'],
    ['another class', (message: Buffer) => message.writeUInt16BE(3, message.length - 2), 'REFUSED'],
  ])('%s is answered as it should be', async (_, change, rcode) => {
    await using rig = await makeRig(({ name }) => one(name));
    const message = queryBytes('api.example.org');
    change(message);
    const got = byUdp(message, rig.port, '127.0.0.1', { from: '127.0.0.1', timeout: 200 });
    if (rcode === undefined) await expect(got).rejects.toThrow('timeout');
    else expect(rcodeOf(await got)).toBe(rcode);
    expect(rig.upstream.asked).toEqual([]);
  });

  test('a label with a dot inside is not taken for two labels', async () => {
    await using rig = await makeRig(({ name }) => one(name));
    const message = Buffer.concat([
      queryBytes('').subarray(0, 12),
      Buffer.from([15]),
      Buffer.from('api.example.org'),
      Buffer.from([0, 0, 1, 0, 1]),
    ]);
    expect(rcodeOf(await byUdp(message, rig.port, '127.0.0.1', { from: '127.0.0.1', timeout: 500 }))).toBe('REFUSED');
    expect(rig.upstream.asked).toEqual([]);
  });

  test('a version of EDNS that is not ours gets BADVERS', async () => {
    await using rig = await makeRig(({ name }) => one(name));
    const message = queryBytes('api.example.org', 'A', 1232);
    message[message.length - 5] = 1;
    const { packet } = heard(await byUdp(message, rig.port, '127.0.0.1', { from: '127.0.0.1', timeout: 500 }));
    expect(packet.additionals?.[0]).toMatchObject({ extendedRcode: 1 });
  });

  test('one source cannot take all places', async () => {
    await using rig = await makeRig(() => undefined, { names: 'any' }, { limits: { total: 20, perSource: 10 } });
    const first = Array.from({ length: 15 }, (_, index) =>
      rig.ask(`n${index}.example`, { timeout: 400 }).catch(() => 'none'),
    );
    await vi.waitFor(() => expect(rig.upstream.asked).toHaveLength(10));
    expect(rig.proxy.underWay).toBe(10);
    rig.upstream.say = ({ name }) => one(name);
    expect((await rig.ask('other.example', { from: '127.0.0.2' })).data).toEqual(['198.51.100.7']);
    await Promise.all(first);
  });

  test('several queries on one connection are answered as they are ready, also when they come in pieces', async () => {
    await using rig = await makeRig(({ name }) => (name.startsWith('slow') ? { ...one(name), delay: 100 } : one(name)));
    const socket = connect({ host: '127.0.0.1', port: rig.port });
    await once(socket, 'connect');
    socket.setNoDelay(true);
    const sent = Buffer.concat(
      ['slow.example.net', 'fast.example.net', 'api.example.org'].map((name) => framed(queryBytes(name))),
    );
    for (let offset = 0; offset < sent.length; offset += 7) {
      socket.write(sent.subarray(offset, offset + 7));
      await new Promise((resolve) => setImmediate(resolve));
    }
    let all = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => (all = Buffer.concat([all, chunk])));
    socket.end();
    await once(socket, 'close');
    const names: string[] = [];
    for (let offset = 0; offset < all.length; offset += 2 + all.readUInt16BE(offset))
      names.push(
        heard(all.subarray(offset + 2, offset + 2 + all.readUInt16BE(offset))).packet.questions?.[0]?.name ?? '',
      );
    expect(names).toEqual(['fast.example.net', 'api.example.org', 'slow.example.net']);
  });

  test('a connection that never reads is not read from after its share, and ends', async () => {
    const text = 'x'.repeat(250);
    await using rig = await makeRig(({ name }) => ({
      answers: Array.from({ length: 40 }, () => ({ type: 'TXT' as const, name, data: [text, text], ttl: 300 })),
    }));
    const socket = connect({ host: '127.0.0.1', port: rig.port });
    socket.on('error', () => {});
    socket.pause();
    const query = queryBytes('api.example.org', 'TXT');
    const framed = Buffer.concat([Buffer.from([query.length >> 8, query.length & 0xff]), query]);
    // 20 kB for 33 bytes.
    for (let index = 0; index < 2000; index += 1) socket.write(framed);
    await vi.waitFor(() => expect(rig.reports.length).toBeGreaterThan(10));
    let before = -1;
    await vi.waitFor(
      () => {
        const answered = rig.reports.length;
        const isStill = answered === before;
        before = answered;
        expect(isStill).toBe(true);
      },
      { timeout: 5000, interval: 300 },
    );
    // What the kernel buffers of a connection on loopback, some megabytes, and our own share.
    expect(rig.reports.length).toBeLessThan(1000);
    expect((await rig.ask('api.example.org', { type: 'TXT', from: '127.0.0.3' })).rcode).toBe('NOERROR');
    socket.destroy();
  });

  test('queries by TCP of one container are answered at a rate, while those of another are at once', async () => {
    await using rig = await makeRig(({ name }) => one(name), {}, { rate: { perSecond: 20, burst: 20 } });
    const query = queryBytes('evil.example');
    const framed = Buffer.concat([Buffer.from([query.length >> 8, query.length & 0xff]), query]);
    const socket = connect({ host: '127.0.0.1', port: rig.port, localAddress: '127.0.0.2' });
    socket.on('error', () => {});
    socket.on('data', () => {});
    socket.write(Buffer.concat(Array.from({ length: 400 }, () => framed)));
    await vi.waitFor(() => expect(rig.reports.length).toBeGreaterThanOrEqual(20));
    expect((await rig.ask('api.example.org', { from: '127.0.0.3', timeout: 500 })).rcode).toBe('NOERROR');
    expect(rig.reports.filter(({ source }) => source === '127.0.0.2').length).toBeLessThan(60);
    socket.destroy();
  });

  test('a connection that sends rubbish is closed, and others go on', async () => {
    await using rig = await makeRig(({ name }) => one(name));
    for (const rubbish of [Buffer.from([255, 255, 1]), framed(Buffer.alloc(3)), framed(Buffer.alloc(100, 0xff))]) {
      const socket = connect({ host: '127.0.0.1', port: rig.port });
      socket.on('error', () => {});
      socket.write(rubbish);
      socket.resume();
      await once(socket, 'close');
    }
    expect((await rig.ask('api.example.org', { protocol: 'tcp' })).data).toEqual(['198.51.100.7']);
  });

  test('more connections of one source than it may have are closed', async () => {
    await using rig = await makeRig(({ name }) => one(name));
    const sockets = Array.from({ length: 20 }, () => connect({ host: '127.0.0.1', port: rig.port }));
    let closed = 0;
    for (const socket of sockets)
      socket
        .on('error', () => {})
        .on('close', () => (closed += 1))
        .resume();
    await vi.waitFor(() => expect(closed).toBe(4));
    for (const socket of sockets.filter((one) => !one.destroyed)) {
      socket.write(framed(queryBytes('api.example.org')));
      await once(socket, 'data');
    }
    expect(closed).toBe(4);
    for (const socket of sockets) socket.destroy();
  });

  test('queries over IPv6 are answered from the address that was asked', async () => {
    await using rig = await makeRig(({ name }) => one(name));
    const port = await rig.proxy.listen({ address: '::1', port: 0 });
    const message = queryBytes('api.example.org');
    expect(heard(await byUdp(message, port, '::1', { from: '::1', timeout: 500 })).data).toEqual(['198.51.100.7']);
  });

  test('an address that another server has is refused by name', async () => {
    await using rig = await makeRig(({ name }) => one(name));
    await using other = await makeRig(({ name }) => one(name));
    await rig.proxy.unlisten('127.0.0.1');
    await expect(rig.proxy.listen({ address: '127.0.0.1', port: other.port })).rejects.toThrow(
      `Cannot serve DNS at "127.0.0.1", port ${other.port} by TCP: another server has it`,
    );
    await expect(rig.proxy.listen({ address: '198.51.100.99', port: 5353 })).rejects.toThrow(
      'the host does not have the address',
    );
  });
});

function answer(id: number, question: Buffer, address: string): Buffer {
  const header = Buffer.from([id >> 8, id & 255, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
  return Buffer.concat([
    header,
    question,
    Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address.split('.').map(Number)]),
  ]);
}

function framed(message: Buffer): Buffer {
  return Buffer.concat([Buffer.from([message.length >> 8, message.length & 255]), message]);
}

function rcodeOf(bytes: Buffer): string {
  return ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'][(bytes[3] ?? 0) & 15] ?? '';
}
