import { appendFileSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { FlowRecord } from '../../src/flows/flow-record.ts';
import { isMeant } from '../../src/flows/filter.ts';
import { readFlows } from '../../src/flows/read.ts';
import { FlowStore } from '../../src/flows/store.ts';

let folder = '';
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'flows-')), 'flows');
});
afterEach(() => rmSync(join(folder, '..'), { recursive: true, force: true }));

const begun = Date.parse('2026-11-27T08:00:00Z');

function record(number: number, more: Partial<FlowRecord> = {}): FlowRecord {
  return {
    id: `r${number}`,
    time: new Date(begun + number * 1000).toISOString(),
    verdict: 'deny',
    direction: 'egress',
    container: 'web',
    network: 'lab',
    ifname: 'eth0',
    source: '10.88.0.2',
    destination: '9.9.9.9',
    port: 443,
    protocol: 'tcp',
    policy: null,
    rule: 'private',
    reason: '',
    count: 1,
    ...more,
  };
}

const idsOf = (records: readonly FlowRecord[]): string[] => records.map(({ id }) => id);

test('what is appended is read again, the oldest first, by the owner of the files alone', async () => {
  const store = new FlowStore({ folder });
  store.append(record(1));
  store.append(record(2));
  await store.close();
  expect(await readFlows({ folder })).toEqual([record(1), record(2)]);
  const [file = ''] = readdirSync(folder);
  expect([statSync(folder).mode & 0o777, statSync(join(folder, file)).mode & 0o777]).toEqual([0o700, 0o600]);
});

test('a later line changes its record, also from the file of a later agent', async () => {
  const first = new FlowStore({ folder });
  first.append(record(1));
  first.append({ id: 'r1', count: 5 });
  await first.close();
  const second = new FlowStore({ folder });
  second.append({ id: 'r1', count: 9, until: '2026-11-27T08:00:30.000Z' });
  second.append({ id: 'gone', count: 3 });
  await second.close();
  expect(await readFlows({ folder })).toEqual([record(1, { count: 9, until: '2026-11-27T08:00:30.000Z' })]);
});

test('the files stay within their bound, and what is lost is the oldest', async () => {
  const bytes = 64 * 1024;
  const store = new FlowStore({ folder, bounds: { bytes, age: Infinity } });
  for (let number = 0; number < 1000; number += 1) {
    store.append(record(number));
    if (number % 20 === 0) await store.flush();
  }
  await store.close();
  const sizes = readdirSync(folder).map((file) => statSync(join(folder, file)).size);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(bytes * 1.2);
  const found = idsOf(await readFlows({ folder }));
  expect(found.at(-1)).toBe('r999');
  expect(found.length).toBeGreaterThan(100);
  expect(found).toEqual(Array.from({ length: found.length }, (_, at) => `r${1000 - found.length + at}`));
});

test('a file that is too old goes, but not the newest', async () => {
  for (const number of [1, 2]) {
    const store = new FlowStore({ folder });
    store.append(record(number));
    await store.close();
  }
  for (const file of readdirSync(folder)) utimesSync(join(folder, file), 1, 1);
  new FlowStore({ folder }).removeOld();
  expect(idsOf(await readFlows({ folder }))).toEqual(['r2']);
});

test('a line that was cut off is passed over', async () => {
  const store = new FlowStore({ folder });
  store.append(record(1));
  await store.close();
  const [file = ''] = readdirSync(folder);
  appendFileSync(join(folder, file), '{"id":"r2","tim');
  const later = new FlowStore({ folder });
  later.append(record(3));
  await later.close();
  expect(idsOf(await readFlows({ folder }))).toEqual(['r1', 'r3']);
});

test('the latest so many are read from as few files as they are in', async () => {
  for (const number of [1, 2, 3]) {
    const store = new FlowStore({ folder });
    store.append(record(number));
    await store.close();
  }
  const [oldest = ''] = readdirSync(folder).toSorted();
  writeFileSync(join(folder, oldest), `${JSON.stringify(record(7))}\n`);
  expect(idsOf(await readFlows({ folder, last: 2 }))).toEqual(['r2', 'r3']);
});

test('where nothing can be written, that is told, and what is lost is counted', async () => {
  writeFileSync(folder, '');
  const store = new FlowStore({ folder });
  store.append(record(1));
  await store.flush();
  expect([store.lost, store.problem]).toEqual([1, expect.stringContaining(folder)]);
  rmSync(folder);
  store.append(record(2));
  await store.flush();
  expect([store.lost, store.problem]).toEqual([1, undefined]);
  await store.close();
});

test('filters take records by what they say', () => {
  const named = record(1, { destination: '198.51.100.1', name: 'api.example.org', containerName: 'shop' });
  const cases = [
    [{ to: { prefix: '198.51.100.0/24' } }, true],
    [{ to: { prefix: '198.51.101.0/24' } }, false],
    [{ to: { name: '*.example.org' } }, true],
    [{ to: { name: 'example.org' } }, false],
    [{ container: /sho/ }, true],
    [{ container: /^db$/ }, false],
    [{ isDenied: true }, true],
    [{ policy: 'web' }, false],
    [{ network: 'lab' }, true],
    [{ since: begun + 2000 }, false],
  ] as const;
  for (const [filter, isWanted] of cases) expect([filter, isMeant(named, filter)]).toEqual([filter, isWanted]);
  expect(isMeant(record(1, { destination: 'secret.example.com', protocol: 'dns' }), { to: { prefix: '::/0' } })).toBe(
    false,
  );
});
