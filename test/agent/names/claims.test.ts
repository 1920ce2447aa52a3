import { expect, test } from 'vitest';
import { Claims, type Asker } from '../../../src/agent/names/claims.ts';
import { plainText, type Element } from '../../../src/nft/element.ts';

const set = 'policy_ab12_names4_tcp_443';

function element(name: string, address: string): Element {
  return { table: 'inet drawbridge', set, key: [address], timeout: 60, comment: name };
}

function addresses(from: number, count: number, name = 'x.example.net'): Element[] {
  return Array.from({ length: count }, (_, index) => element(name, `198.51.100.${from + index}`));
}

const one: Asker = { source: '10.88.0.2', wildcard: '*.example.net' };
const other: Asker = { source: '10.88.0.3', wildcard: '*.example.net' };

function keys(elements: readonly Element[]): string[] {
  return elements.map(({ key }) => plainText(key[0] ?? ''));
}

test('a container that has as many addresses as one may loses its oldest, and nobody else any', () => {
  const claims = new Claims({ container: 3 });
  claims.add(addresses(100, 2), other);
  const { closed, crowds } = claims.add(addresses(0, 5), one);
  expect(keys(closed)).toEqual(['198.51.100.0', '198.51.100.1']);
  expect(crowds).toEqual([{ asker: one, name: 'x.example.net', limit: 'container', most: 3, count: 2 }]);
  expect(addresses(100, 2).every((each) => claims.has(each))).toBe(true);
});

test('what is asked for again is the youngest', () => {
  const claims = new Claims({ container: 2 });
  claims.add(addresses(0, 2), one);
  claims.add(addresses(0, 1), one);
  expect(keys(claims.add(addresses(2, 1), one).closed)).toEqual(['198.51.100.1']);
});

test('an address that another container asked for too, or that a listed name has, stays open', () => {
  const claims = new Claims({ container: 2 });
  claims.add(addresses(0, 3, 'y.example.net'), one);
  claims.add(addresses(1, 1, 'y.example.net'), other);
  claims.add(addresses(2, 1, 'api.example.org'), undefined);
  expect(keys(claims.add(addresses(10, 2), one).closed)).toEqual([]);
  expect(claims.has(element('', '198.51.100.0'))).toBe(false);
  expect(claims.has(element('', '198.51.100.1'))).toBe(true);
  expect(claims.has(element('', '198.51.100.2'))).toBe(true);
});

test('a name has so many addresses, whoever asks for it', () => {
  const claims = new Claims({ name: 3 });
  const { closed, crowds } = claims.add(addresses(0, 4, 'api.example.org'), undefined);
  expect(keys(closed)).toEqual(['198.51.100.0']);
  expect(crowds).toMatchObject([{ asker: undefined, name: 'api.example.org', limit: 'name', count: 1 }]);
});

test.each(['wildcard', 'wildcards'] as const)(
  'when all of a %s is full, the oldest of the container that has most goes',
  (limit) => {
    const claims = new Claims({ [limit]: 5 });
    claims.add(addresses(100, 1), other);
    expect(keys(claims.add(addresses(0, 4), one).closed)).toEqual([]);
    expect(keys(claims.add(addresses(101, 1), other).closed)).toEqual(['198.51.100.0']);
  },
);

test('wildcards leave listed names their room, and the set has room for ADD', () => {
  const claims = new Claims({ wildcards: 3, set: 6 });
  claims.add(addresses(0, 5), one);
  for (const name of ['a', 'b', 'c'])
    expect(claims.add(addresses(name.codePointAt(0) ?? 0, 1, name), undefined).closed).toEqual([]);
  const { closed, crowds } = claims.add(addresses(200, 1, 'd'), undefined);
  expect(keys(closed)).toEqual(['198.51.100.2']);
  expect(crowds).toMatchObject([{ asker: one, limit: 'set' }]);
});

test('what is forgotten counts no longer', () => {
  const claims = new Claims({ container: 1 });
  const [first] = addresses(0, 1);
  claims.add(addresses(0, 1), one);
  if (first !== undefined) claims.forget(first);
  expect(claims.add(addresses(1, 1), one).closed).toEqual([]);
});

test('a flood of 60,000 addresses by one container takes no more than its share, in time', () => {
  const claims = new Claims();
  claims.add(addresses(100, 50), other);
  for (let round = 0; round < 60; round += 1) {
    const some = Array.from({ length: 1000 }, (_, index) =>
      element(`n${round}`, `203.${round}.${index >> 8}.${index & 255}`),
    );
    claims.add(some, one);
  }
  expect(addresses(100, 50).every((each) => claims.has(each))).toBe(true);
  expect(claims.has(element('', '203.59.3.231'))).toBe(true);
  expect(claims.has(element('', '203.50.0.0'))).toBe(false);
});
