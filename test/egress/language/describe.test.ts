import { describe, expect, test } from 'vitest';
import { describePolicy, policyNotices } from '../../../src/egress/describe.ts';
import { parsePolicy } from '../../../src/egress/parse.ts';

const notices = (raw: unknown): string[] => policyNotices(parsePolicy(raw, ''));

describe('policyNotices() is empty', () => {
  test.each([
    {},
    { mode: 'open' },
    { preset: 'dev' },
    { preset: 'none' },
    { preset: 'unrestricted' },
    { allow: ['a.example.org', '192.0.2.1', '0.0.0.0/0'] },
    { allowPrivate: ['10.0.0.1'] },
    { allow: ['a.example.org', 'a.example.org:53/udp/unchecked', '192.0.2.1:53/udp'], verifyNames: true },
    { allow: ['a.example.org:53/udp'] },
  ])('for %j', (raw) => {
    expect(notices(raw)).toEqual([]);
  });
});

describe('policyNotices() says', () => {
  test('that names are not checked under audit', () => {
    expect(notices({ allow: ['a.example.org'], verifyNames: true, audit: true })).toContain(
      '"verifyNames" checks nothing under "audit", which holds nothing up',
    );
  });

  test.each<[string, unknown, string]>([
    [
      'that UDP of a checked name opens nothing',
      { allow: ['a.example.org:53/udp'], verifyNames: true },
      'allow "a.example.org:53/udp" opens nothing: "verifyNames" is on, and the first bytes of udp are not read',
    ],
    [
      'that names are not checked where none opens anything',
      { mode: 'restricted', verifyNames: true },
      '"verifyNames" has no effect in mode "restricted"',
    ],
    [
      'that "allow" has no effect in mode restricted',
      { mode: 'restricted', allow: ['a.example.org'] },
      'allow "a.example.org" has no effect in mode "restricted"',
    ],
    [
      'that "allow" has no effect in mode open',
      { mode: 'open', allow: ['8.8.8.8'] },
      'allow "8.8.8.8" has no effect in mode "open"',
    ],
    [
      'that an entry does not open a private address',
      { allow: ['10.0.0.1'] },
      'allow "10.0.0.1" does not open 10.0.0.0/8, private (RFC 1918)',
    ],
    [
      'that an entry does not open the metadata address',
      { allow: ['169.254.169.254'] },
      'allow "169.254.169.254" does not open 169.254.0.0/16',
    ],
    ['that a public resolver is not needed', { allow: ['8.8.8.8'] }, 'allow "8.8.8.8" opens a public resolver'],
    ['that wildcards need the agent', { allow: ['*.example.org'] }, 'needs the agent'],
    [
      'that hostPorts has no effect',
      { hostAccess: 'none', hostPorts: ['80/tcp'] },
      '"hostPorts" has no effect with "hostAccess": "none"',
    ],
    ...(['localhost', 'app.localhost', 'host.docker.internal', 'host.containers.internal'] as const).map(
      (name): [string, unknown, string] => [
        `that "${name}" opens nothing`,
        { allow: [`${name}:80`] },
        `allow "${name}:80" opens nothing: the name means ${name.endsWith('localhost') ? 'the container itself' : 'the host'}`,
      ],
    ),
    ['that audit denies nothing', { audit: true }, 'denies nothing'],
  ])('%s', (_what, raw, text) => {
    expect(notices(raw)).toEqual([expect.stringContaining(text)]);
  });
});

describe('names under "deny"', () => {
  const agent = `deny "evil.example.org" is refused by the agent's DNS: without the agent the container has no DNS at all`;

  test('are said to be refused by DNS alone, unless first bytes are looked at', () => {
    expect(notices({ mode: 'open', deny: ['evil.example.org'] })).toEqual([
      agent,
      expect.stringContaining('"verifyNames" looks at first bytes too'),
    ]);
    expect(notices({ mode: 'open', deny: ['evil.example.org'], verifyNames: true })).toEqual([agent]);
    expect(describePolicy(parsePolicy({ mode: 'open', deny: ['evil.example.org'], verifyNames: true }, ''))).toContain(
      'a connection that asks for a closed name in its first bytes is refused',
    );
  });

  test('are said to close every port, and what "allow" has of them', () => {
    expect(notices({ allow: ['a.example.org', 'b.example.org'], deny: ['a.example.org:22'] })).toEqual([
      expect.stringContaining('deny "a.example.org:22" is refused'),
      'deny "a.example.org:22" closes "a.example.org" at every port: DNS does not answer the name',
      'allow "a.example.org" opens nothing: "deny" closes it',
    ]);
  });
});

test('describePolicy() says in lines what is open', () => {
  expect(
    describePolicy(
      parsePolicy(
        { preset: 'dev', allow: ['a.example.org:443'], allowPrivate: ['10.0.0.1'], deny: ['192.0.2.0/24'] },
        '',
      ),
    ),
  ).toEqual([
    'mode allowlist: only what is listed',
    'presets: dev',
    'opens: allow "a.example.org:443", preset "dev"',
    'opens of private networks: allowPrivate "10.0.0.1"',
    'closes before all else: deny "192.0.2.0/24"',
    'of the host: 53/udp, 53/tcp and echo at the gateway',
    'from siblings: nothing; from elsewhere: published ports',
    'denied packets are rejected at once',
  ]);
});
