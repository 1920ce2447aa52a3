import { describe, expect, test } from 'vitest';
import { NetworkNames } from '../../../src/agent/dns/network-names.ts';
import type { AttachmentRecord } from '../../../src/records/record.ts';
import { sample } from '../../records/sample.ts';

const id = 'ab12cd34ef56'.padEnd(64, '0');

function attached(containerId: string, network: string, ...addresses: string[]): AttachmentRecord {
  return sample({ containerId, network, link: { addresses: addresses.map((address) => ({ address })) } });
}

const records = [
  attached('asker', 'blue', '10.88.0.2/16'),
  attached(`default-${id}`, 'blue', '10.88.0.3/16', 'fd00:88::3/64'),
  attached('other', 'red', '10.99.0.3/16'),
];

function named(...names: [string, string][]): ReadonlyMap<string, { name: string }> {
  return new Map(names.map(([containerId, name]) => [containerId, { name }]));
}

describe('a name in the network of the asker', () => {
  const names = new NetworkNames(
    () => records,
    () => named([`default-${id}`, 'Web'], ['other', 'secret']),
  );

  test.each(['web', 'web.blue', 'ab12cd34ef56', 'ab12cd34ef56.blue'])(
    '"%s" has the addresses of its container',
    (name) => expect(names.find('10.88.0.2', name)).toEqual(['10.88.0.3', 'fd00:88::3']),
  );

  test.each(['secret', 'secret.red', 'other', 'web.red', 'nobody'])('"%s" is nobody\'s', (name) =>
    expect(names.find('10.88.0.2', name)).toBeUndefined(),
  );

  test("is nobody's for an address that no container has", () =>
    expect(names.find('10.88.0.77', 'web')).toBeUndefined());
});

test("a name with dots is none: it could be somebody's in DNS", () => {
  const names = new NetworkNames(
    () => records,
    () => named([`default-${id}`, 'api.example.org']),
  );
  expect(names.find('10.88.0.2', 'api.example.org')).toBeUndefined();
  expect(names.find('10.88.0.2', 'api.example.org.blue')).toBeUndefined();
});

test('a name that two containers have leads to both', () => {
  const both = [...records, attached('third', 'blue', '10.88.0.4/16')];
  const names = new NetworkNames(
    () => both,
    () => named([`default-${id}`, 'web'], ['third', 'web']),
  );
  expect(names.find('10.88.0.2', 'web')).toEqual(['10.88.0.3', 'fd00:88::3', '10.88.0.4']);
});

test('what runtimes write is read once a second at most, however often a name is asked', () => {
  let [now, reads] = [0, 0];
  let known = named();
  const names = new NetworkNames(
    () => records,
    () => {
      reads += 1;
      return known;
    },
    () => now,
  );
  for (let index = 0; index < 100; index += 1) names.find('10.88.0.2', `none${index}`);
  expect(reads).toBe(1);
  known = named([`default-${id}`, 'late']);
  expect(names.find('10.88.0.2', 'late')).toBeUndefined();
  now = 1000;
  expect(names.find('10.88.0.2', 'late')).toEqual(['10.88.0.3', 'fd00:88::3']);
  expect(reads).toBe(2);
});

test('a container that comes is known at once by its id, and one that goes is not any more', () => {
  let now: readonly AttachmentRecord[] = records;
  const names = new NetworkNames(
    () => now,
    () => new Map(),
  );
  expect(names.find('10.88.0.2', 'late')).toBeUndefined();
  now = [...records, attached('late', 'blue', '10.88.0.9/16')];
  expect(names.find('10.88.0.2', 'late')).toEqual(['10.88.0.9']);
  now = records;
  expect(names.find('10.88.0.2', 'late')).toBeUndefined();
});
