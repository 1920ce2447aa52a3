import { describe, expect, test } from 'vitest';
import { beyondBounds, makeGrant, policyAt, withGrants, withoutGrants } from '../../../src/egress/grants.ts';
import { judge } from '../../../src/egress/judge.ts';
import { parsePolicy } from '../../../src/egress/parse.ts';
import { policyId } from '../../../src/egress/policy-id.ts';
import type { Grant, Policy } from '../../../src/egress/policy.ts';

const list = { allow: ['a.example.org:443', '192.0.2.1'] };
const grant = (text: string, policy: Policy = parsePolicy(list, ''), key = 'one', endsAt = 1000): Grant =>
  makeGrant(text, policy, { key, endsAt, onLink: [] });

describe('a policy with grants', () => {
  test('opens them until they end, and is then what it was', () => {
    const base = parsePolicy(list, '');
    const granted = withGrants(base, [grant('203.0.113.7:443/tcp'), grant('b.example.org:443')], 0);
    const asked = { address: '203.0.113.7', protocol: 'tcp', port: 443 };
    expect(judge(granted, asked)).toMatchObject({ verdict: 'allow', rule: 'grant "203.0.113.7:443/tcp"' });
    expect(judge(granted, { ...asked, address: '198.51.100.9', names: ['b.example.org'] }).verdict).toBe('allow');
    expect(judge(policyAt(granted, 1001), asked).verdict).toBe('deny');
    expect(policyAt(granted, 1001)).toEqual(base);
    expect(withoutGrants(granted)).toEqual(base);
    expect(JSON.stringify(withoutGrants(granted))).toBe(JSON.stringify(base));
  });

  test('shares its chains with no other container, and keeps them when a grant is renewed', () => {
    const base = parsePolicy(list, '');
    const ids = [
      base,
      withGrants(base, [grant('203.0.113.7')], 0),
      withGrants(base, [grant('203.0.113.7', base, 'other')], 0),
      withGrants(base, [grant('203.0.113.7', base, 'one', 5000)], 0),
    ].map(policyId);
    expect(new Set(ids).size).toBe(3);
    expect(ids[3]).toBe(ids[1]);
  });

  test('loses those that its bounds, its mode or "deny" no longer let be', () => {
    const grants = [grant('203.0.113.7'), grant('b.example.org')];
    const left = (more: object): string[] =>
      (withGrants(parsePolicy({ ...list, ...more }, ''), grants, 0).grants ?? []).map(({ rule }) => rule.source);
    expect(left({})).toEqual(['grant "203.0.113.7"', 'grant "b.example.org"']);
    expect(left({ deny: ['b.example.org', '203.0.113.0/24'] })).toEqual([]);
    expect(left({ maxGrants: { count: 1 } })).toEqual(['grant "203.0.113.7"']);
    expect(left({ mode: 'restricted' })).toEqual([]);
  });
});

test.each<[string, string, object, string]>([
  ['in a mode that is no list', '203.0.113.7', { mode: 'restricted', allow: undefined }, 'mode "restricted"'],
  ['of a private address', '10.1.2.3:443', {}, '10.0.0.0/8 closes it'],
  ['of the metadata address', '169.254.169.254', {}, '169.254.0.0/16 closes it'],
  ['of a denied name', 'b.example.org:443', { deny: ['*.example.org'] }, 'deny "*.example.org" closes it'],
  ['of a denied prefix', '203.0.113.7', { deny: ['203.0.113.0/24'] }, 'deny "203.0.113.0/24" closes it'],
  ['of a protocol that shows no name', 'b.example.org:22', { verifyNames: true }, 'the first bytes of SSH'],
  ['of what is no destination', 'b.example.org:0', {}, '"0" is not a port'],
])('no grant is made %s', (_what, text, more, why) => {
  expect(() => grant(text, parsePolicy({ ...list, ...more }, ''))).toThrow(why);
});

describe('"maxGrants"', () => {
  const within = ['*.example.org:443', '203.0.113.0/24', 'c.example.net:8000-8100/tcp'];
  const policy = parsePolicy({ ...list, maxGrants: { within, for: '2h', count: 2 } }, '');

  test.each([
    'b.example.org:443',
    '*.b.example.org:443/tcp',
    '203.0.113.7:22/tcp',
    '203.0.113.128/25',
    'c.example.net:8080/tcp',
  ])('lets "%s" be granted', (text) => expect(beyondBounds(policy, [grant(text)])).toBeUndefined());

  test.each([
    'b.example.org',
    'b.example.org:80',
    'example.org:443',
    '203.0.112.0/23',
    'c.example.net:8080',
    'c.example.net:7999-8001/tcp',
    'b.example.org:443/tcp/unchecked',
  ])('does not let "%s" be granted', (text) =>
    expect(beyondBounds(policy, [grant(text)])).toBe(`"maxGrants" opens nothing that holds grant "${text}"`),
  );

  test('counts those of one container', () => {
    expect(policy.maxGrants?.milliseconds).toBe(7_200_000);
    const three = ['a', 'b', 'c'].map((name) => grant(`${name}.x.example.org:443`));
    expect(beyondBounds(policy, three)).toBe('"maxGrants" lets 2 be there at once');
  });
});
