import { describe, expect, test } from 'vitest';
import { parsePolicy } from '../../../src/egress/parse.ts';
import { policyId } from '../../../src/egress/policy-id.ts';

const idOf = (raw: unknown): string => policyId(parsePolicy(raw, ''));

test('policyId() is 16 hex digits', () => {
  expect(idOf({})).toMatch(/^[0-9a-f]{16}$/);
});

describe('policyId() is the same', () => {
  test.each<[string, unknown, unknown]>([
    [
      'when entries are in another order',
      { allow: ['192.0.2.1', 'a.example.org', 'b.example.org'] },
      { allow: ['b.example.org', 'a.example.org', '192.0.2.1'] },
    ],
    ['when an entry is there twice', { allow: ['192.0.2.1', '192.0.2.1'] }, { allow: ['192.0.2.1'] }],
    [
      'when prefixes are cut in another way',
      { allow: ['203.0.113.0/25', '203.0.113.128/25'] },
      { allow: ['203.0.113.0/24'] },
    ],
    [
      'when entries are spelled in another way',
      { allow: ['2001:DB8::1', 'A.Example.org.'] },
      { allow: ['2001:db8:0::1', 'a.example.org'] },
    ],
    ['when a preset is written out', { preset: 'unrestricted' }, { allow: ['0.0.0.0/0', '::/0'] }],
    ['when a default is written out', {}, { mode: 'restricted', onDeny: 'reject', hostPorts: ['53/tcp', '53/udp'] }],
    [
      'when only the refresh differs',
      { allow: ['a.example.org'] },
      { allow: ['a.example.org'], refreshIntervalMinutes: 5 },
    ],
    ['when only the words of the proxy differ', {}, { dns: { denied: 'nxdomain' } }],
    ['when allow has no effect', { mode: 'restricted', allow: ['a.example.org', '192.0.2.1'] }, {}],
    ['when hostPorts has no effect', { hostAccess: 'all' }, { hostAccess: 'all', hostPorts: ['80/tcp'] }],
  ])('%s', (_what, one, other) => {
    expect(idOf(one)).toBe(idOf(other));
  });
});

describe('policyId() differs', () => {
  test('between a name that is checked and one that is not, whether names are checked or not', () => {
    for (const verifyNames of [true, false]) {
      const [checked, unchecked] = ['a.example.org:443', 'a.example.org:443/unchecked'].map((name) =>
        idOf({ allow: [name], verifyNames }),
      );
      expect(checked).not.toBe(unchecked);
    }
    expect(idOf({ allow: ['a.example.org'], verifyNames: true })).not.toBe(idOf({ allow: ['a.example.org'] }));
  });

  test.each<[string, unknown]>([
    ['by mode', { mode: 'open', isolation: 'container' }],
    ['by allow', { allow: ['192.0.2.1'] }],
    ['by the port of an entry', { allow: ['192.0.2.1:443'] }],
    ['by the protocol of an entry', { allow: ['192.0.2.1:443/tcp'] }],
    ['by a name', { allow: ['a.example.org'] }],
    ['by the port of a name', { allow: ['a.example.org:443'] }],
    ['by a wildcard', { allow: ['*.a.example.org'] }],
    ['by ICMP of a name', { allow: ['a.example.org/icmp'] }],
    ['by allowPrivate', { allowPrivate: ['10.0.0.1'] }],
    ['by deny', { deny: ['10.0.0.1'] }],
    ['by a name in deny', { deny: ['a.example.org'] }],
    ['by the port of a name in deny', { deny: ['a.example.org:443'], verifyNames: true }],
    ['by allowLocalNetworks', { allowLocalNetworks: true }],
    ['by hostAccess', { hostAccess: 'none' }],
    ['by hostPorts', { hostPorts: ['53/udp'] }],
    ['by isolation', { isolation: 'none' }],
    ['by ingress', { ingress: 'open' }],
    ['by ipv6', { ipv6: 'disable' }],
    ['by the resolvers', { dns: { upstream: ['9.9.9.9'] } }],
    ['by onDeny', { onDeny: 'drop' }],
    ['by audit', { audit: true }],
    ['by preset', { preset: 'none' }],
  ])('%s', (_what, raw) => {
    const others = [{}, { allow: ['192.0.2.9'] }, { allow: ['x.example.org'] }];
    expect(others.map(idOf)).not.toContain(idOf(raw));
  });

  test('between all of the entries of one address', () => {
    const ids = ['', ':443', ':443/tcp', '/tcp', '/icmp', ':443-444'].map((tail) =>
      idOf({ allow: [`192.0.2.1${tail}`] }),
    );
    expect(new Set(ids).size).toBe(ids.length);
  });
});
