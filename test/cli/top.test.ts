import { expect, test } from 'vitest';
import { sorted, usageBetween, type Sample } from '../../src/cli/top/usage.ts';

const flow = (id: string, source: string, answerer: string, asked: number, answered: number) => ({
  id,
  protocol: 'tcp',
  source,
  destination: answerer,
  answerer,
  asked: { packets: 1, bytes: asked },
  answered: { packets: 1, bytes: answered },
});

const owners = [
  { containerId: 'a', name: 'web', keys: ['k1'] },
  { containerId: 'b', name: 'db', keys: ['k2', 'k3'] },
];
const directory = {
  ownerOf: (address: string) => (address === '10.0.0.2' ? owners[0] : address === '10.0.0.3' ? owners[1] : undefined),
  nameOf: (address: string) => (address === '8.8.8.8' ? 'dns.example' : address),
};

const before: Sample = {
  at: 0,
  flows: [flow('1', '10.0.0.2', '8.8.8.8', 1000, 5000)],
  denied: new Map([['k2', 3]]),
};
const after: Sample = {
  at: 2000,
  flows: [
    flow('1', '10.0.0.2', '8.8.8.8', 3000, 9000),
    flow('2', '10.0.0.2', '9.9.9.9', 100, 200),
    flow('3', '203.0.113.5', '10.0.0.3', 40, 60),
    flow('4', '192.0.2.1', '192.0.2.2', 9999, 9999),
  ],
  denied: new Map([
    ['k2', 5],
    ['k3', 1],
  ]),
};

test('what passed between two samples is told a second, by container and destination, both ways', () => {
  expect(usageBetween(before, after, owners, directory)).toEqual([
    {
      containerId: 'a',
      name: 'web',
      sent: 1050,
      received: 2100,
      connections: 2,
      denied: 0,
      destinations: [
        { destination: 'dns.example', sent: 1000, received: 2000, connections: 1 },
        { destination: '9.9.9.9', sent: 50, received: 100, connections: 1 },
      ],
    },
    {
      containerId: 'b',
      name: 'db',
      sent: 30,
      received: 20,
      connections: 1,
      denied: 3,
      destinations: [{ destination: 'from 203.0.113.5', sent: 30, received: 20, connections: 1 }],
    },
  ]);
});

test('each key puts the most first, and names in their order', () => {
  const usages = usageBetween(before, after, owners, directory);
  const first = (['bytes', 'connections', 'denied', 'name'] as const).map((key) => sorted(usages, key)[0]?.name);
  expect(first).toEqual(['web', 'web', 'db', 'db']);
});
