import { beforeAll, describe, expect, test } from 'vitest';
import { dataText } from '../../../src/nft/element.ts';
import { namesElement } from '../../../src/dataplane/elements/egress.ts';
import { judge } from '../../../src/egress/judge.ts';
import { policyId } from '../../../src/egress/policy-id.ts';
import { battery, ruleset, subjects, type Probe, type Subject } from './battery.ts';

/** One container each; what the kernel lets through must be what `judge` says, cell by cell. */
const policies = {
  restricted: {},
  open: { mode: 'open' },
  open_but: { mode: 'open', deny: ['8.8.8.8', '10.1.2.3:443/tcp', '[2606:4700::]/32', '[fd00:1::3]:443'] },
  nothing: { preset: 'none' },
  listed: {
    allow: [
      '8.8.8.8:443/tcp',
      '203.0.113.0/24',
      '198.51.100.20/icmp',
      '10.1.2.3',
      '169.254.169.254',
      '[2606:4700::]/32',
      '[2001:db8::10]:443',
      '[fd00:1::3]:443',
      '[2a00:1450::20]/128:400-500/udp',
    ],
  },
  nested: {
    allow: [
      '0.0.0.0/0:443/tcp',
      '8.0.0.0/8:400-600',
      '8.8.0.0/16:53/udp',
      '8.8.8.8:80',
      '::/0:80/tcp',
      '[2606::]/16:443',
    ],
  },
  denied: {
    deny: [
      '8.8.8.8',
      '203.0.113.0/24:443',
      '198.51.100.20/icmp',
      '[2606:4700::1111]:53/udp',
      '2001:db8::/32',
      '10.88.0.1:53/udp',
    ],
  },
  private_too: {
    allowPrivate: [
      '10.1.2.3:443/tcp',
      '192.168.0.0/16',
      '169.254.169.254:80',
      '198.18.0.0/15',
      '[fd00:1::3]:80',
      'fd00:ec2::254',
      '64:ff9b::a01:203',
    ],
  },
  private_listed: { allow: ['8.8.8.8'], allowPrivate: ['10.0.0.0/8:443', 'fd00:1::/64'], deny: ['10.1.2.3:443/udp'] },
  local: { allowLocalNetworks: true },
  local_listed: { allow: ['8.8.8.8'], allowLocalNetworks: true },
  host_all: { hostAccess: 'all' },
  host_none: { hostAccess: 'none' },
  host_some: { hostPorts: ['22/tcp', '400-500', '53/udp'] },
  host_public: { allow: ['192.0.2.1'], allowPrivate: ['10.88.0.1'] },
  dropping: { onDeny: 'drop', allow: ['8.8.8.8'] },
  audited: { allow: ['8.8.8.8'], audit: true },
  without_ipv6: { ipv6: 'disable' },
  named: { allow: ['one.example.org:443/tcp', 'two.example.org', 'three.example.org:400-500'] },
  with_siblings: { isolation: 'bridge' },
} as const;

const names: Readonly<Record<string, readonly string[]>> = {
  'one.example.org': ['8.8.8.8', '2606:4700::1111', '10.1.2.3', '169.254.169.254', 'fd00:1::3'],
  'two.example.org': ['198.51.100.20', '2a00:1450::20', '192.168.7.7'],
  'three.example.org': ['203.0.113.10', '2001:db8::10'],
};

const hosts = ['10.88.0.1', '10.89.0.1', '192.0.2.1', 'fd00:88::1', 'fd00:89::1', '2001:db8:ffff::1'];
const destinations = [
  '8.8.8.8',
  '203.0.113.10',
  '198.51.100.20',
  '10.1.2.3',
  '192.168.7.7',
  '100.64.1.1',
  '169.254.169.254',
  '100.100.100.200',
  '168.63.129.16',
  '198.18.0.1',
  '2606:4700::1111',
  '2001:db8::10',
  '2a00:1450::20',
  'fd00:1::3',
  'fd00:ec2::254',
  '64:ff9b::808:808',
  '64:ff9b::a01:203',
  '64:ff9b:1::808:808',
  '2002:808:808::1',
  '2002:a01:203::1',
  'fec0::1',
  ...hosts,
];
const services = [
  ['tcp', 443],
  ['tcp', 80],
  ['tcp', 22],
  ['udp', 53],
  ['udp', 443],
  ['icmp', undefined],
] as const;

const containers = subjects(policies);
const surroundings = {
  gateways: ['10.88.0.1', 'fd00:88::1'],
  hostAddresses: hosts,
  siblings: [],
  published: [],
  onLink: [],
};
const probes: Probe[] = containers.flatMap(({ name }) =>
  destinations.flatMap((address) =>
    services.map(([protocol, port]): Probe => ({
      id: `${name} ${protocol} ${address} ${port ?? ''}`,
      from: name,
      protocol,
      address,
      ...(port === undefined ? {} : { port }),
    })),
  ),
);

describe.each(Object.keys(policies))('a container under the policy "%s"', (name) => {
  const subject = containers.find((one) => one.name === name);
  test('reaches in the kernel exactly what judge() allows', () => {
    if (subject === undefined) throw new Error(name);
    const own = probes.filter(({ from }) => from === name);
    const expected = Object.fromEntries(
      own.map((probe) => [probe.id, allows(subject, probe) ? 'reached' : 'not reached']),
    );
    const found = Object.fromEntries(own.map(({ id }) => [id, results[id] === 'answer' ? 'reached' : 'not reached']));
    expect(found).toEqual(expected);
  });
});

test('a refused container is told at once, a dropped one never', () => {
  expect(results['nothing tcp 8.8.8.8 443']).toBe('ECONNREFUSED');
  expect(results['nothing tcp 2606:4700::1111 443']).toBe('ECONNREFUSED');
  expect(results['nothing udp 8.8.8.8 53']).toBe('EHOSTUNREACH');
  expect(results['nothing udp 2606:4700::1111 53']).toBe('EACCES');
  expect(results['nothing tcp 192.0.2.1 22']).toBe('ECONNREFUSED');
  expect(results['dropping tcp 203.0.113.10 443']).toBe('silence');
  expect(results['dropping udp 192.0.2.1 53']).toBe('silence');
});

let results: Record<string, string | string[]> = {};

beforeAll(async () => {
  const named = containers.find(({ name }) => name === 'named')?.policy;
  const elements =
    named === undefined
      ? []
      : named.names.flatMap((rule) =>
          (names[rule.name] ?? []).map((address) => namesElement(policyId(named), address, rule, 60, rule.name)),
        );
  results = await battery(containers, [
    {
      nft: `${ruleset(containers, [])}${elements.map(({ set, key, timeout }) => `add element inet drawbridge ${set} { ${dataText(key)} timeout ${timeout}s }\n`).join('')}`,
      probes,
      patience: 2.5,
    },
  ]);
});

function allows({ policy }: Subject, { address, protocol, port }: Probe): boolean {
  if (policy === undefined) return true;
  const known = Object.entries(names)
    .filter(([, addresses]) => addresses.includes(address))
    .map(([name]) => name);
  return (
    judge(policy, { address, protocol, ...(port === undefined ? {} : { port }), names: known }, surroundings)
      .verdict === 'allow'
  );
}
