import { describe, expect, test, vi } from 'vitest';
import { AliasTargets } from '../../../src/agent/dns/alias-targets.ts';
import { byUdp, heard, queryBytes } from './client.ts';
import { a, aaaa, cname, soa, type Asked, type Said } from './upstream.ts';
import { makeRig, rule } from './rig.ts';

const one = (name: string): Said => ({ answers: [a(name, '198.51.100.7')] });

describe('what is asked', () => {
  test('a name of the policy is answered and its address opened with a lifetime', async () => {
    await using rig = await makeRig(({ name }) => one(name));
    expect((await rig.ask('api.example.org')).data).toEqual(['198.51.100.7']);
    expect(rig.opened).toEqual([
      {
        table: 'inet drawbridge',
        set: 'policy_ab12_names4_tcp_443',
        key: ['198.51.100.7'],
        timeout: 300 + 1800,
        comment: 'api.example.org',
      },
    ]);
  });

  test.each(['evil.example', 'example.net', 'xapi.example.org', 'notexample.net', 'org', '.'])(
    '"%s" is refused and never leaves the host',
    async (name) => {
      await using rig = await makeRig(({ name: asked }) => one(asked));
      const { rcode, data } = await rig.ask(name);
      expect({ rcode, data }).toEqual({ rcode: 'REFUSED', data: [] });
      expect(rig.upstream.asked).toEqual([]);
      expect(rig.opened).toEqual([]);
    },
  );

  test.each(['a.example.net', 'a.b.c.example.net'])('"%s" is covered by "*.example.net"', async (name) => {
    await using rig = await makeRig(({ name: asked }) => one(asked));
    expect((await rig.ask(name)).data).toEqual(['198.51.100.7']);
  });

  describe('the name of a container of the same network', () => {
    const neighbours = (_: string, name: string): string[] | undefined =>
      name === 'web' ? ['10.88.0.3', 'fd00:88::3'] : undefined;

    test.for([
      ['a list without names', { names: [] }],
      ['a list of names', {}],
      ['an audit', { names: [], audit: true }],
    ] as const)('is answered by the family that is asked, and never leaves the host, under %s', async ([, policy]) => {
      await using rig = await makeRig(({ name }) => one(name), policy, { neighbours });
      expect(await rig.ask('WEB')).toMatchObject({ rcode: 'NOERROR', data: ['10.88.0.3'] });
      expect(await rig.ask('web', { type: 'AAAA' })).toMatchObject({ rcode: 'NOERROR', data: ['fd00:88::3'] });
      expect(await rig.ask('web', { type: 'MX' })).toMatchObject({ rcode: 'NOERROR', data: [] });
      expect(rig.upstream.asked).toEqual([]);
      expect(rig.opened).toEqual([]);
    });

    test('with a search domain behind does not exist, so that the resolver asks for the name itself', async () => {
      await using rig = await makeRig(({ name }) => one(name), { names: [] }, { neighbours });
      expect((await rig.ask('web.corp.example')).rcode).toBe('NXDOMAIN');
      expect((await rig.ask('mail.corp.example')).rcode).toBe('REFUSED');
      expect(rig.upstream.asked).toEqual([]);
    });

    test("is that of the policy where the policy lists it, and nobody's where it denies it", async () => {
      const denyNames = [{ name: 'web', protocol: 'any', source: 'deny "web"' } as const];
      await using listed = await makeRig(({ name }) => one(name), { names: [rule('web')] }, { neighbours });
      expect((await listed.ask('web')).data).toEqual(['198.51.100.7']);
      await using denied = await makeRig(({ name }) => one(name), { names: [], denyNames }, { neighbours });
      expect((await denied.ask('web')).rcode).toBe('REFUSED');
    });
  });

  describe('with names under "deny"', () => {
    const denyNames = [{ name: 'evil.example', protocol: 'any', source: 'deny "evil.example"' } as const];

    test.each(['any', 'list'] as const)('one of them is refused and never leaves the host (%s)', async (names) => {
      const listed = [rule('evil.example'), rule('good.example')];
      await using rig = await makeRig(({ name }) => one(name), { names: names === 'any' ? 'any' : listed, denyNames });
      expect((await rig.ask('evil.example')).rcode).toBe('REFUSED');
      expect((await rig.ask('good.example')).data).toEqual(['198.51.100.7']);
      expect(rig.upstream.asked.map(({ name }) => name)).toEqual(['good.example']);
      expect(rig.reports[0]).toMatchObject({ verdict: 'denied', why: 'deny "evil.example" closes it' });
    });

    test('one of them is not told by another name that leads to it', async () => {
      await using rig = await makeRig(
        ({ name }) => ({ answers: [cname(name, 'EVIL.example'), a('evil.example', '198.51.100.7')] }),
        {
          names: 'any',
          denyNames,
        },
      );
      expect(await rig.ask('alias.example')).toMatchObject({ rcode: 'REFUSED', data: [] });
      expect(rig.reports[0]?.why).toMatch(/^it leads to "evil\.example"/i);
    });

    test('under an audit they are answered, and reported', async () => {
      await using rig = await makeRig(({ name }) => one(name), { names: 'any', denyNames, audit: true });
      expect((await rig.ask('evil.example')).data).toEqual(['198.51.100.7']);
      expect(rig.reports[0]?.why).toBe('deny "evil.example" closes it');
    });
  });

  test('a denied name gets NXDOMAIN with an authority when the policy says so', async () => {
    await using rig = await makeRig(({ name }) => one(name), { denied: 'nxdomain' });
    const { rcode, packet } = await rig.ask('evil.example');
    expect(rcode).toBe('NXDOMAIN');
    expect(packet.authorities?.map(({ type, name }) => ({ type, name }))).toEqual([
      { type: 'SOA', name: 'evil.example' },
    ]);
  });

  test.each(['api.example.org.default.svc.cluster.local', 'a.example.net.corp.example', 'db.corp.example'])(
    '"%s" gets NXDOMAIN, so that a resolver goes on with its search',
    async (name) => {
      await using rig = await makeRig(({ name: asked }) => one(asked), { search: ['corp.example.'] });
      expect((await rig.ask(name)).rcode).toBe('NXDOMAIN');
      expect(rig.upstream.asked).toEqual([]);
    },
  );

  test('a wildcard covers names of one label and more below it, and not the name itself', async () => {
    await using rig = await makeRig(({ name }) => one(name));
    for (const name of ['x.example.net', 'a.b.c.example.net'])
      expect((await rig.ask(name)).data).toEqual(['198.51.100.7']);
    for (const name of ['example.net', 'badexample.net', 'example.net.evil.example'])
      expect((await rig.ask(name)).rcode).not.toBe('NOERROR');
    expect(rig.upstream.asked.map(({ name }) => name)).toEqual(['x.example.net', 'a.b.c.example.net']);
  });

  test('a denied client that speaks EDNS is told why', async () => {
    await using rig = await makeRig(({ name }) => one(name));
    expect((await rig.ask('evil.example', { edns: 1232 })).bytes.toString('latin1')).toContain(
      'drawbridge: the name is not in the policy',
    );
  });

  test.each(['PTR', 'ANY', 'DNSKEY', 'NULL', 'DS', 'SSHFP', 'TLSA', 'NAPTR'])(
    'type %s of a name of the policy has no records, and nobody is asked',
    async (type) => {
      await using rig = await makeRig(({ name }) => one(name));
      const { data, packet, rcode } = await rig.ask('api.example.org', { type });
      expect({ rcode, data }).toEqual({ rcode: 'NOERROR', data: [] });
      expect(packet.authorities?.[0]).toMatchObject({ type: 'SOA', name: 'api.example.org' });
      expect(rig.upstream.asked).toEqual([]);
    },
  );

  test('type ANY of a name outside the policy is refused', async () => {
    await using rig = await makeRig(({ name }) => one(name));
    expect((await rig.ask('evil.example', { type: 'ANY' })).rcode).toBe('REFUSED');
  });

  test('a zone is not transferred', async () => {
    await using rig = await makeRig(({ name }) => one(name));
    expect((await rig.ask('api.example.org', { type: 'AXFR' })).rcode).toBe('NOTIMP');
    expect(rig.upstream.asked).toEqual([]);
  });

  test('PTR is looked up where every name is answered', async () => {
    await using rig = await makeRig(
      ({ name }) => ({ answers: [{ type: 'PTR', name, data: 'host.example', ttl: 60 }] }),
      { names: 'any' },
    );
    expect((await rig.ask('7.100.51.198.in-addr.arpa', { type: 'PTR' })).data).toEqual(['host.example']);
  });

  test('CD and DO come back as they were sent, whatever they are', async () => {
    await using rig = await makeRig(({ name }) => one(name));
    const plain = queryBytes('api.example.org', 'A', 1232);
    const asking = Buffer.from(plain);
    asking[3] = (asking[3] ?? 0) | 0x10;
    asking.writeUInt16BE(0x8000, asking.length - 4);
    const said = await Promise.all(
      [plain, asking].map(async (message) =>
        heard(await byUdp(message, rig.port, '127.0.0.1', { from: '127.0.0.1', timeout: 2000 })),
      ),
    );
    const flags = said.map(({ packet }) => [
      packet.flag_cd,
      (packet.additionals?.[0] as { flag_do?: boolean } | undefined)?.flag_do,
    ]);
    expect(flags).toEqual([
      [false, false],
      [true, true],
    ]);
  });

  describe('the target of a CNAME', () => {
    const chain = ({ name, type }: Asked): Said =>
      name === 'api.example.org'
        ? { answers: [cname(name, 'edge.cdn.example', 30), cname('edge.cdn.example', 'last.cdn.example', 30)] }
        : { answers: type === 'A' ? [a(name, '198.51.100.8')] : [] };

    test('is answered to a container that was told of it, and opened under the rule that led there', async () => {
      await using rig = await makeRig(chain);
      expect((await rig.ask('last.cdn.example')).rcode).toBe('REFUSED');
      await rig.ask('api.example.org');
      expect((await rig.ask('last.cdn.example')).data).toEqual(['198.51.100.8']);
      expect(rig.opened.map(({ set, key, comment }) => [set, key, comment])).toEqual([
        ['policy_ab12_names4_tcp_443', ['198.51.100.8'], 'last.cdn.example'],
      ]);
    });

    test('is refused to another container', async () => {
      await using rig = await makeRig(chain);
      await rig.ask('api.example.org', { from: '127.0.0.2' });
      expect((await rig.ask('last.cdn.example', { from: '127.0.0.3' })).rcode).toBe('REFUSED');
      expect((await rig.ask('last.cdn.example', { from: '127.0.0.2' })).rcode).toBe('NOERROR');
    });

    test('is refused when its TTL is over', () => {
      let now = 0;
      const targets = new AliasTargets(() => now);
      const rules = [rule('api.example.org')];
      targets.note('c', [{ name: 'a', type: 5, ttl: 30, rdata: Buffer.alloc(0), target: 'b' }], rules);
      now = 29_999;
      expect(targets.rulesFor('c', 'b', rules)).toEqual(rules);
      expect(targets.rulesFor('c', 'b', [])).toEqual([]);
      now = 30_001;
      expect(targets.rulesFor('c', 'b', rules)).toEqual([]);
    });

    test('is forgotten first of a thousand others', () => {
      const targets = new AliasTargets(() => 0);
      const rules = [rule('*.example.net')];
      for (let index = 0; index <= 1000; index += 1)
        targets.note('c', [{ name: 'a', type: 5, ttl: 30, rdata: Buffer.alloc(0), target: `t${index}` }], rules);
      expect(targets.rulesFor('c', 't0', rules)).toEqual([]);
      expect(targets.rulesFor('c', 't1', rules)).toEqual(rules);
    });
  });

  describe('a wildcard', () => {
    test('lets so many new names of a container out in a minute, and refuses the rest with the reason', async () => {
      await using rig = await makeRig(({ name }) => one(name), { maxQueriesPerMinute: 5 });
      const said = [];
      for (let index = 0; index < 8; index += 1)
        said.push(await rig.ask(`data${index}.example.net`, { from: '127.0.0.2', edns: 1232 }));
      expect(said.map(({ rcode }) => rcode)).toEqual([...Array(5).fill('NOERROR'), ...Array(3).fill('REFUSED')]);
      expect(said[7]?.bytes.toString('latin1')).toContain('dns.maxQueriesPerMinute');
      expect(rig.upstream.asked).toHaveLength(5);
      expect(rig.reports.at(-1)).toMatchObject({ verdict: 'limited', source: '127.0.0.2' });
    });

    test('that is used up is not for another container, nor a listed name, nor what is known', async () => {
      await using rig = await makeRig(({ name }) => one(name), { maxQueriesPerMinute: 1 });
      await rig.ask('a.example.net', { from: '127.0.0.2' });
      expect((await rig.ask('b.example.net', { from: '127.0.0.2' })).rcode).toBe('REFUSED');
      expect((await rig.ask('a.example.net', { from: '127.0.0.2' })).rcode).toBe('NOERROR');
      expect((await rig.ask('api.example.org', { from: '127.0.0.2' })).rcode).toBe('NOERROR');
      expect((await rig.ask('c.example.net', { from: '127.0.0.3' })).rcode).toBe('NOERROR');
    });
  });

  test('TXT of a name of the policy is passed on and opens nothing', async () => {
    await using rig = await makeRig(({ name }) => ({ answers: [{ type: 'TXT', name, data: ['hello'], ttl: 60 }] }));
    expect((await rig.ask('api.example.org', { type: 'TXT' })).data).toEqual(['hello']);
    expect(rig.opened).toEqual([]);
  });

  test('MX with a compressed name is passed on whole', async () => {
    await using rig = await makeRig(() => ({
      raw: (id, question) => [
        Buffer.concat([
          header(id, 1),
          question,
          Buffer.from([0xc0, 12, 0, 15, 0, 1, 0, 0, 0, 60, 0, 6, 0, 10, 1, 0x6d, 0xc0, 12]),
        ]),
      ],
    }));
    const { packet } = await rig.ask('api.example.org', { type: 'MX' });
    expect(packet.answers?.[0]).toMatchObject({ type: 'MX', data: { preference: 10, exchange: 'm.api.example.org' } });
  });

  test('the case of letters comes back as it was sent', async () => {
    await using rig = await makeRig(({ name }) => one(name));
    const { packet } = await rig.ask('aPi.ExamPLE.oRg');
    expect([packet.questions?.[0]?.name, packet.answers?.[0]?.name]).toEqual(['aPi.ExamPLE.oRg', 'aPi.ExamPLE.oRg']);
    expect(rig.upstream.asked.map(({ name }) => name)).toEqual(['api.example.org']);
  });

  test('a source without a policy is refused', async () => {
    await using rig = await makeRig(({ name }) => one(name), {}, { policyOf: () => undefined });
    expect((await rig.ask('api.example.org')).rcode).toBe('REFUSED');
  });

  test('"any" forwards every name, private addresses too, and opens nothing', async () => {
    await using rig = await makeRig(({ name }) => ({ answers: [a(name, '10.0.0.1')] }), { names: 'any' });
    expect((await rig.ask('whatever.example')).data).toEqual(['10.0.0.1']);
    expect(rig.opened).toEqual([]);
  });
});

describe('a policy that only audits', () => {
  test('answers every name, reports those outside, and opens the addresses of its own', async () => {
    await using rig = await makeRig(({ name }) => one(name), { audit: true });
    expect((await rig.ask('evil.example')).data).toEqual(['198.51.100.7']);
    expect(rig.reports[0]).toMatchObject({ verdict: 'answered', why: 'the name is not in the policy' });
    expect(rig.opened).toEqual([]);
    await rig.ask('api.example.org');
    expect(rig.reports[1]?.why).toBeUndefined();
    expect(rig.openKeys()).toEqual(['198.51.100.7']);
  });

  test('strips nothing, and opens nothing private', async () => {
    await using rig = await makeRig(({ name }) => ({ answers: [a(name, '10.0.0.1')] }), { audit: true });
    expect((await rig.ask('api.example.org')).data).toEqual(['10.0.0.1']);
    expect(rig.opened).toEqual([]);
  });
});

describe('what is told', () => {
  test('all addresses at the end of a chain of CNAMEs are opened, for the shortest TTL of the chain', async () => {
    await using rig = await makeRig(({ name }) => ({
      answers: [
        cname(name, 'x.cdn.example', 500),
        cname('x.cdn.example', 'y.cdn.example', 90),
        a('y.cdn.example', '198.51.100.1'),
        a('y.cdn.example', '198.51.100.2'),
      ],
    }));
    expect((await rig.ask('api.example.org')).data).toEqual([
      'x.cdn.example',
      'y.cdn.example',
      '198.51.100.1',
      '198.51.100.2',
    ]);
    expect(rig.opened.map(({ key, timeout }) => [...key, timeout])).toEqual([
      ['198.51.100.1', 90 + 1800],
      ['198.51.100.2', 90 + 1800],
    ]);
  });

  test('records beside the chain are neither told nor opened', async () => {
    await using rig = await makeRig(({ name }) => ({
      answers: [a('bank.example', '203.0.113.66'), a(name, '198.51.100.1'), aaaa(name, '2001:db8::1')],
    }));
    expect((await rig.ask('api.example.org')).data).toEqual(['198.51.100.1']);
    expect(rig.openKeys()).toEqual(['198.51.100.1']);
  });

  test.each([
    ['A', '10.0.0.1'],
    ['A', '169.254.169.254'],
    ['A', '127.0.0.1'],
    ['A', '192.168.1.1'],
    ['A', '100.64.0.1'],
    ['A', '168.63.129.16'],
    ['A', '0.0.0.0'],
    ['AAAA', '::1'],
    ['AAAA', '::'],
    ['AAAA', '::ffff:10.0.0.1'],
    ['AAAA', 'fd00::1'],
    ['AAAA', 'fe80::1'],
    ['AAAA', '64:ff9b::a00:1'],
    ['AAAA', 'fd00:ec2::254'],
  ])('the %s %s is stripped', async (type, address) => {
    const good = type === 'A' ? '198.51.100.1' : '2001:db8::1';
    await using rig = await makeRig(({ name }) => ({
      answers: [address, good].map((data) => (type === 'A' ? a(name, data) : aaaa(name, data))),
    }));
    expect((await rig.ask('api.example.org', { type })).data).toEqual([good]);
    expect(rig.openKeys()).toEqual([good]);
    expect(rig.reports[0]?.stripped).toHaveLength(1);
  });

  test('an answer of which everything is stripped is empty with an authority', async () => {
    await using rig = await makeRig(({ name }) => ({ answers: [a(name, '10.0.0.1')] }));
    const { rcode, data, packet } = await rig.ask('api.example.org');
    expect({ rcode, data, authorities: packet.authorities?.length }).toEqual({
      rcode: 'NOERROR',
      data: [],
      authorities: 1,
    });
  });

  test('a private address that a literal opens is told and not opened again', async () => {
    await using rig = await makeRig(({ name }) => ({ answers: [a(name, '10.0.0.1')] }), {
      isOpenByAddress: (address) => address === '10.0.0.1',
    });
    expect((await rig.ask('api.example.org')).data).toEqual(['10.0.0.1']);
    expect(rig.opened).toEqual([]);
  });

  test('a loop of CNAMEs ends', async () => {
    await using rig = await makeRig(({ name }) => ({ answers: [cname(name, 'b.example'), cname('b.example', name)] }));
    expect((await rig.ask('api.example.org')).data).toEqual(['b.example', 'api.example.org']);
  });

  test('a TTL longer than the refresh interval is cut to it', async () => {
    await using rig = await makeRig(({ name }) => ({ answers: [a(name, '198.51.100.1', 86_400)] }));
    expect((await rig.ask('api.example.org')).packet.answers?.[0]).toMatchObject({ ttl: 1800 });
    expect(rig.opened[0]?.timeout).toBe(3600);
  });

  test('a TTL of 0 opens for a minute and the grace, and every query asks upstream', async () => {
    await using rig = await makeRig(({ name }) => ({ answers: [a(name, '198.51.100.1', 0)] }));
    await rig.ask('api.example.org');
    await rig.ask('api.example.org');
    expect(rig.opened.map(({ timeout }) => timeout)).toEqual([1860, 1860]);
    expect(rig.upstream.asked).toHaveLength(2);
  });

  test('HTTPS loses its address hints and keeps the rest, also where it says that they are mandatory', async () => {
    const rdata = Buffer.from([
      0,
      1,
      0,
      0,
      0,
      0,
      4,
      0,
      4,
      0,
      1,
      0,
      1,
      0,
      3,
      2,
      0x68,
      0x32,
      0,
      4,
      0,
      4,
      1,
      2,
      3,
      4,
      0,
      5,
      0,
      2,
      9,
      9,
      0,
      6,
      0,
      16,
      ...Array.from({ length: 16 }, () => 1),
    ]);
    await using rig = await makeRig(() => ({ raw: (id, question) => [record(id, question, 65, rdata)] }));
    const { packet } = await rig.ask('api.example.org', { type: 'UNKNOWN_65' });
    expect(packet.answers).toMatchObject([
      { data: Buffer.from([0, 1, 0, 0, 0, 0, 2, 0, 1, 0, 1, 0, 3, 2, 0x68, 0x32, 0, 5, 0, 2, 9, 9]) },
    ]);
  });

  test('HTTPS of a policy that checks names loses what hides a name, also where it says that it is mandatory', async () => {
    const rdata = Buffer.from([0, 1, 0, 0, 0, 0, 4, 0, 1, 0, 5, 0, 1, 0, 3, 2, 0x68, 0x32, 0, 5, 0, 2, 9, 9]);
    await using rig = await makeRig(() => ({ raw: (id, question) => [record(id, question, 65, rdata)] }), {
      checksNames: true,
    });
    const { packet } = await rig.ask('api.example.org', { type: 'UNKNOWN_65' });
    expect(packet.answers).toMatchObject([
      { data: Buffer.from([0, 1, 0, 0, 0, 0, 2, 0, 1, 0, 1, 0, 3, 2, 0x68, 0x32]) },
    ]);
  });

  test('HTTPS that leads to a name outside the policy is left out', async () => {
    const rdata = Buffer.from([0, 0, 4, 0x65, 0x76, 0x69, 0x6c, 7, 0x65, 0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65, 0]);
    await using rig = await makeRig(() => ({ raw: (id, question) => [record(id, question, 65, rdata)] }));
    expect((await rig.ask('api.example.org', { type: 'UNKNOWN_65' })).data).toEqual([]);
  });

  test('"no such name" passes with the authority of upstream', async () => {
    await using rig = await makeRig(() => ({ rcode: 3, authorities: [soa('example.org', 20)] }));
    const { rcode, packet } = await rig.ask('api.example.org');
    expect(rcode).toBe('NXDOMAIN');
    expect(packet.authorities?.[0]).toMatchObject({ type: 'SOA', name: 'example.org', ttl: 20 });
  });
});

describe('opening', () => {
  test('an answer waits until its addresses are open', async () => {
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    const opened = vi.fn(() => gate);
    await using rig = await makeRig(({ name }) => one(name), {}, { open: opened });
    let isAnswered = false;
    const answers = [
      rig.ask('api.example.org'),
      rig.ask('api.example.org'),
      rig.ask('api.example.org', { protocol: 'tcp' }),
    ];
    void Promise.race(answers).then(() => (isAnswered = true));
    await vi.waitFor(() => expect(opened).toHaveBeenCalled());
    // Another container's query passes meanwhile: whatever was on its way has arrived.
    expect((await rig.ask('denied.example')).rcode).not.toBe('NOERROR');
    expect(isAnswered).toBe(false);
    release();
    expect((await Promise.all(answers)).map(({ data }) => data)).toEqual(
      Array.from({ length: 3 }, () => ['198.51.100.7']),
    );
    expect(rig.upstream.asked).toHaveLength(1);
  });

  test('an answer whose addresses cannot be opened is SERVFAIL', async () => {
    await using rig = await makeRig(({ name }) => one(name), {}, { open: () => Promise.reject(new Error('full')) });
    expect(await rig.ask('api.example.org')).toMatchObject({ rcode: 'SERVFAIL', data: [] });
  });

  test('an answer whose addresses are not open in time is SERVFAIL', async () => {
    await using rig = await makeRig(
      ({ name }) => one(name),
      {},
      { open: () => new Promise(() => {}), openDeadline: 50 },
    );
    expect(await rig.ask('api.example.org')).toMatchObject({ rcode: 'SERVFAIL', data: [] });
  });

  test('an answer out of the cache opens again', async () => {
    await using rig = await makeRig(({ name }) => one(name));
    await rig.ask('api.example.org');
    rig.clock.now += 100_000;
    expect((await rig.ask('api.example.org')).packet.answers?.[0]).toMatchObject({ ttl: 200 });
    expect(rig.upstream.asked).toHaveLength(1);
    expect(rig.opened.map(({ timeout }) => timeout)).toEqual([2100, 2000]);
  });

  test('every rule that covers the name is served', async () => {
    await using rig = await makeRig(({ name }) => one(name), {
      names: [rule('a.example.net', 22), rule('*.example.net', 443), rule('b.example.net', 25)],
    });
    await rig.ask('a.example.net');
    expect(rig.opened.map(({ set }) => set)).toEqual(['policy_ab12_names4_tcp_22', 'policy_ab12_names4_tcp_443']);
  });

  test('without refresh, a listed name stays open and what came by a wildcard ends', async () => {
    await using rig = await makeRig(({ name }) => one(name), { refreshIntervalMinutes: 0 });
    await rig.ask('api.example.org');
    await rig.ask('x.example.net');
    expect(rig.opened.map(({ timeout }) => timeout)).toEqual([undefined, 300 + 1800]);
  });
});

describe('sizes', () => {
  const many =
    (count: number) =>
    (name: string): Said => ({
      answers: Array.from({ length: count }, (_, index) => a(name, `198.51.${index >> 8}.${index & 255}`)),
    });

  test('28 addresses fit into a packet of 512 bytes', async () => {
    await using rig = await makeRig(({ name, protocol }) =>
      protocol === 'udp' ? { truncated: true } : many(28)(name),
    );
    const { data, packet, bytes } = await rig.ask('api.example.org');
    expect([data.length, packet.flag_tc, bytes.length <= 512]).toEqual([28, false, true]);
  });

  test('what does not fit is cut off with TC, opens what it tells, and comes whole by TCP', async () => {
    await using rig = await makeRig(({ name, protocol }) =>
      protocol === 'udp' ? { truncated: true } : many(500)(name),
    );
    const cut = await rig.ask('api.example.org', { edns: 4096 });
    expect([cut.packet.flag_tc, cut.bytes.length <= 1232, cut.data.length > 70]).toEqual([true, true, true]);
    expect(rig.openKeys()).toEqual(cut.data);
    expect((await rig.ask('api.example.org', { protocol: 'tcp' })).data).toHaveLength(500);
    expect(rig.openKeys()).toHaveLength(500);
    expect(rig.upstream.asked.map(({ protocol }) => protocol)).toEqual(['udp', 'tcp']);
  });

  test('upstream learns nothing of the client', async () => {
    await using rig = await makeRig(({ name }) => one(name));
    await rig.ask('api.example.org', { edns: 512 });
    const [opt] = rig.upstream.asked[0]?.packet.additionals ?? [];
    expect(opt).toMatchObject({ type: 'OPT', udpPayloadSize: 1232, options: [], flag_do: false });
  });
});

function header(id: number, answers: number): Buffer {
  return Buffer.from([id >> 8, id & 255, 0x81, 0x80, 0, 1, answers >> 8, answers & 255, 0, 0, 0, 0]);
}

function record(id: number, question: Buffer, type: number, rdata: Buffer): Buffer {
  return Buffer.concat([
    header(id, 1),
    question,
    Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, rdata.length >> 8, rdata.length & 255]),
    rdata,
  ]);
}
