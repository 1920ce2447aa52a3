import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { expectsPolicy, type Evidence } from '../../../src/plugins/drawbridge/expected-policy.ts';
import { foldersIn } from '../../../src/plugins/drawbridge/network-lists.ts';
import type { AttachmentRecord } from '../../../src/records/record.ts';

const own = { type: 'drawbridge', bridge: 'br0', ipam: { type: 'host-local', subnet: '10.1.0.0/24' } };
const policy = { type: 'egress-policy' };
/** What the plugin is told: its entry, and what libcni puts there. */
const conf = {
  prevResult: {},
  ipam: { subnet: '10.1.0.0/24', type: 'host-local' },
  bridge: 'br0',
  type: 'drawbridge',
  cniVersion: '1.1.0',
  name: 'net',
  runtimeConfig: { ips: [] },
  'cni.dev/x': 1,
};
const list = (...plugins: unknown[]): string => JSON.stringify({ name: 'net', plugins });
const enforced = list(own, policy);
const open = list(own);

let root = '';
beforeEach(() => void (root = mkdtempSync(join(tmpdir(), 'drawbridge-'))));
afterEach(() => rmSync(root, { recursive: true }));

function write(file: string, text: string): void {
  mkdirSync(join(root, file, '..'), { recursive: true });
  writeFileSync(join(root, file), text);
}

/** Folders "a" and "b", with those inside; what libcni noted is in "results". */
function evidence(records: readonly AttachmentRecord[] = []): Evidence {
  const folders = ['a', 'b'].map((name) => join(root, name)).flatMap((folder) => [folder, ...foldersIn(folder)]);
  return { folders, cache: join(root, 'results'), records: () => records };
}

const expects = (changes: object = {}, records: readonly AttachmentRecord[] = []): boolean =>
  expectsPolicy({ network: 'net', conf: { ...conf, ...changes } }, evidence(records));

describe('expectsPolicy() is true', () => {
  test.each<[string, Record<string, string>]>([
    ['by the list of the network', { 'a/10.conflist': enforced }],
    ['by the list in a further folder', { 'b/10.conflist': enforced }],
    ['by the list in the folder of a namespace', { 'a/default/10.conflist': enforced }],
    [
      'by a plugin in the folder of the network beside the list',
      { 'a/10.conflist': open, 'a/net/20.conf': JSON.stringify(policy) },
    ],
    [
      'by a plugin in the folder of the network beside the list of a namespace',
      { 'a/default/10.conflist': open, 'a/default/net/20.conf': JSON.stringify(policy) },
    ],
    [
      'by a list whose plugins all are in its folder',
      {
        'a/10.conflist': JSON.stringify({ name: 'net' }),
        'a/net/1.conf': JSON.stringify(own),
        'a/net/2.conf': JSON.stringify(policy),
      },
    ],
    [
      'by the list whose entry is what it was told, not the first of that name',
      { 'a/10.conflist': list({ ...own, mtu: 9000 }), 'a/20.conflist': enforced },
    ],
    ['by the first of two lists with that entry', { 'a/10.conflist': enforced, 'a/20.conflist': open }],
    [
      'by the first list of the name when the runtime changed the entry',
      { 'a/10.conflist': list({ ...own, mtu: 9000 }, policy), 'a/20.conflist': list({ ...own, mtu: 1400 }) },
    ],
    ['by a type in another case of letters', { 'a/10.conflist': list({ ...own }, { Type: 'egress-policy' }) }],
    ['beside a file that is no JSON', { 'a/05.conflist': '{', 'a/10.conflist': enforced }],
  ])('%s', (_, files) => {
    for (const [file, text] of Object.entries(files)) write(file, text);
    expect(expects()).toBe(true);
  });

  test('by a list behind a link to a folder', () => {
    write('elsewhere/10.conflist', enforced);
    mkdirSync(join(root, 'a'));
    symlinkSync(join(root, 'elsewhere'), join(root, 'a/spaces'));
    expect(expects()).toBe(true);
  });

  test('by "awaitsPolicy", whatever the list says', () => {
    write('a/10.conflist', open);
    expect([expects({ awaitsPolicy: true }), expects({ AwaitsPolicy: true })]).toEqual([true, true]);
  });
});

describe('expectsPolicy() is false', () => {
  test.each<[string, Record<string, string>]>([
    ['by a list without a policy', { 'a/10.conflist': open }],
    [
      "by a list with another network's policy beside it",
      { 'a/10.conflist': open, 'a/20.conflist': enforced.replace('"net"', '"other"') },
    ],
    [
      'for a plugin in the folder of the network when the list has it all',
      {
        'a/10.conflist': open.replace('{', '{"loadOnlyInlinedPlugins":true,'),
        'a/net/20.conf': JSON.stringify(policy),
      },
    ],
    [
      'the same in words',
      {
        'a/10.conflist': open.replace('{', '{"loadOnlyInlinedPlugins":"True",'),
        'a/net/20.conf': JSON.stringify(policy),
      },
    ],
    ['for a second list of the name with the same entry', { 'a/10.conflist': open, 'a/20.conflist': enforced }],
    ['for a backup in a folder inside', { 'a/10.conflist': open, 'a/old/10.conflist': enforced }],
    ['for a file of another kind', { 'a/10.conflist.bak': enforced, 'a/10.txt': enforced }],
    ['for a plugin in the folder of the network without a list', { 'a/net/20.conf': JSON.stringify(policy) }],
    ['for a single plugin', { 'a/10.conf': JSON.stringify({ ...own, name: 'net' }) }],
    ['for no folder at all', {}],
  ])('%s', (_, files) => {
    for (const [file, text] of Object.entries(files)) write(file, text);
    expect(expects()).toBe(false);
  });

  test('by "awaitsPolicy", whatever the list says', () => {
    write('a/10.conflist', enforced);
    expect(expects({ awaitsPolicy: false })).toBe(false);
  });
});

/** What libcni 1.3 writes when it has added a container. */
function note(container: string, text: string, secondsAgo: number): void {
  const file = `results/net-${container}-eth0`;
  const config = Buffer.from(text).toString('base64');
  write(file, JSON.stringify({ kind: 'cniCacheV1', containerId: container, config, networkName: 'net' }));
  const at = Date.now() / 1000 - secondsAgo;
  utimesSync(join(root, file), at, at);
}

const record = (changes: Partial<AttachmentRecord>, isClosed = false): AttachmentRecord =>
  ({
    network: 'net',
    state: 'ready',
    createdAt: new Date(Date.now() - 60_000).toISOString(),
    link: { conf: { ...conf, runtimeConfig: undefined }, enforced: isClosed },
    ...changes,
  }) as unknown as AttachmentRecord;
const withPolicy = { egress: {} } as Partial<AttachmentRecord>;

describe('expectsPolicy() without a list, or with lists that disagree,', () => {
  test.each([
    ['no list', {}],
    ['two folders that disagree, the closed one first', { 'a/10.conflist': enforced, 'b/10.conflist': open }],
    ['two folders that disagree, the open one first', { 'a/10.conflist': open, 'b/10.conflist': enforced }],
  ])("believes libcni's latest note, then the latest record: %s", (_, files) => {
    for (const [file, text] of Object.entries(files)) write(file, text);
    expect([expects({}, [record(withPolicy)]), expects({}, [record({})])]).toEqual([true, false]);
    note('old', open, 50);
    note('new', enforced, 5);
    note('other', list({ ...own, mtu: 9000 }), 1);
    expect(expects({}, [record({})])).toBe(true);
    note('newest', open, 0);
    expect(expects({}, [record(withPolicy)])).toBe(false);
  });

  test('learns nothing from a record that waits itself, is new, unfinished, or of another configuration', () => {
    const now = new Date().toISOString();
    const others = [
      record({}, true),
      record({ createdAt: now }),
      record({ ...withPolicy, unfinished: true }),
      record({ ...withPolicy, network: 'other' }),
      record({ ...withPolicy, link: { conf: { ...conf, bridge: 'br9' } } as never }),
    ];
    expect(expects({}, others)).toBe(false);
    expect(expects({}, [...others, record(withPolicy)])).toBe(true);
  });

  test('passes over notes of other kinds and broken ones', () => {
    write('results/net-a-eth0', '{');
    write('results/net-b-eth0', JSON.stringify({ kind: 'cniCacheV1', config: '!!', networkName: 'net' }));
    write('results/net-c-eth0', JSON.stringify({ cniVersion: '1.0.0' }));
    expect(expects()).toBe(false);
    note('d', enforced, 9);
    expect(expects()).toBe(true);
  });
});
