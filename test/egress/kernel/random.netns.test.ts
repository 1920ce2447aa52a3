import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { judge } from '../../../src/egress/judge.ts';
import { battery, ruleset, subjects, type Probe } from './battery.ts';

/** Prefixes and ports that meet the destinations often, overlap, and lie within one another. */
const prefix = fc.constantFrom(
  '8.8.8.8',
  '8.8.8.0/24',
  '8.0.0.0/8',
  '0.0.0.0/0',
  '203.0.113.10',
  '203.0.113.0/24',
  '128.0.0.0/1',
  '10.1.2.3',
  '10.0.0.0/8',
  '192.168.0.0/16',
  '[2606:4700::1111]',
  '[2606:4700::]/32',
  '[2000::]/3',
  '[::]/0',
  '[2001:db8::10]',
  '[fd00:1::3]',
  '[fc00::]/7',
);
const port = fc.constantFrom('', ':443', ':80', ':53', ':80-443', ':1-79', ':53-60000');
const protocol = fc.constantFrom('', '/tcp', '/udp');
const entry = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(prefix, port, protocol).map((parts) => parts.join('')) },
  { weight: 1, arbitrary: prefix.map((text) => `${text}/icmp`) },
);
const entries = fc.uniqueArray(entry, { maxLength: 7 });
const privateEntry = fc
  .tuple(
    fc.constantFrom(
      '10.1.2.3',
      '10.0.0.0/8',
      '10.1.0.0/16',
      '192.168.7.7',
      '169.254.169.254',
      '[fd00:1::3]',
      '[fd00:1::]/32',
    ),
    port,
    protocol,
  )
  .map((parts) => parts.join(''));

const policy = fc.record(
  {
    mode: fc.constantFrom('open', 'restricted', 'allowlist', 'allowlist'),
    allow: fc.uniqueArray(entry, { minLength: 1, maxLength: 7 }),
    deny: entries,
    allowPrivate: fc.uniqueArray(privateEntry, { maxLength: 3 }),
    allowLocalNetworks: fc.boolean(),
    hostAccess: fc.constantFrom('ports', 'all', 'none'),
    hostPorts: fc.uniqueArray(fc.constantFrom('53', '443/tcp', '80-443', '53/udp'), { minLength: 1, maxLength: 3 }),
  },
  { requiredKeys: ['mode', 'allow'] },
);

const seed = Number(process.env['DRAWBRIDGE_SEED'] ?? 20_250_101);
const policies = Object.fromEntries(
  fc
    .sample(policy, { seed, numRuns: 40 })
    .map((raw, index) => [`random${index}`, raw.mode === 'allowlist' ? raw : withoutAllow(raw)]),
);
const containers = subjects(policies);
const hosts = ['10.88.0.1', '192.0.2.1', 'fd00:88::1'];
const destinations = [
  '8.8.8.8',
  '203.0.113.10',
  '10.1.2.3',
  '192.168.7.7',
  '169.254.169.254',
  '2606:4700::1111',
  '2001:db8::10',
  'fd00:1::3',
  'fd00:ec2::254',
  ...hosts,
];
const services = [
  ['tcp', 443],
  ['tcp', 80],
  ['udp', 53],
  ['udp', 443],
  ['icmp', undefined],
] as const;
const probes: Probe[] = containers.flatMap(({ name }) =>
  destinations.flatMap((address) =>
    services.map(([kind, number]): Probe => ({
      id: `${name} ${kind} ${address} ${number ?? ''}`,
      from: name,
      protocol: kind,
      address,
      ...(number === undefined ? {} : { port: number }),
    })),
  ),
);

let results: Record<string, string | string[]> = {};

beforeAll(async () => {
  results = await battery(containers, [{ nft: ruleset(containers), probes, patience: 2.5 }]);
});

describe.each(containers)('$name', ({ name, policy: parsed }) => {
  test(`reaches in the kernel exactly what judge() allows under ${JSON.stringify(policies[name])} (seed ${seed})`, () => {
    if (parsed === undefined) throw new Error(name);
    const surroundings = { gateways: ['10.88.0.1', 'fd00:88::1'], hostAddresses: hosts, siblings: [], published: [] };
    const own = probes.filter(({ from }) => from === name);
    const expected = Object.fromEntries(own.map((probe) => [probe.id, judge(parsed, probe, surroundings).verdict]));
    expect(Object.fromEntries(own.map(({ id }) => [id, results[id] === 'answer' ? 'allow' : 'deny']))).toEqual(
      expected,
    );
  });
});

/** Entries of "allow" mean nothing in the wider modes. */
function withoutAllow(raw: object): object {
  return Object.fromEntries(Object.entries(raw).filter(([key]) => key !== 'allow'));
}
