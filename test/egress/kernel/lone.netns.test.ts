import { beforeAll, expect, test } from 'vitest';
import { battery, ruleset, subjects } from './battery.ts';

/** Behind a veth of its own, as the reference plugin ptp makes it, beside a container on a bridge. */
const containers = subjects({ alone: {}, neighbour: { mode: 'open' } }, { lone: ['alone'], serving: ['neighbour'] });

const reached: Readonly<Record<string, readonly string[]>> = {
  'plain alone 8.8.8.8': ['internet'],
  'plain alone 2606:4700::1111': ['internet'],
  'plain alone 192.0.2.99': [],
  'plain alone 10.1.2.3': [],
  'plain alone fd00:1::3': [],
  'plain alone 169.254.169.254': [],
  'plain alone 192.0.2.1': [],
  'plain alone 10.88.0.11': [],
  'extra_address alone 10.88.0.11 10.1.2.3': [],
  'extra_address alone 203.0.113.10 10.1.2.3': [],
  'extra_address alone 203.0.113.10 192.0.2.1': [],
  'extra_address alone 2001:db8::10 fd00:1::3': [],
  'extra_address alone 10.90.0.77 8.8.8.8': [],
  'extra_address alone fd00:90::77 2606:4700::1111': [],
  'from_outside 10.90.0.10': [],
};

let results: Record<string, string | string[]> = {};

beforeAll(async () => {
  results = await battery(containers, [
    {
      nft: ruleset(containers),
      probes: [
        { id: 'gateway', from: 'alone', protocol: 'icmp', address: '10.90.0.1' },
        { id: 'gateway6', from: 'alone', protocol: 'icmp', address: 'fd00:90::1' },
      ],
      attacks: Object.keys(reached),
    },
  ]);
});

test.each(Object.entries(reached))('%s arrives at %j', (attack, places) => {
  expect(results[attack]).toEqual(places);
});

test('a lone container reaches its gateway', () => {
  expect([results['gateway'], results['gateway6']]).toEqual(['answer', 'answer']);
});
