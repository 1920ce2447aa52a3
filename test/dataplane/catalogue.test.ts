import { expect, test } from 'vitest';
import { catalogue, declaredSet } from '../../src/dataplane/catalogue.ts';
import { restoredChainsText } from '../../src/dataplane/transaction.ts';
import { chainBlock, setBlock } from '../../src/nft/declaration-text.ts';

const { sets, counters, chains } = catalogue;

test('no two declarations of a table have one name', () => {
  const names = [...sets, ...chains].map(({ table, name }) => `${table} ${name}`);
  expect(names.length).toBe(new Set(names).size);
});

test('every set that rules look up is declared, in the table of the rules, and every declared one is looked up', () => {
  const wanted = chains.flatMap(({ table, rules }) =>
    rules.flatMap((rule) => [...rule.matchAll(/@(\w+)\b(?!,)/gu)].map(([, name]) => `${table} ${name}`)),
  );
  const declared = sets.map(({ table, name }) => `${table} ${name}`);
  const known = new Set(declared);
  expect([...new Set(wanted)].filter((name) => !known.has(name))).toEqual([]);
  // These are for the chains of policies (egress/compile.ts).
  const ofPolicies = /(?:gateways|metadata|bogon|private|onlink)[46]$/u;
  expect(declared.filter((name) => !wanted.includes(name) && !ofPolicies.test(name))).toEqual([]);
});

test('every chain that rules and elements lead to is declared', () => {
  const known = new Set(chains.map(({ table, name }) => `${table} ${name}`));
  const wanted = chains.flatMap(({ table, rules }) =>
    rules.flatMap((rule) => [...rule.matchAll(/(?:goto|jump) (\w+)/gu)].map(([, name]) => `${table} ${name}`)),
  );
  expect(wanted.filter((name) => !known.has(name))).toEqual([]);
  expect(wanted.length).toBeGreaterThan(40);
});

test('every counter that rules name is declared', () => {
  const known = new Set(counters.map(({ table, name }) => `${table} ${name}`));
  const wanted = chains.flatMap(({ table, rules }) =>
    rules.flatMap((rule) => [...rule.matchAll(/counter name (\w+)/gu)].map(([, name]) => `${table} ${name}`)),
  );
  expect(new Set(wanted)).toEqual(known);
});

test('who fills a set goes with its flags', () => {
  for (const { name, filledBy, flags = [], elements, isCounted } of sets) {
    expect([name, elements !== undefined]).toEqual([name, filledBy === 'constant']);
    if (filledBy === 'bucket') expect([name, flags.includes('dynamic')]).toEqual([name, true]);
    else expect([name, flags.includes('timeout')]).toEqual([name, filledBy === 'expiring' || filledBy === 'counter']);
    if (filledBy === 'counter') expect([name, flags.includes('dynamic'), isCounted]).toEqual([name, true, true]);
  }
});

test.each([
  [{ key: ['ifname', 'ipv4_addr'], value: 'verdict' } as const, '  map one { type ifname . ipv4_addr : verdict; }'],
  [
    { key: ['ipv4_addr'], flags: ['dynamic', 'timeout'], size: 5, timeoutMinutes: 2, isCounted: true } as const,
    '  set one { type ipv4_addr; flags dynamic, timeout; size 5; timeout 2m; counter; }',
  ],
  [
    { key: ['ipv4_addr'], flags: ['interval'], elements: [['10.0.0.0/8'], ['192.0.2.1']] } as const,
    '  set one { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.0.2.1 } }',
  ],
  [
    { key: ['inet_proto'], value: ['ipv6_addr', 'inet_service'] } as const,
    '  map one { type inet_proto : ipv6_addr . inet_service; }',
  ],
  [{ key: ['half_addr'], typeof: '@th,64,64' } as const, '  set one { typeof @th,64,64; }'],
])('a set is written as nft reads it (%#)', (set, text) => {
  expect(setBlock({ table: 'inet drawbridge', name: 'one', filledBy: 'record', about: '', ...set })).toBe(text);
});

test('a chain is restored as it was declared; one that the layout does not have is not', () => {
  const [chain] = chains.filter(({ name }) => name === 'egress_forward');
  const text = restoredChainsText([{ table: 'inet drawbridge', chain: 'egress_forward' }], []);
  expect(text).toContain(chain === undefined ? expect.fail() : chainBlock(chain));
  expect(restoredChainsText([{ table: 'bridge drawbridge', chain: 'egress_forward' }], [])).toBeUndefined();
});

test('a set is found by its name in its own table', () => {
  expect(declaredSet('inet drawbridge', 'egress4')?.key).toEqual(['ifname', 'ipv4_addr']);
  expect(declaredSet('bridge drawbridge', 'egress4')).toBeUndefined();
});
