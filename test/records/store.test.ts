import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  addressHolders,
  portHolders,
  removeIndex,
  sharedByOthers,
  sweepIndex,
  writeIndex,
} from '../../src/records/index-files.ts';
import { attachmentKey, hostInterfaceOf } from '../../src/records/key.ts';
import type { AttachmentRecord } from '../../src/records/record.ts';
import {
  hasOtherRecord,
  listRecords,
  readRecord,
  readOwnRecord,
  readSoundRecord,
  removeRecord,
  writeRecord,
} from '../../src/records/store.ts';
import { mapping, numbered, sample } from './sample.ts';

/** A record as decoded JSON, to be spoiled. */
type Mutable = Record<string, unknown> & { link: Record<string, unknown> };

let run: string;
beforeEach(() => {
  run = join(mkdtempSync(join(tmpdir(), 'records-')), 'run');
});
afterEach(() => rmSync(join(run, '..'), { recursive: true }));

function write(...records: AttachmentRecord[]): void {
  for (const record of records) {
    writeIndex(record, undefined, run);
    writeRecord(record, run);
  }
}

function replaceText(record: AttachmentRecord, change: (json: Mutable) => unknown): void {
  const json = JSON.parse(JSON.stringify(record)) as Mutable;
  mkdirSync(join(run, 'attachments'), { recursive: true });
  writeFileSync(join(run, 'attachments', `${record.key}.json`), JSON.stringify(change(json) ?? json));
}

test('attachmentKey() tells attachments apart, and hostInterfaceOf() makes an interface name of it', () => {
  const key = attachmentKey({ network: 'n', containerId: 'c', ifname: 'eth0' });
  expect(key).toMatch(/^[0-9a-f]{16}$/);
  expect(attachmentKey({ network: 'nc', containerId: '', ifname: 'eth0' })).not.toBe(key);
  expect(hostInterfaceOf(key)).toBe(`veth${key.slice(0, 11)}`);
});

describe('the store', () => {
  test('gives back what was written', () => {
    const record = sample({ containerId: 'ü"\n', link: { ports: [mapping(80, 80)] } });
    writeRecord(record, run);
    expect(readRecord(record.key, run)).toEqual(record);
    expect(listRecords(run)).toEqual({ records: [record], broken: [] });
  });

  test('keeps records from other users and leaves no other file', () => {
    const record = sample();
    writeRecord(record, run);
    writeRecord(record, run);
    expect(readdirSync(join(run, 'attachments'))).toEqual([`${record.key}.json`]);
    expect(statSync(join(run, 'attachments')).mode & 0o777).toBe(0o700);
    expect(statSync(join(run, 'attachments', `${record.key}.json`)).mode & 0o777).toBe(0o600);
  });

  test('has nothing before the first record', () => {
    expect(readRecord('0123456789abcdef', run)).toBeUndefined();
    expect(listRecords(run)).toEqual({ records: [], broken: [] });
    expect(hasOtherRecord('0123456789abcdef', run)).toBe(false);
    removeRecord('0123456789abcdef', run);
  });

  test('tells whether there is another record', () => {
    const [one, two] = [numbered(1), numbered(2)];
    writeRecord(one, run);
    writeFileSync(join(run, 'attachments', '.left-by-a-crash'), '');
    expect(hasOtherRecord(one.key, run)).toBe(false);
    writeRecord(two, run);
    expect(hasOtherRecord(one.key, run)).toBe(true);
    removeRecord(two.key, run);
    expect(hasOtherRecord(one.key, run)).toBe(false);
  });

  test('reads a record of 0.1.0, whose words were others', () => {
    const record = sample();
    replaceText(record, (json) => {
      json['version'] = 1;
      json['walls'] = { ingressInterface: 'drawbridge0', policy: 'isolated' };
      json.link['policed'] = true;
    });
    const read = readSoundRecord(record.key, run);
    expect(read?.version).toBe(2);
    expect(read?.ingressPolicy).toEqual({ ingressInterface: 'drawbridge0', policy: 'isolated' });
    expect(read?.link?.enforced).toBe(true);
    expect(read).not.toHaveProperty('walls');
  });

  test.for<[string, (json: Mutable) => unknown, RegExp]>([
    ['of no version', (json) => void delete json['version'], /"version" is undefined/],
    [
      'under the name of another attachment',
      (json) => void (json['containerId'] = 'c9'),
      /does not belong to container "c9"/,
    ],
    ['that is a list', () => [], /not a JSON object/],
    ['without a network', (json) => void delete json['network'], /"network" is missing/],
    ['with a bridge that is a command', (json) => void (json.link['bridge'] = 'a"; flush ruleset; "'), /"bridge" is/],
    [
      'with an address that is none',
      (json) => void (json.link['addresses'] = [{ address: '10.0.0.1/16 }' }]),
      /"address" is/,
    ],
    [
      'with a port out of range',
      (json) => void (json.link['ports'] = [{ ...mapping(1, 1), hostPort: 70_000 }]),
      /"hostPort" is 70000/,
    ],
    [
      'with a protocol that is none',
      (json) => void (json.link['ports'] = [{ ...mapping(1, 1), protocol: 'tcp . 80 }' }]),
      /"protocol" is/,
    ],
    [
      'with one port for two places',
      (json) => void (json.link['ports'] = [mapping(1, 1), mapping(1, 2)]),
      /"ports" is/,
    ],
    [
      'with a policy without parts',
      (json) => void (json['egress'] = { ingressInterface: 'b', addresses: [], gateways: [], policy: {} }),
      /./,
    ],
    ['in a state that is none', (json) => void (json['state'] = 'gone'), /"state" is "gone"/],
  ])('reports a record %s as broken', ([, change, why]) => {
    const record = sample();
    replaceText(record, change);
    expect(readRecord(record.key, run)).toMatchObject({
      key: record.key,
      file: join(run, 'attachments', `${record.key}.json`),
      why: expect.stringMatching(why),
      isNewer: false,
    });
    expect(readSoundRecord(record.key, run)).toBeUndefined();
    expect(listRecords(run).broken).toHaveLength(1);
  });

  test('tells the record of a later version from a broken one, and refuses to use it by name', () => {
    const record = sample();
    replaceText(record, (json) => void (json['version'] = 3));
    expect(readRecord(record.key, run)).toMatchObject({
      isNewer: true,
      why: expect.stringMatching(/newer.*"version" is 3/),
    });
    expect(() => readOwnRecord(record.key, run)).toThrow(
      expect.objectContaining({ code: 102, message: expect.stringContaining(`${record.key}.json`) }),
    );
  });

  test.for(['', '{"version":1', 'null', '[1]', '\0'])('reports %j as broken', (text) => {
    const { key } = sample();
    replaceText(sample(), () => undefined);
    writeFileSync(join(run, 'attachments', `${key}.json`), text);
    expect(listRecords(run)).toEqual({ records: [], broken: [expect.objectContaining({ key })] });
  });

  test('reports a folder that cannot be written with code 5', () => {
    writeFileSync(run, '');
    expect(() => writeRecord(sample(), run)).toThrow(
      expect.objectContaining({
        code: 5,
        message: expect.stringMatching(/^Cannot write the record of container "c1" to /),
      }),
    );
  });
});

describe('hints', () => {
  const one = numbered(1, { link: { ports: [mapping(8080, 80)] } });
  const two = numbered(2, { link: { ports: [mapping(8080, 80, { hostIp: '192.0.2.1', families: [4] })] } });

  test('tell who publishes a port of the host', () => {
    write(one);
    expect(portHolders(two, two.link!.ports[0]!, run)).toEqual([one]);
    expect(portHolders(one, one.link!.ports[0]!, run)).toEqual([]);
    expect(portHolders(two, mapping(8081, 80), run)).toEqual([]);
  });

  test('tell who has an address', () => {
    const same = sample({ containerId: 'other', link: { bridge: 'other0' } });
    write(one, same);
    expect(addressHolders(sample(), run)).toEqual([same]);
    expect(addressHolders(numbered(7), run)).toEqual([]);
  });

  test('tell whether a bridge has another container', () => {
    write(one);
    expect(sharedByOthers('bridge-drawbridge0', one.key, run)).toBe(false);
    write(two);
    expect(sharedByOthers('bridge-drawbridge0', one.key, run)).toBe(true);
  });

  test('that are stale are ignored, and swept away', () => {
    write(one, two);
    rmSync(join(run, 'attachments', `${two.key}.json`));
    expect(sharedByOthers('bridge-drawbridge0', one.key, run)).toBe(false);
    sweepIndex(run);
    expect(readdirSync(join(run, 'shared/bridge-drawbridge0'))).toEqual([one.key]);
    rmSync(join(run, 'attachments', `${one.key}.json`));
    expect(portHolders(two, two.link!.ports[0]!, run)).toEqual([]);
    expect(addressHolders(one, run)).toEqual([]);
  });

  test('do not count for a record that says something else by now', () => {
    write(one);
    writeRecord({ ...one, link: { ...one.link!, ports: [], bridge: 'other0', ingressInterface: 'other0' } }, run);
    expect(portHolders(two, two.link!.ports[0]!, run)).toEqual([]);
    expect(sharedByOthers('bridge-drawbridge0', two.key, run)).toBe(false);
  });

  test('that cannot be read count as none and are replaced', () => {
    write(one);
    writeFileSync(join(run, 'ports/tcp-8080.json'), '{"');
    expect(portHolders(two, two.link!.ports[0]!, run)).toEqual([]);
    write(two);
    expect(JSON.parse(readFileSync(join(run, 'ports/tcp-8080.json'), 'utf8'))).toEqual([two.key]);
  });

  test('go with the record, and leave those of others', () => {
    write(one, two);
    removeIndex(one, undefined, run);
    expect(readdirSync(join(run, 'addresses')).toSorted()).toEqual(['10.88.0.3.json', 'fd00:88::3.json']);
    expect(readdirSync(join(run, 'shared/bridge-drawbridge0'))).toEqual([two.key]);
    removeIndex(two, undefined, run);
    expect(['ports', 'addresses', 'shared'].flatMap((folder) => readdirSync(join(run, folder)))).toEqual([]);
  });

  test('that the next record has too stay', () => {
    write(one);
    removeIndex(one, { ...one, link: { ...one.link!, ports: [] } }, run);
    expect(existsSync(join(run, 'ports/tcp-8080.json'))).toBe(false);
    expect(existsSync(join(run, 'addresses/10.88.0.2.json'))).toBe(true);
  });

  test('are not made for what an ADD under way does not have yet', () => {
    write({ ...one, state: 'adding' });
    expect(sharedByOthers('bridge-drawbridge0', two.key, run)).toBe(false);
    expect(portHolders(two, two.link!.ports[0]!, run)).toHaveLength(1);
  });
});
