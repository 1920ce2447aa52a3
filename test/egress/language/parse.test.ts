import { describe, expect, test } from 'vitest';
import { CniError } from '../../../src/cni/errors.ts';
import { parsePolicy } from '../../../src/egress/parse.ts';

describe('parsePolicy() refuses', () => {
  test.each<[string, unknown, string, string | undefined]>([
    ['a text', 'restricted', 'Invalid "egress": it is "restricted", an object is expected', undefined],
    ['a list', [], 'Invalid "egress": it is a list, an object is expected', undefined],
    [
      'a key with a slip of the pen',
      { alow: [] },
      'Invalid "egress.alow": it is not a known key, the nearest one is "allow"',
      'The known keys are "mode"',
    ],
    [
      'a key of another system',
      { allowed_domains: ['x.org'] },
      'Invalid "egress.allowed_domains": it is not a known key',
      'The known keys are "mode"',
    ],
    [
      'the key "__proto__"',
      JSON.parse('{"__proto__": {"mode": "open"}}'),
      'Invalid "egress.__proto__": it is not a known key',
      undefined,
    ],
    ['a key in two spellings', { mode: 'open', Mode: 'allowlist' }, '"Mode" are the same key', undefined],
    ['a list that is null', { deny: null }, 'Invalid "egress.deny": it is null', 'Leave the key out for its default'],
    [
      'a mode that does not exist',
      { mode: 'strict' },
      'Invalid "egress.mode": it is "strict", one of "open", "restricted", "allowlist" is expected',
      undefined,
    ],
    ['a mode in capitals', { mode: 'Open' }, 'Invalid "egress.mode": it is "Open", one of', undefined],
    [
      'an allowlist of nothing',
      { mode: 'allowlist' },
      'Invalid "egress.mode": it is "allowlist", and nothing is listed',
      '"preset": "none" is DNS only',
    ],
    ['an allowlist with empty lists', { mode: 'allowlist', allow: [], preset: [] }, 'nothing is listed', undefined],
    ['an empty list of what is allowed', { allow: [] }, 'nothing is listed', undefined],
    [
      'a preset that does not exist',
      { preset: ['dev', 'prod'] },
      'Invalid "egress.preset[1]": there is no preset "prod"',
      'The presets are "unrestricted", "dev", "registries", "none"',
    ],
    [
      'a preset that is a property of every object',
      { preset: 'constructor' },
      'there is no preset "constructor"',
      undefined,
    ],
    ['a preset that is a number', { preset: 1 }, 'Invalid "egress.preset": it is 1, a list is expected', undefined],
    [
      'a preset in a wider mode',
      { mode: 'restricted', preset: 'registries' },
      'Invalid "egress.preset": "registries" lists what is allowed, and mode "restricted" opens more than that',
      'Use mode "allowlist"',
    ],
    [
      '"none" in mode open',
      { mode: 'open', preset: 'none' },
      '"none" lists what is allowed, and mode "open" opens more',
      undefined,
    ],
    [
      '"none" with another preset',
      { preset: ['none', 'dev'] },
      '"none" is DNS only, and the policy opens more',
      undefined,
    ],
    [
      '"none" with an entry',
      { preset: 'none', allow: ['x.example.org'] },
      '"none" is DNS only, and the policy opens more',
      undefined,
    ],
    [
      '"none" with a private entry',
      { preset: 'none', allowPrivate: ['10.0.0.1'] },
      '"none" is DNS only, and the policy opens more',
      undefined,
    ],
    [
      'a single text for a list',
      { allow: 'github.com' },
      'Invalid "egress.allow": it is "github.com", a list is expected',
      undefined,
    ],
    [
      'a name in allowPrivate',
      { allowPrivate: ['db.example.org'] },
      'Cannot use "db.example.org" in "egress.allowPrivate[0]": "db.example.org" is a name, and "allowPrivate" takes addresses only',
      'what a name resolves to may change',
    ],
    [
      'a time of maxGrants that is none',
      { maxGrants: { for: 'soon' } },
      'Invalid "egress.maxGrants.for": it is "soon", a time, as in "90s", "10m", "1h30m" or "2d" is expected',
      undefined,
    ],
    ['a key of maxGrants that is none', { maxGrants: { with: [] } }, 'with', undefined],
    ['a count of maxGrants that is too large', { maxGrants: { count: 65 } }, 'egress.maxGrants.count', undefined],
    ['every name in deny', { deny: ['*'] }, 'it would close everything', 'use mode "allowlist"'],
    [
      'an unchecked name in deny',
      { deny: ['a.example.org:22/tcp/unchecked'] },
      'a denied name is looked for wherever names are looked at',
      'leave "/unchecked" out',
    ],
    ...[{ hostAccess: 'none' }, { hostPorts: ['80/tcp'] }].map((more): [string, unknown, string, string] => [
      `a name in deny with ${JSON.stringify(more)}, where nobody refuses it`,
      { deny: ['evil.example.org'], ...more },
      'deny "evil.example.org" is a name, which the agent\'s DNS at the gateway refuses, and port 53 of the gateway is closed',
      'or deny addresses',
    ]),
    ...[22, 25, 3306, 5432, 6379, 9418].map((port): [string, unknown, string, string] => [
      `port ${port} of a name that is checked`,
      { allow: ['b.example.org', `a.example.org:${port}`], verifyNames: true },
      `Cannot use "a.example.org:${port}" in "egress.allow[1]": the first bytes of`,
      `protocols that cannot be checked (SSH, git, databases) need an entry that says so: "a.example.org:${port}/tcp/unchecked"`,
    ]),
    [
      'a range of ports with one of them',
      { allow: ['a.example.org:20-30/tcp'], verifyNames: true },
      'the first bytes of SSH at port 22 show no name, and "verifyNames" is on',
      '"a.example.org:20-30/tcp/unchecked"',
    ],
    [
      'a name in allowPrivate',
      { allowPrivate: ['10.0.0.1', 'db.lan:5432'] },
      'Cannot use "db.lan:5432" in "egress.allowPrivate[1]": "db.lan" is a name',
      undefined,
    ],
    [
      'all of link-local in allowPrivate',
      { allowPrivate: ['169.254.0.0/16'] },
      'opens by single addresses only',
      'expected the one address that is needed',
    ],
    [
      'part of link-local in allowPrivate',
      { allowPrivate: ['169.254.169.254/31'] },
      'opens by single addresses only',
      undefined,
    ],
    ['IPv6 link-local in allowPrivate', { allowPrivate: ['fe80::/64'] }, 'opens by single addresses only', undefined],
    [
      'AWS metadata as a prefix in allowPrivate',
      { allowPrivate: ['fd00:ec2::/64'] },
      'opens by single addresses only',
      undefined,
    ],
    [
      'a public prefix in allowPrivate that is larger than a network of a host',
      { allowPrivate: ['8.0.0.0/7'] },
      'it is not within a private range',
      'other public destinations belong under "allow"',
    ],
    [
      'everything in allowPrivate',
      { allowPrivate: ['0.0.0.0/0'] },
      'Cannot use "0.0.0.0/0" in "egress.allowPrivate[0]"',
      undefined,
    ],
    [
      'more than a private range in allowPrivate',
      { allowPrivate: ['10.0.0.0/7'] },
      'it is not within a private range',
      undefined,
    ],
    ['loopback in allowPrivate', { allowPrivate: ['127.0.0.1'] }, 'it has addresses of 127.0.0.0/8 in it', undefined],
    ['multicast in allowPrivate', { allowPrivate: ['ff02::1'] }, 'it has addresses of ff00::/8 in it', undefined],
    [
      '6to4 of loopback in allowPrivate',
      { allowPrivate: ['2002:7f00:1::1'] },
      'it is not within a private range',
      undefined,
    ],
    [
      'a text for a switch',
      { audit: 'false' },
      'Invalid "egress.audit": it is "false", true or false is expected',
      undefined,
    ],
    ['a text for another switch', { allowLocalNetworks: 'yes' }, 'Invalid "egress.allowLocalNetworks"', undefined],
    ['host access that does not exist', { hostAccess: 'some' }, 'one of "ports", "all", "none" is expected', undefined],
    [
      'a host port with an address',
      { hostPorts: ['10.0.0.1:53'] },
      'Cannot use "10.0.0.1:53" in "egress.hostPorts[0]": it is not a port',
      undefined,
    ],
    [
      'isolation that does not exist',
      { isolation: 'full' },
      'one of "container", "bridge", "none" is expected',
      undefined,
    ],
    ['ingress that does not exist', { ingress: 'closed' }, 'one of "published", "open" is expected', undefined],
    ['a switch for ipv6', { ipv6: false }, 'Invalid "egress.ipv6": it is false, a string is expected', undefined],
    [
      'a negative interval',
      { refreshIntervalMinutes: -1 },
      'it is -1, a whole number from 0 to 10080 is expected',
      undefined,
    ],
    [
      'half a minute',
      { refreshIntervalMinutes: 0.5 },
      'it is 0.5, a whole number from 0 to 10080 is expected',
      undefined,
    ],
    [
      'a resolver by name',
      { dns: { upstream: ['dns.google'] } },
      'Cannot use "dns.google" in "egress.dns.upstream[0]": it is not the address of a DNS server',
      undefined,
    ],
    [
      'a resolver with port 0',
      { dns: { upstream: ['9.9.9.9:0'] } },
      'it is not the address of a DNS server',
      undefined,
    ],
    [
      'a key of the CNI result in dns',
      { dns: { nameservers: ['9.9.9.9'] } },
      'Invalid "egress.dns.nameservers": it is not a known key',
      'The known keys are "upstream", "denied"',
    ],
    [
      'an answer that does not exist',
      { dns: { denied: 'servfail' } },
      'Invalid "egress.dns.denied": it is "servfail", one of "refused", "nxdomain" is expected',
      undefined,
    ],
    ['a verdict that does not exist', { onDeny: 'tarpit' }, 'one of "reject", "drop" is expected', undefined],
  ])('%s', (_what, raw, message, details) => {
    const error = refusalOf(raw);
    expect(error.code).toBe(7);
    expect(error.message).toContain(message);
    expect(error.details ?? '').toContain(details ?? '');
  });

  function refusalOf(raw: unknown): CniError {
    try {
      parsePolicy(raw, 'egress');
    } catch (error) {
      if (error instanceof CniError) return error;
      throw error;
    }
    throw new Error('it was not refused');
  }
});

describe('parsePolicy()', () => {
  test('fills in every default', () => {
    expect(parsePolicy({}, '')).toEqual({
      mode: 'restricted',
      preset: [],
      allow: [],
      names: [],
      allowPrivate: [],
      deny: [],
      verifyNames: false,
      allowLocalNetworks: false,
      hostAccess: 'ports',
      hostPorts: [
        { protocol: 'udp', ports: { from: 53, to: 53 } },
        { protocol: 'tcp', ports: { from: 53, to: 53 } },
      ],
      isolation: 'container',
      ingress: 'published',
      ipv6: 'filter',
      refreshIntervalMinutes: 30,
      dns: { upstream: [], denied: 'refused', maxQueriesPerMinute: 300 },
      onDeny: 'reject',
      audit: false,
    });
  });

  test('isolates no siblings in mode open', () => {
    expect(parsePolicy({ mode: 'open' }, '').isolation).toBe('bridge');
  });

  test('isolates siblings in mode open when asked to', () => {
    expect(parsePolicy({ mode: 'open', isolation: 'container' }, '').isolation).toBe('container');
  });

  test.each([{ preset: 'none' }, { preset: ['dev'] }, { allow: ['8.8.8.8'] }])(
    'means an allowlist by %j without a mode',
    (raw) => {
      expect(parsePolicy(raw, '').mode).toBe('allowlist');
    },
  );

  test('stays restricted with allowPrivate and deny alone', () => {
    expect(parsePolicy({ allowPrivate: ['10.0.0.1'], deny: ['8.8.8.8'] }, '').mode).toBe('restricted');
  });

  test('sorts addresses and names of "deny" apart, and takes wildcards that no "allow" may have', () => {
    const { deny, denyNames } = parsePolicy({ deny: ['*.github.io', '192.0.2.0/24', 'Evil.Example.org.:443'] }, '');
    expect(deny.map(({ prefix }) => prefix)).toEqual(['192.0.2.0/24']);
    expect(denyNames).toMatchObject([
      { name: '*.github.io', protocol: 'any' },
      { name: 'evil.example.org', protocol: 'any', ports: { from: 443, to: 443 } },
    ]);
  });

  test('leaves out of what is open the names and wildcards that "deny" closes', () => {
    const allow = ['*.example.org', 'a.example.org', '*.b.example.org', 'c.example.net', '8.8.8.8'];
    const { names, overruled } = parsePolicy({ allow, deny: ['*.b.example.org', 'a.example.org:22'] }, '');
    expect(names.map(({ name }) => name)).toEqual(['*.example.org', 'c.example.net']);
    expect(overruled).toEqual(['allow "a.example.org"', 'allow "*.b.example.org"']);
  });

  test('takes an allowlist of private addresses only', () => {
    expect(parsePolicy({ mode: 'allowlist', allowPrivate: ['10.0.0.5:5432/tcp'] }, '').allowPrivate).toHaveLength(1);
  });

  test('sorts addresses and names of "allow" apart and keeps their order', () => {
    const { allow, names } = parsePolicy({ allow: ['b.example.org', '192.0.2.2', 'a.example.org', '192.0.2.1'] }, '');
    expect(allow.map(({ prefix }) => prefix)).toEqual(['192.0.2.2/32', '192.0.2.1/32']);
    expect(names.map(({ name }) => name)).toEqual(['b.example.org', 'a.example.org']);
  });

  test.each(['restricted', 'open'])('keeps of "allow" in mode %s nothing but the words', (mode) => {
    expect(parsePolicy({ mode, allow: ['a.example.org', '192.0.2.1'] }, '')).toMatchObject({
      allow: [],
      names: [],
      ignored: ['allow "192.0.2.1"', 'allow "a.example.org"'],
    });
  });

  test('puts the names of presets behind its own', () => {
    const { names } = parsePolicy({ allow: ['x.example.org'], preset: 'dev' }, '');
    expect(names.map(({ source }) => source)).toEqual([
      'allow "x.example.org"',
      ...Array.from({ length: 10 }, () => 'preset "dev"'),
    ]);
  });

  test('makes the preset "unrestricted" every public address of both families', () => {
    const { mode, allow } = parsePolicy({ preset: 'unrestricted' }, '');
    expect(mode).toBe('allowlist');
    expect(allow.map(({ prefix, protocol }) => `${prefix} ${protocol}`)).toEqual(['0.0.0.0/0 any', '::/0 any']);
  });

  test('accepts a private address in "allow", where it opens nothing', () => {
    expect(parsePolicy({ allow: ['10.0.0.1'] }, '').allow).toHaveLength(1);
  });

  test.each([
    '10.1.0.0/16:5432/tcp',
    '192.168.1.7',
    '100.64.0.0/16',
    'fd12::/16',
    '169.254.169.254:80/tcp',
    '168.63.129.16',
    'fe80::1',
    '198.18.0.0/15',
    '64:ff9b::a00:0/104',
  ])('opens %s by allowPrivate', (text) => {
    const [rule] = parsePolicy({ allowPrivate: [text] }, '').allowPrivate;
    expect(rule?.source).toBe(`allowPrivate "${text}"`);
  });

  test('refuses all of NAT64 in allowPrivate: what is meant is the IPv4 addresses behind it', () => {
    expect(() => parsePolicy({ allowPrivate: ['64:ff9b::/96'] }, '')).toThrow(
      'it is NAT64, whose addresses are judged by the IPv4 address inside',
    );
  });

  test('leaves metadata addresses out of a prefix in allowPrivate', () => {
    const { allowPrivate } = parsePolicy({ allowPrivate: ['100.100.100.200/30'] }, '');
    expect(allowPrivate.map(({ prefix }) => prefix)).toEqual(['100.100.100.201/32', '100.100.100.202/31']);
  });

  test('leaves metadata addresses behind NAT64 out of a prefix in allowPrivate', () => {
    const { allowPrivate } = parsePolicy({ allowPrivate: ['64:ff9b::6464:64c8/126'] }, '');
    expect(allowPrivate.map(({ prefix }) => prefix)).toEqual(['64:ff9b::6464:64c9/128', '64:ff9b::6464:64ca/127']);
    expect(allowPrivate.length).toBeGreaterThan(1);
  });

  test('reads resolvers with and without a port in canonical text', () => {
    const { dns } = parsePolicy(
      {
        dns: {
          upstream: ['9.9.9.9', '9.9.9.9:5353', '2001:DB8::1', '[2001:db8::1]:53', '[2001:db8::1]:5353'],
          denied: 'nxdomain',
        },
      },
      '',
    );
    expect(dns).toEqual({
      upstream: ['9.9.9.9', '9.9.9.9:5353', '2001:db8::1', '2001:db8::1', '[2001:db8::1]:5353'],
      denied: 'nxdomain',
      maxQueriesPerMinute: 300,
    });
  });

  test('names no path before the keys of a configuration of its own', () => {
    expect(() => parsePolicy({ mode: 'x' }, '')).toThrow('Invalid "mode"');
  });
});
