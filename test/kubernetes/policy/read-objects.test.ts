import { describe, expect, test } from 'vitest';
import { readNetworkPolicy, readPod, readSelector } from '../../../src/kubernetes/policy/read-objects.ts';

describe('readPod()', () => {
  test('keeps what rules need: both addresses in canonical text, and the ports that have names', () => {
    const pod = readPod({
      metadata: { namespace: 'shop', name: 'web', uid: 'u1', labels: { app: 'web' } },
      spec: {
        nodeName: 'node1',
        containers: [{ ports: [{ name: 'web', containerPort: 80 }, { containerPort: 81 }] }],
        initContainers: [
          { restartPolicy: 'Always', ports: [{ name: 'proxy', containerPort: 9000, protocol: 'UDP' }] },
          { ports: [{ name: 'once', containerPort: 1 }] },
        ],
      },
      status: { phase: 'Running', podIP: '10.1.0.2', podIPs: [{ ip: '10.1.0.2' }, { ip: 'FD00:0::2' }] },
    });
    expect(pod).toEqual({
      namespace: 'shop',
      name: 'web',
      uid: 'u1',
      labels: { app: 'web' },
      node: 'node1',
      isOnHostNetwork: false,
      hasEnded: false,
      addresses: ['10.1.0.2', 'fd00::2'],
      ports: [
        { name: 'web', protocol: 'tcp', port: 80 },
        { name: 'proxy', protocol: 'udp', port: 9000 },
      ],
    });
  });

  test.for(['Succeeded', 'Failed'])('a pod in phase %s has ended', (phase) => {
    const json = { metadata: { namespace: 'a', name: 'b', uid: 'c' }, spec: {}, status: { phase } };
    expect(readPod(json).hasEnded).toBe(true);
  });
});

describe('readNetworkPolicy()', () => {
  const read = (spec: object) => readNetworkPolicy({ metadata: { namespace: 'shop', name: 'one' }, spec });

  test.for([
    [{ podSelector: {} }, ['into']],
    [{ podSelector: {}, egress: [{}] }, ['into', 'out']],
    [{ podSelector: {}, policyTypes: ['Egress'] }, ['out']],
    [{ podSelector: {}, policyTypes: ['Ingress'], egress: [{}] }, ['into']],
  ] as const)('%j is about %j', ([spec, directions]) => {
    const policy = read(spec);
    expect(['into', 'out'].filter((direction) => direction in policy)).toEqual(directions);
  });

  test('an empty list of peers or of ports restricts nothing', () => {
    expect(read({ ingress: [{ from: [], ports: [] }, {}] }).into).toEqual([{}, {}]);
  });

  test('a port without a protocol is of TCP', () => {
    expect(read({ ingress: [{ ports: [{ port: 80, endPort: 90 }, { protocol: 'SCTP' }] }] }).into).toEqual([
      { ports: [{ protocol: 'tcp', port: 80, endPort: 90 }, { protocol: 'sctp' }] },
    ]);
  });

  test.for([
    [{ policyTypes: ['Sideways'] }, '"policyTypes" is "Sideways"'],
    [{ ingress: [{ ports: [{ protocol: 'DCCP' }] }] }, '"protocol" is "DCCP"'],
    [{ ingress: [{ from: [{}] }] }, '"a peer" is {}'],
    [{ ingress: 'all' }, '"ingress" is "all"'],
    [{ podSelector: { matchExpressions: [{ key: 'a', operator: 'Like' }] } }, '"operator" is "Like"'],
  ] as const)('refuses %j, which a later API may mean in another way', ([spec, message]) => {
    expect(() => read(spec)).toThrow(message);
  });
});

test('readSelector() takes labels and expressions together', () => {
  expect(
    readSelector({ matchLabels: { a: '1' }, matchExpressions: [{ key: 'b', operator: 'Exists' }] }).requirements,
  ).toEqual([
    { key: 'a', operator: 'In', values: ['1'] },
    { key: 'b', operator: 'Exists', values: [] },
  ]);
});
