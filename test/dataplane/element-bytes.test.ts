import { expect, test } from 'vitest';
import { encodeKey } from '../../src/dataplane/element-bytes.ts';
import type { Part, TableName } from '../../src/nft/element.ts';

function hex(table: TableName, set: string, key: readonly Part[]): string | undefined {
  const bytes = encodeKey(table, set, key);
  return bytes === undefined ? undefined : Buffer.from(bytes).toString('hex');
}

const name = Buffer.from('db0'.padEnd(16, '\0')).toString('hex');

test.each([
  ['bridges', [{ interface: 'db0' }], name],
  ['masquerade4', ['10.88.0.2'], '0a580002'],
  ['egress4', [{ interface: 'db0' }, '10.88.0.2'], `${name}0a580002`],
  [
    'gateways6',
    [{ interface: 'db0' }, 'fd00:88::10', 'fe80::1'],
    `${name}fd000088${'0'.repeat(20)}0010fe80${'0'.repeat(24)}0001`,
  ],
  ['published4', ['tcp', '8080'], '060000001f900000'],
  ['published4', ['132', '8080'], '840000001f900000'],
  ['published4_at', ['192.0.2.1', 'udp', '53'], 'c00002011100000000350000'],
  ['policy_ab12_names4_tcp_443', ['192.0.2.1'], 'c0000201'],
  ['policy_ab12_names6_any', ['2001:db8::1'], `20010db8${'0'.repeat(23)}1`],
])('a key of %s, %s, is the bytes that the kernel has', (set, key, expected) => {
  expect(hex('inet drawbridge', set, key)).toBe(expected);
});

test('a MAC in a concatenation is filled up, and halves of an address are not', () => {
  expect(
    hex('bridge drawbridge', 'guard_nd', [{ interface: 'db0' }, '02:00:00:00:00:0a', '18338657682652659712', '1']),
  ).toBe(`${name}02000000000a0000fe800000000000000000000000000001`);
});

test.each([
  ['inet drawbridge', 'unheard_of', ['10.0.0.1']],
  ['bridge drawbridge', 'egress4', [{ interface: 'db0' }, '10.88.0.2']],
  ['inet drawbridge', 'egress4', [{ interface: 'db0' }]],
  ['inet drawbridge', 'egress4', [{ interface: 'db0' }, 'fd00::1']],
  ['inet drawbridge', 'egress4', ['db0', '10.88.0.2']],
  ['inet drawbridge', 'bridges', [{ interface: 'a-name-of-16-byt' }]],
  ['inet drawbridge', 'published4', ['tcp', '65536']],
  ['inet drawbridge', 'published4', ['tcp', '-1']],
  ['inet drawbridge', 'masquerade4', ['10.0.0.0/8']],
  ['bridge drawbridge', 'guard_mac', [{ interface: 'db0' }, '02:00:00:00:00']],
] as const)('of %s %s, %s is no key', (table, set, key) => {
  expect(hex(table, set, key)).toBeUndefined();
});
