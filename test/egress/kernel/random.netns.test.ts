import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { judge } from '../../../src/egress/judge.ts';
import { randomPolicy } from '../random-policy.ts';
import { battery, ruleset, subjects, type Probe } from './battery.ts';

const seed = Number(process.env['DRAWBRIDGE_SEED'] ?? 20_250_101);
const policies = Object.fromEntries(
  fc
    .sample(randomPolicy, { seed, numRuns: 40 })
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
    const surroundings = {
      gateways: ['10.88.0.1', 'fd00:88::1'],
      hostAddresses: hosts,
      siblings: [],
      published: [],
      onLink: [],
    };
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
