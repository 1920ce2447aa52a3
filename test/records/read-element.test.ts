import { expect, test } from 'vitest';
import { dataText, type Element } from '../../src/nft/element.ts';
import { readElement } from '../../src/records/read-element.ts';
import { elementsOf } from '../../src/records/sections.ts';
import { sample } from './sample.ts';

const elements = elementsOf(sample({ link: { enforced: true } }));

test('readElement() reads what every element becomes as JSON', () => {
  const plain = elements.map(({ table, set, key, value }): Element =>
    value === undefined ? { table, set, key } : { table, set, key, value },
  );
  expect(plain.length).toBeGreaterThan(5);
  expect(elements.map((element) => readElement(JSON.parse(JSON.stringify(element))))).toEqual(plain);
});

test('readElement() reads an entry of 0.1.0, where a key and a verdict were text of nft', () => {
  const shared = elements.filter((element) => element.shared !== undefined);
  const old = shared.map(({ table, set, key, value }) => ({
    table,
    set,
    key: dataText(key),
    ...(value === undefined ? {} : { value: dataText(value) }),
  }));
  expect(old.map(({ value }) => value)).toContain('jump egress_out');
  const read = old.map(readElement);
  expect(read).toEqual(old.map((_, at) => expect.objectContaining({ key: shared[at]?.key })));
  expect(read.map((element) => element?.value)).toEqual(shared.map(({ value }) => value));
});

test.each([
  null,
  {},
  { table: 'inet filter', set: 'bridges', key: [{ interface: 'br0' }] },
  { table: 'inet drawbridge', set: 'bridges } ; flush ruleset', key: [{ interface: 'br0' }] },
  { table: 'inet drawbridge', set: 'bridges', key: [] },
  { table: 'inet drawbridge', set: 'bridges', key: [null] },
  { table: 'inet drawbridge', set: 'bridges', key: [{ interface: 'br0" } ; flush' }] },
  { table: 'inet drawbridge', set: 'bridges', key: ['10.0.0.1 }\nflush ruleset'] },
  { table: 'inet drawbridge', set: 'bridges', key: '"br0" }\nflush ruleset' },
  { table: 'inet drawbridge', set: 'enforced_out', key: [{ interface: 'br0' }], value: 'jump a ; b' },
  { table: 'inet drawbridge', set: 'enforced_out', key: [{ interface: 'br0' }], value: { jump: 'a ; b' } },
])('readElement() takes %j for no element', (json) => {
  expect(readElement(json)).toBeUndefined();
});
