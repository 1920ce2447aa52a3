import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { resolveNames } from '../../../src/egress/names-resolve.ts';
import { DnsServer } from './dns-server.ts';

const many = Array.from({ length: 120 }, (_, index) => [`203.0.113.${index + 1}`, 60] as const);

let server: DnsServer;

beforeAll(async () => {
  server = await DnsServer.start({
    'both.example.org': {
      a: [
        ['192.0.2.1', 300],
        ['192.0.2.2', 70],
      ],
      aaaa: [['2001:db8::1', 20]],
    },
    'four.example.org': { a: [['192.0.2.4', 0]] },
    'alias.example.org': {
      cnames: [
        ['middle.example.org', 900],
        ['end.example.org', 30],
      ],
      a: [['192.0.2.5', 600]],
    },
    'many.example.org': { a: many },
    'fails.example.org': { code: 2 },
    'refused.example.org': { code: 5 },
    'half.example.org': { a: [['192.0.2.6', 60]], codeOfAaaa: 2 },
    'silent.example.org': { silent: true },
    'slow.example.org': { delay: 150, a: [['192.0.2.7', 60]] },
  });
});

beforeEach(() => {
  server.asked.length = 0;
});

afterAll(async () => server.stop());

const resolve = async (...names: string[]): ReturnType<typeof resolveNames> =>
  resolveNames(names, { servers: [server.address], deadline: 2500 });

test('resolveNames() gives all addresses of both families with their TTLs', async () => {
  const [both] = await resolve('both.example.org');
  expect(both).toEqual({
    name: 'both.example.org',
    answers: [
      { address: '192.0.2.1', ttl: 300 },
      { address: '192.0.2.2', ttl: 70 },
      { address: '2001:db8::1', ttl: 20 },
    ],
    failures: [],
  });
});

test('resolveNames() takes a family without addresses as an answer', async () => {
  expect(await resolve('four.example.org')).toEqual([
    { name: 'four.example.org', answers: [{ address: '192.0.2.4', ttl: 0 }], failures: [] },
  ]);
});

test('resolveNames() takes a name that does not exist as an answer', async () => {
  expect(await resolve('gone.example.org')).toEqual([{ name: 'gone.example.org', answers: [], failures: [] }]);
});

test('resolveNames() follows CNAMEs and takes the shortest TTL of the chain', async () => {
  const [alias] = await resolve('alias.example.org');
  expect(alias?.answers).toEqual([{ address: '192.0.2.5', ttl: 30 }]);
});

test('resolveNames() asks again over TCP when the answer is too long for a datagram', async () => {
  const [found] = await resolve('many.example.org');
  expect(found?.answers).toHaveLength(many.length);
});

test.each([
  ['SERVFAIL', 'fails.example.org', 'the server failed (SERVFAIL)'],
  ['REFUSED', 'refused.example.org', 'the server refused (REFUSED)'],
])('resolveNames() says why when the server answers %s', async (_code, name, why) => {
  const [failed] = await resolve(name);
  expect(failed).toEqual({
    name,
    answers: [],
    failures: [
      { family: 4, why },
      { family: 6, why },
    ],
  });
});

test('resolveNames() keeps the addresses of one family when the other fails', async () => {
  expect(await resolve('half.example.org')).toEqual([
    {
      name: 'half.example.org',
      answers: [{ address: '192.0.2.6', ttl: 60 }],
      failures: [{ family: 6, why: 'the server failed (SERVFAIL)' }],
    },
  ]);
});

test('resolveNames() gives up at its deadline without harm to other names', async () => {
  const started = performance.now();
  const [silent, four] = await resolveNames(['silent.example.org', 'four.example.org'], {
    servers: [server.address],
    deadline: 400,
  });
  expect(performance.now() - started).toBeLessThan(800);
  expect(silent?.failures).toEqual([4, 6].map((family) => ({ family, why: 'no server answered within 400 ms' })));
  expect(four?.answers).toHaveLength(1);
});

test('resolveNames() asks the next server when one takes no queries', async () => {
  const [four] = await resolveNames(['four.example.org'], { servers: ['127.0.0.1:1', server.address], deadline: 2500 });
  expect(four?.answers).toHaveLength(1);
});

test('resolveNames() fails at once when no server takes queries', async () => {
  const started = performance.now();
  const [failed] = await resolveNames(['four.example.org'], { servers: ['127.0.0.1:1'], deadline: 2500 });
  expect(failed?.failures).toHaveLength(2);
  expect(performance.now() - started).toBeLessThan(2400);
});

test('resolveNames() asks for all names at the same time', async () => {
  const started = performance.now();
  const found = await resolve('slow.example.org', 'both.example.org', 'slow.example.org');
  expect(found.map(({ answers }) => answers.length)).toEqual([1, 3, 1]);
  expect(performance.now() - started).toBeLessThan(700);
});

test('resolveNames() gives up at its deadline with more names than it asks at once', async () => {
  const names = Array.from({ length: 120 }, () => 'silent.example.org');
  const started = performance.now();
  const found = await resolveNames(names, { servers: [server.address], deadline: 300 });
  expect(performance.now() - started).toBeLessThan(800);
  expect(found.map(({ failures }) => failures.length)).toEqual(names.map(() => 2));
});

test('resolveNames() asks for the name as it stands, without search domains', async () => {
  await resolve('host');
  expect(new Set(server.asked)).toEqual(new Set(['host A', 'host AAAA']));
});

test('resolveNames() asks nobody when there are no names', async () => {
  expect(await resolve()).toEqual([]);
  expect(server.asked).toEqual([]);
});
