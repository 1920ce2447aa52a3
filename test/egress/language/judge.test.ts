import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Destination } from '../../../src/egress/destination.ts';
import { judge, type Surroundings } from '../../../src/egress/judge.ts';
import { parsePolicy } from '../../../src/egress/parse.ts';
import { aPort, aProtocol, anAddress, means, someNames, someRules } from './rules.ts';

/** "tcp 192.0.2.1:443" or "icmp 192.0.2.1"; names after "via". */
function destination(text: string): Destination {
  const [protocol = '', target = '', , ...names] = text.split(' ');
  const match = /^\[?([^\]]+?)\]?(?::(\d+))?$/.exec(target);
  const isBare6 = target.includes(':') && !target.startsWith('[') && target.split(':').length > 2;
  const address = isBare6 ? target : (match?.[1] ?? '');
  return {
    protocol,
    address,
    ...(isBare6 || match?.[2] === undefined ? {} : { port: Number(match[2]) }),
    ...(names.length === 0 ? {} : { names }),
  };
}

const around: Surroundings = {
  gateways: ['10.88.0.1', 'fd00:88::1'],
  hostAddresses: ['10.88.0.1', '192.168.1.10', '203.0.113.10', 'fe80::1'],
  siblings: [
    { address: '10.88.0.3', sameBridge: true, policy: { isolation: 'container', ingress: 'open', audit: false } },
    { address: '10.88.0.4', sameBridge: true, policy: { isolation: 'bridge', ingress: 'published', audit: false } },
    { address: '10.88.0.5', sameBridge: true, policy: { isolation: 'container', ingress: 'published', audit: true } },
    { address: '10.99.0.3', sameBridge: false, policy: { isolation: 'none', ingress: 'open', audit: false } },
    { address: '10.99.0.4', sameBridge: false, policy: { isolation: 'none', ingress: 'published', audit: true } },
  ],
  published: [
    { protocol: 'tcp', port: 8080 },
    { protocol: 'tcp', port: 9090, hostAddress: '203.0.113.10' },
  ],
  onLink: [],
};

const everywhere = ['0.0.0.0/0', '::/0'];

describe('judge() denies', () => {
  test.each<[string, unknown, string, string]>([
    ['a private address in restricted', {}, 'tcp 10.0.0.1:80', 'private'],
    ['172.16/12 in restricted', {}, 'tcp 172.31.255.255:80', 'private'],
    ['192.168/16 in restricted', {}, 'udp 192.168.7.7:53', 'private'],
    ['carrier ranges in restricted', {}, 'tcp 100.64.0.1:80', 'private'],
    ['unique local addresses in restricted', {}, 'tcp [fd00::1]:80', 'private'],
    ['the metadata address in restricted', {}, 'tcp 169.254.169.254:80', 'metadata'],
    ['the metadata address of AWS over IPv6', {}, 'tcp [fd00:ec2::254]:80', 'metadata'],
    ['the metadata address of Google over IPv6', {}, 'tcp [fd20:ce::254]:80', 'metadata'],
    ['the metadata address of Azure', {}, 'tcp 168.63.129.16:80', 'metadata'],
    ['the metadata address of Alibaba', {}, 'tcp 100.100.100.200:80', 'metadata'],
    ['the metadata address of Oracle', {}, 'tcp 192.0.0.192:80', 'metadata'],
    ['link-local IPv6', {}, 'icmp fe80::5', 'metadata'],
    ['an IPv4-mapped private address', {}, 'tcp [::ffff:10.0.0.1]:80', 'bogon'],
    ['a 6to4 form of a private address', {}, 'tcp [2002:a00:1::1]:80', 'private'],
    ['a 6to4 form of the metadata address', {}, 'tcp [2002:a9fe:a9fe::1]:80', 'metadata'],
    ['a 6to4 form of loopback', {}, 'tcp [2002:7f00:1::1]:80', 'bogon'],
    ['a 6to4 form of an address of a listed prefix', { allow: everywhere }, 'tcp [2002:c0a8:1::1]:80', 'private'],
    [
      'what is behind a denied address by 6to4',
      { mode: 'open', deny: ['8.8.8.0/24'] },
      'tcp [2002:808:808::1]:80',
      'deny "8.8.8.0/24"',
    ],
    ['what is behind a listed address by 6to4', { allow: ['8.8.8.8'] }, 'tcp [2002:808:808::1]:80', 'mode "allowlist"'],
    ['a NAT64 form of the metadata address', {}, 'tcp [64:ff9b::a9fe:a9fe]:80', 'metadata'],
    ['a NAT64 form of a private address', {}, 'tcp [64:ff9b::a00:1]:80', 'private'],
    ['a NAT64 form of loopback', {}, 'tcp [64:ff9b::7f00:1]:80', 'bogon'],
    ["NAT64 with a prefix of one's own", {}, 'tcp [64:ff9b:1::808:808]:80', 'bogon'],
    ['loopback', {}, 'tcp 127.0.0.1:80', 'bogon'],
    ['0.0.0.0', {}, 'tcp 0.0.0.0:80', 'bogon'],
    ['broadcast', {}, 'udp 255.255.255.255:67', 'bogon'],
    ['multicast', {}, 'udp 224.0.0.251:5353', 'bogon'],
    ['a relay of 6to4', {}, 'udp 192.88.99.1:53', 'bogon'],
    ['ORCHID', {}, 'tcp [2001:10::1]:80', 'bogon'],
    ['ORCHIDv2', {}, 'tcp [2001:2f:ffff::1]:80', 'bogon'],
    ['the newer documentation prefix', {}, 'tcp [3fff:fff::1]:80', 'bogon'],
    ['the last address before 2000::/3', {}, 'tcp [1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:80', 'bogon'],
    ['the first address behind 2000::/3', {}, 'tcp [4000::]:80', 'bogon'],
    ['an identifier of segment routing', {}, 'tcp [5f00::1]:80', 'bogon'],
    ['the last address before unique local ones', {}, 'tcp [fbff::1]:80', 'bogon'],
    ['the first address behind unique local ones', {}, 'tcp [fe00::1]:80', 'bogon'],
    ['the last address before link-local ones', {}, 'tcp [fe7f:ffff::1]:80', 'bogon'],
    ['a private address that is listed', { allow: ['10.0.0.1'] }, 'tcp 10.0.0.1:80', 'private'],
    ['a private address below a listed prefix', { allow: everywhere }, 'tcp 10.0.0.1:80', 'private'],
    ['the metadata address under "unrestricted"', { preset: 'unrestricted' }, 'tcp 169.254.169.254:80', 'metadata'],
    [
      'a private address that a name resolves to',
      { allow: ['*.example.org'] },
      'tcp 10.0.0.1:80 via a.example.org',
      'private',
    ],
    [
      'the metadata address that a name resolves to',
      { allow: ['a.example.org'], allowLocalNetworks: true },
      'tcp 169.254.169.254:80 via a.example.org',
      'metadata',
    ],
    ['metadata with local networks open', { allowLocalNetworks: true }, 'tcp 100.100.100.200:80', 'metadata'],
    [
      'metadata below a private prefix that is open',
      { allowPrivate: ['100.64.0.0/10'] },
      'tcp 100.100.100.200:80',
      'metadata',
    ],
    ['another port of a private destination', { allowPrivate: ['10.0.0.1:5432/tcp'] }, 'tcp 10.0.0.1:22', 'private'],
    [
      'another protocol of a private destination',
      { allowPrivate: ['10.0.0.1:5432/tcp'] },
      'udp 10.0.0.1:5432',
      'private',
    ],
    [
      'a denied address that is listed too',
      { allow: ['192.0.2.1'], deny: ['192.0.2.0/24'] },
      'tcp 192.0.2.1:443',
      'deny "192.0.2.0/24"',
    ],
    [
      'a denied private address that is opened too',
      { allowPrivate: ['10.0.0.1'], deny: ['10.0.0.1'] },
      'tcp 10.0.0.1:443',
      'deny "10.0.0.1"',
    ],
    [
      'a denied address in mode open',
      { mode: 'open', deny: ['8.8.8.8:53/udp'] },
      'udp 8.8.8.8:53',
      'deny "8.8.8.8:53/udp"',
    ],
    ['a denied gateway', { hostAccess: 'all', deny: ['10.88.0.1'] }, 'udp 10.88.0.1:53', 'deny "10.88.0.1"'],
    ['what is not listed', { allow: ['192.0.2.1'] }, 'tcp 192.0.2.2:443', 'mode "allowlist"'],
    ['another port of what is listed', { allow: ['192.0.2.1:443'] }, 'tcp 192.0.2.1:80', 'mode "allowlist"'],
    ['ICMP where a port is listed', { allow: ['192.0.2.1:443'] }, 'icmp 192.0.2.1', 'mode "allowlist"'],
    ['GRE where tcp is listed', { allow: ['192.0.2.1/tcp'] }, 'gre 192.0.2.1', 'mode "allowlist"'],
    ['UDP-Lite where a port is listed', { allow: ['192.0.2.1:443'] }, 'udplite 192.0.2.1:443', 'mode "allowlist"'],
    [
      'a subdomain of a listed name',
      { allow: ['github.com'] },
      'tcp 192.0.2.1:443 via api.github.com',
      'mode "allowlist"',
    ],
    ['the apex of a wildcard', { allow: ['*.example.org'] }, 'tcp 192.0.2.1:443 via example.org', 'mode "allowlist"'],
    [
      'a name that ends like a wildcard',
      { allow: ['*.example.org'] },
      'tcp 192.0.2.1:443 via evilexample.org',
      'mode "allowlist"',
    ],
    [
      'a name at another port',
      { allow: ['github.com:443/tcp'] },
      'tcp 192.0.2.1:22 via github.com',
      'mode "allowlist"',
    ],
    ['everything but DNS in "none"', { preset: 'none' }, 'icmp 8.8.8.8', 'mode "allowlist"'],
    ['DNS to another server in "none"', { preset: 'none' }, 'udp 8.8.8.8:53', 'mode "allowlist"'],
    ['another port of the gateway', {}, 'tcp 10.88.0.1:22', 'hostPorts'],
    ['another protocol of the gateway', {}, 'sctp 10.88.0.1:53', 'hostPorts'],
    ['DNS at another address of the host', {}, 'udp 192.168.1.10:53', 'hostAccess "ports"'],
    ['echo at another address of the host', {}, 'icmp 203.0.113.10', 'hostAccess "ports"'],
    ['the host by its link-local address', {}, 'tcp [fe80::1]:22', 'hostAccess "ports"'],
    [
      'an address of the host that is opened',
      { allowPrivate: ['192.168.1.10'] },
      'tcp 192.168.1.10:22',
      'hostAccess "ports"',
    ],
    ['the host in mode open', { mode: 'open' }, 'tcp 203.0.113.10:22', 'hostAccess "ports"'],
    ['the gateway without host access', { hostAccess: 'none' }, 'udp 10.88.0.1:53', 'hostAccess "none"'],
    ['echo at the gateway without host access', { hostAccess: 'none' }, 'icmp 10.88.0.1', 'hostAccess "none"'],
    ['a sibling that is isolated', { mode: 'open' }, 'tcp 10.88.0.3:80', 'isolation "container"'],
    ['a sibling when the container is isolated', {}, 'tcp 10.88.0.4:80', 'isolation "container"'],
    ['a container on another bridge', { mode: 'open' }, 'tcp 10.99.0.3:80', 'ingress "open"'],
    ['a published port at a private address of the host', {}, 'tcp 192.168.1.10:8080', 'private'],
    ['a published port at another address of the host', {}, 'tcp 192.168.1.10:9090', 'hostAccess "ports"'],
    ['a published port by another protocol', {}, 'udp 203.0.113.10:8080', 'hostAccess "ports"'],
    ['IPv6 when it is off', { mode: 'open', ipv6: 'disable' }, 'tcp [2001:db8::1]:443', 'ipv6 "disable"'],
  ])('%s', (_what, raw, text, rule) => {
    expect(judge(parsePolicy(raw, ''), destination(text), around)).toMatchObject({ verdict: 'deny', rule });
  });
});

describe('judge() allows', () => {
  test.each<[string, unknown, string, string]>([
    ['the public internet in restricted', {}, 'tcp 192.0.2.1:443', 'mode "restricted"'],
    ['any protocol in restricted', {}, 'gre 192.0.2.1', 'mode "restricted"'],
    ['IPv6 in restricted', {}, 'tcp [2001:db8::1]:443', 'mode "restricted"'],
    ['a private address in open', { mode: 'open' }, 'tcp 10.0.0.1:80', 'mode "open"'],
    ['the metadata address in open', { mode: 'open' }, 'tcp 169.254.169.254:80', 'mode "open"'],
    ['a listed address', { allow: ['192.0.2.0/24:443'] }, 'tcp 192.0.2.9:443', 'allow "192.0.2.0/24:443"'],
    ['a listed address by any protocol', { allow: ['192.0.2.1'] }, 'gre 192.0.2.1', 'allow "192.0.2.1"'],
    ['ICMPv6 where ICMP is listed', { allow: ['2001:db8::1/icmp'] }, 'icmp 2001:db8::1', 'allow "2001:db8::1/icmp"'],
    ['a listed name', { allow: ['github.com:443'] }, 'tcp 192.0.2.1:443 via github.com', 'allow "github.com:443"'],
    [
      'a name below a wildcard',
      { allow: ['*.example.org'] },
      'tcp 192.0.2.1:443 via a.b.example.org',
      'allow "*.example.org"',
    ],
    ['a name of a preset', { preset: 'dev' }, 'tcp 192.0.2.1:443 via github.com', 'preset "dev"'],
    ['a public address under "unrestricted"', { preset: 'unrestricted' }, 'udp 192.0.2.1:9', 'preset "unrestricted"'],
    [
      'a private literal',
      { allowPrivate: ['10.0.0.0/24:5432/tcp'] },
      'tcp 10.0.0.9:5432',
      'allowPrivate "10.0.0.0/24:5432/tcp"',
    ],
    [
      'a metadata literal',
      { allowPrivate: ['169.254.169.254:80/tcp'] },
      'tcp 169.254.169.254:80',
      'allowPrivate "169.254.169.254:80/tcp"',
    ],
    [
      'private networks when local ones are open',
      { allowLocalNetworks: true },
      'tcp 192.168.1.1:80',
      'allowLocalNetworks',
    ],
    [
      'local networks in an allowlist',
      { preset: 'none', allowLocalNetworks: true },
      'tcp 192.168.1.1:80',
      'allowLocalNetworks',
    ],
    ['DNS at the gateway', {}, 'udp 10.88.0.1:53', 'hostPorts'],
    ['DNS at the IPv6 gateway', {}, 'tcp [fd00:88::1]:53', 'hostPorts'],
    ['DNS at the gateway in "none"', { preset: 'none' }, 'udp 10.88.0.1:53', 'hostPorts'],
    ['echo at the gateway', {}, 'icmp 10.88.0.1', 'hostAccess "ports"'],
    ['a port of the host that is listed', { hostPorts: ['5000/tcp'] }, 'tcp 10.88.0.1:5000', 'hostPorts'],
    ['every address of the host', { hostAccess: 'all' }, 'tcp 192.168.1.10:22', 'hostAccess "all"'],
    ['a sibling where neither is isolated', { isolation: 'bridge' }, 'tcp 10.88.0.4:80', 'isolation "bridge"'],
    ['a sibling under audit', { isolation: 'bridge' }, 'tcp 10.88.0.5:80', 'isolation "bridge"'],
    ['a published port at a public address of the host', {}, 'tcp 203.0.113.10:8080', 'mode "restricted"'],
    [
      'a published port at an address that is opened',
      { allowPrivate: ['192.168.1.10:8080'] },
      'tcp 192.168.1.10:8080',
      'allowPrivate "192.168.1.10:8080"',
    ],
    ['a container under audit on another bridge', { mode: 'open' }, 'tcp 10.99.0.4:80', 'mode "open"'],
  ])('%s', (_what, raw, text, rule) => {
    expect(judge(parsePolicy(raw, ''), destination(text), around)).toMatchObject({ verdict: 'allow', rule });
  });
});

describe('judge() under audit', () => {
  test('allows what it denies, and says what denied it', () => {
    const verdict = judge(parsePolicy({ audit: true }, ''), destination('tcp 10.0.0.1:80'));
    expect(verdict).toMatchObject({ verdict: 'allow', rule: 'private', audited: true });
    expect(verdict.reason).toBe(
      'it is in 10.0.0.0/8, private (RFC 1918): only "allowPrivate" or "allowLocalNetworks" opens it; "audit" counts it and lets it pass',
    );
  });

  test('does not mark what it allows anyhow', () => {
    expect(judge(parsePolicy({ audit: true }, ''), destination('tcp 192.0.2.1:80')).audited).toBeUndefined();
  });

  test('does not overrule the policy of a sibling where its own denies too', () => {
    const own = parsePolicy({ mode: 'open', isolation: 'bridge', deny: ['10.0.0.0/8'], audit: true }, '');
    expect(judge(own, destination('tcp 10.88.0.3:80'), around)).toMatchObject({ verdict: 'deny', theirs: true });
    expect(judge(own, destination('tcp 10.99.0.3:80'), around)).toMatchObject({ verdict: 'deny', theirs: true });
    expect(judge(own, destination('tcp 10.1.1.1:80'), around)).toMatchObject({ verdict: 'allow', audited: true });
  });

  test('does not overrule the policy of a sibling', () => {
    expect(judge(parsePolicy({ audit: true }, ''), destination('tcp 10.88.0.3:80'), around).verdict).toBe('deny');
  });
});

describe('judge() of an answer by a sibling whose policy denies it to ask', () => {
  const answering = (deny: string[], more: object = {}): Surroundings => ({
    ...around,
    own: ['10.88.0.2', 'fd00:88::2'],
    siblings: [
      {
        address: '10.88.0.9',
        sameBridge: true,
        policy: parsePolicy({ mode: 'open', isolation: 'bridge', deny, ...more }, ''),
      },
    ],
  });
  const own = parsePolicy({ mode: 'open', isolation: 'bridge' }, '');
  const asked = (to: string, surroundings: Surroundings): string => judge(own, destination(to), surroundings).verdict;

  test.each([
    ['udp 10.88.0.9:80', ['10.0.0.0/8'], 'deny'],
    ['udp 10.88.0.9:80', ['10.0.0.0/8/udp'], 'deny'],
    ['udp 10.88.0.9:80', ['10.0.0.0/8:53-60000'], 'deny'],
    ['sctp 10.88.0.9:80', ['10.88.0.2:40000/sctp'], 'deny'],
    ['udp 10.88.0.9:80', ['10.0.0.0/8:1-79'], 'allow'],
    ['udp 10.88.0.9:80', ['10.0.0.0/8/sctp'], 'allow'],
    ['udp 10.88.0.9:80', ['10.88.0.3', 'fd00:88::2'], 'allow'],
    ['tcp 10.88.0.9:80', ['10.0.0.0/8'], 'allow'],
    ['icmp 10.88.0.9', ['10.0.0.0/8'], 'allow'],
  ])('%s beside deny %j: %s', (to, deny, verdict) => {
    expect(asked(to, answering(deny))).toBe(verdict);
  });

  test('names the rule, and does not close what an audit lets pass', () => {
    expect(judge(own, destination('udp 10.88.0.9:80'), answering(['10.0.0.0/8']))).toMatchObject({
      rule: 'deny "10.0.0.0/8"',
      theirs: true,
    });
    expect(asked('udp 10.88.0.9:80', answering(['10.0.0.0/8'], { audit: true }))).toBe('allow');
  });
});

test('judge() refuses what is not an address', () => {
  expect(() => judge(parsePolicy({}, ''), destination('tcp example.org:80'))).toThrow(
    'Cannot judge "example.org": it is not an address',
  );
});

test('judge() allows a public address exactly when deny has no rule for it and allow or a name has one', () => {
  fc.assert(
    fc.property(
      someRules,
      someRules,
      someNames,
      anAddress,
      aProtocol,
      aPort,
      fc.subarray(['a.example.org', 'c.example.org']),
      (allow, deny, names, address, protocol, port, learned) => {
        const policy = { ...parsePolicy({ preset: 'none' }, ''), allow, deny, names };
        const byName = names.some((rule) => {
          const prefix = address.includes(':') ? `${address}/128` : `${address}/32`;
          const meant = learned.some((name) => rule.name === name || rule.name === '*.example.org');
          return meant && means({ ...rule, family: address.includes(':') ? 6 : 4, prefix }, address, protocol, port);
        });
        const expected =
          !deny.some((rule) => means(rule, address, protocol, port)) &&
          (byName || allow.some((rule) => means(rule, address, protocol, port)));
        expect(judge(policy, { address, protocol, port, names: learned }).verdict).toBe(expected ? 'allow' : 'deny');
      },
    ),
    { numRuns: 2000 },
  );
});

test('judge() never allows a metadata address or a private one by names and entries of "allow"', () => {
  const closed = fc.constantFrom(
    '10.1.2.3',
    '172.16.0.1',
    '192.168.0.1',
    '100.64.1.1',
    '169.254.169.254',
    '168.63.129.16',
    'fd00::1',
    'fe80::1',
    'fd00:ec2::254',
    '64:ff9b::a00:1',
    '::ffff:10.0.0.1',
    '2002:a00:1::',
  );
  const entries = fc.subarray(
    ['0.0.0.0/0', '::/0', '10.0.0.0/8', '169.254.169.254', '*.example.org', 'fd00::/8', 'fe80::/10', '64:ff9b::/96'],
    { minLength: 1 },
  );
  fc.assert(
    fc.property(closed, entries, aProtocol, aPort, (address, allow, protocol, port) => {
      expect(judge(parsePolicy({ allow }, ''), { address, protocol, port, names: ['a.example.org'] }).verdict).toBe(
        'deny',
      );
    }),
  );
});

describe('judge() of a policy that checks names', () => {
  const policy = parsePolicy({ allow: ['a.example.org', 'a.example.org:53/udp/unchecked'], verifyNames: true }, '');
  const verdictFor = (protocol: string, port?: number): string =>
    judge(policy, {
      address: '8.8.8.8',
      protocol,
      names: ['a.example.org'],
      ...(port === undefined ? {} : { port }),
    }).verdict;

  test('allows what can ask for the name, and what is unchecked', () => {
    expect([verdictFor('tcp', 443), verdictFor('icmp'), verdictFor('udp', 53)]).toEqual(['allow', 'allow', 'allow']);
  });

  test('denies what shows no name', () => {
    expect([verdictFor('udp', 443), verdictFor('sctp', 443), verdictFor('gre')]).toEqual(['deny', 'deny', 'deny']);
  });
});
