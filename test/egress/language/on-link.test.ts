import { describe, expect, test } from 'vitest';
import { judge } from '../../../src/egress/judge.ts';
import { closedRuns, onLinkNetworks } from '../../../src/egress/on-link.ts';
import { parsePolicy } from '../../../src/egress/parse.ts';
import { noOwnPresets } from '../../../src/egress/presets.ts';
import { policyNotices } from '../../../src/egress/describe.ts';

describe('onLinkNetworks()', () => {
  test.each([
    ['a public network', ['203.0.113.7/24'], ['203.0.113.0/24']],
    ['both families in their order', ['2001:db8:7::9/64', '203.0.113.7/24'], ['203.0.113.0/24', '2001:db8:7::/64']],
    ['one of two addresses in a network', ['203.0.113.7/24', '203.0.113.8/24'], ['203.0.113.0/24']],
    ['the wider of two networks', ['203.0.113.7/28', '203.0.113.8/24'], ['203.0.113.0/24']],
    ['no private network', ['10.88.0.1/16', 'fd00::1/64', '192.168.1.2/24'], []],
    ['no loopback, link-local or carrier network', ['127.0.0.1/8', '::1/128', 'fe80::1/64', '100.64.0.1/10'], []],
    ['a network of /8 and of /32', ['9.1.2.3/8', '2001:db8::1/32'], ['9.0.0.0/8', '2001:db8::/32']],
    ['nothing shorter', ['9.1.2.3/7', '2001:db8::1/31', '0.0.0.0/0', '::/0', '0.0.0.0/1'], []],
    ['nothing that is no address', ['eth0/24', ''], []],
  ])('gives %s', (_, addresses, expected) => {
    expect(onLinkNetworks(addresses).map(({ prefix }) => prefix)).toEqual(expected);
  });

  test('gives a far end, and what a router announces', () => {
    expect(onLinkNetworks(['198.51.100.1/32', '2001:db8:7::5/128'], ['198.51.100.7/32', '2001:db8:7::/64'])).toEqual([
      { prefix: '198.51.100.7/32', own: [] },
      { prefix: '2001:db8:7::/64', own: ['2001:db8:7::5'] },
    ]);
  });

  test('gives no address of the host itself', () => {
    expect(onLinkNetworks(['198.51.100.1/32', '2001:db8:7::5/128'])).toEqual([]);
  });
});

test("closedRuns() leaves out the host's own addresses", () => {
  expect(closedRuns({ prefix: '203.0.113.0/24', own: ['203.0.113.1'] })).toEqual([
    '203.0.113.0',
    '203.0.113.2-203.0.113.255',
  ]);
});

const onLink = onLinkNetworks(['203.0.113.1/24', '2001:db8:7::1/64']);
const around = { gateways: [], hostAddresses: [], siblings: [], published: [], onLink };

describe('a network that the host is on', () => {
  test.each<[string, object, string, string]>([
    ['closed in mode restricted', {}, 'deny', 'private'],
    ['closed below a wider prefix of an allowlist', { allow: ['0.0.0.0/0'] }, 'deny', 'private'],
    ['open by allowLocalNetworks', { allowLocalNetworks: true }, 'allow', 'allowLocalNetworks'],
    ['open by allowPrivate', { allowPrivate: ['203.0.113.0/25'] }, 'allow', 'allowPrivate "203.0.113.0/25"'],
    ['closed by deny all the same', { allowLocalNetworks: true, deny: ['203.0.113.9'] }, 'deny', 'deny "203.0.113.9"'],
    ['open in mode open', { mode: 'open' }, 'allow', 'mode "open"'],
  ])('is %s', (_, policy, verdict, rule) => {
    const asked = { address: '203.0.113.9', protocol: 'tcp', port: 80 };
    expect(judge(parsePolicy(policy, ''), asked, around)).toMatchObject({ verdict, rule });
  });

  test("leaves the host's own address in it to what holds for the host and for public addresses", () => {
    const asked = { address: '203.0.113.1', protocol: 'tcp', port: 80 };
    expect(judge(parsePolicy({}, ''), asked, around).verdict).toBe('allow');
    expect(judge(parsePolicy({}, ''), asked, { ...around, hostAddresses: ['203.0.113.1'] }).verdict).toBe('deny');
  });

  test('leaves a public address of allowPrivate elsewhere to the mode', () => {
    const policy = parsePolicy({ mode: 'allowlist', allowPrivate: ['8.8.8.8'] }, '');
    expect(judge(policy, { address: '8.8.8.8', protocol: 'tcp', port: 80 }, around).verdict).toBe('deny');
    expect(policyNotices(policy, onLink)).toEqual([
      'allowPrivate "8.8.8.8" opens nothing on this host: it is public, and on no network of the host; public destinations belong under "allow"',
    ]);
  });

  test('takes no entry of allow within it, and tells of one that is wider', () => {
    expect(() => parsePolicy({ allow: ['203.0.113.9'] }, '', noOwnPresets, onLink)).toThrow('it is in 203.0.113.0/24');
    expect(() => parsePolicy({ mode: 'restricted', allow: ['203.0.113.9'] }, '', noOwnPresets, onLink)).not.toThrow();
    expect(policyNotices(parsePolicy({ allow: ['203.0.0.0/16'] }, '', noOwnPresets, onLink), onLink)).toContain(
      'allow "203.0.0.0/16" does not open 203.0.113.0/24, a network that this host is on: only "allowPrivate" does',
    );
  });
});
