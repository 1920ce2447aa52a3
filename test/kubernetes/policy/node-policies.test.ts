import { describe, expect, test } from 'vitest';
import { nodePolicies, type ClusterObjects, type LocalPod } from '../../../src/kubernetes/policy/node-policies.ts';
import type { NetworkPolicy, Pod } from '../../../src/kubernetes/policy/objects.ts';
import { readNetworkPolicy } from '../../../src/kubernetes/policy/read-objects.ts';
import { verdict, type Connection } from './verdict.ts';

/** Namespaces x, y and z with the pods a, b and c each, as 10.0.0.1 (x/a) to 10.0.2.3 (z/c); all on this node. */
const spaces = ['x', 'y', 'z'];
const names = ['a', 'b', 'c'];
const addressOf = (space: string, name: string): string => `10.0.${spaces.indexOf(space)}.${names.indexOf(name) + 1}`;

function podOf(namespace: string, name: string, changes: Partial<Pod> = {}): Pod {
  return {
    namespace,
    name,
    uid: `uid-${namespace}-${name}`,
    labels: { pod: name },
    node: 'node1',
    isOnHostNetwork: false,
    hasEnded: false,
    addresses: [addressOf(namespace, name)],
    ports: [
      { name: 'web', protocol: 'tcp', port: name === 'c' ? 8080 : 80 },
      { name: 'dns', protocol: 'udp', port: 53 },
    ],
    ...changes,
  };
}

const pods = spaces.flatMap((space) => names.map((name) => podOf(space, name)));
const namespaces = spaces.map((name) => ({ name, labels: { space: name, ...(name === 'z' ? {} : { early: 'yes' }) } }));
const local = pods.map(({ namespace, name, uid, addresses }): LocalPod => ({ namespace, name, uid, addresses }));

const policy = (spec: object, namespace = 'x', name = 'one'): NetworkPolicy =>
  readNetworkPolicy({ metadata: { namespace, name }, spec });

function worldWith(policies: readonly NetworkPolicy[], changes: Partial<ClusterObjects> = {}) {
  return nodePolicies({ pods, namespaces, policies, ...changes }, local);
}

/** Who reaches x/a at a port: "x/b". */
function reachersOf(policies: readonly NetworkPolicy[], at: Partial<Connection> = {}): string[] {
  const world = worldWith(policies);
  return pods
    .filter(({ addresses: [client = ''] }) => {
      const connection = { client, server: addressOf('x', 'a'), ...at };
      return verdict(world, 'out', connection) === 'allow' && verdict(world, 'into', connection) === 'allow';
    })
    .map(({ namespace, name }) => `${namespace}/${name}`);
}

const all = pods.map(({ namespace, name }) => `${namespace}/${name}`);
const toA = { podSelector: { matchLabels: { pod: 'a' } } };

describe('who reaches a pod', () => {
  test.for<[what: string, spec: object, reachers: readonly string[]]>([
    ['no rule', { ...toA }, []],
    ['an empty rule', { ...toA, ingress: [{}] }, all],
    ['all pods of its namespace', { ...toA, ingress: [{ from: [{ podSelector: {} }] }] }, ['x/a', 'x/b', 'x/c']],
    [
      'pods of all namespaces',
      { ...toA, ingress: [{ from: [{ namespaceSelector: {}, podSelector: { matchLabels: { pod: 'b' } } }] }] },
      ['x/b', 'y/b', 'z/b'],
    ],
    [
      'namespaces by expression',
      {
        ...toA,
        ingress: [
          { from: [{ namespaceSelector: { matchExpressions: [{ key: 'early', operator: 'DoesNotExist' }] } }] },
        ],
      },
      ['z/a', 'z/b', 'z/c'],
    ],
    [
      'a namespace or a pod',
      {
        ...toA,
        ingress: [
          {
            from: [
              { namespaceSelector: { matchLabels: { space: 'y' } } },
              { podSelector: { matchLabels: { pod: 'c' } } },
            ],
          },
        ],
      },
      ['x/c', 'y/a', 'y/b', 'y/c'],
    ],
    [
      'a block with a hole',
      { ...toA, ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/22', except: ['10.0.1.0/24', '10.0.2.2/32'] } }] }] },
      ['x/a', 'x/b', 'x/c', 'z/a', 'z/c'],
    ],
    ['a policy of egress alone', { ...toA, policyTypes: ['Egress'], egress: [{}] }, all],
    ['a policy for another pod', { podSelector: { matchLabels: { pod: 'b' } } }, all],
  ])('%s', ([, spec, reachers]) => {
    expect(reachersOf([policy(spec)])).toEqual(reachers);
  });

  test('a policy of another namespace is about nobody here', () => {
    expect(reachersOf([policy(toA, 'y')])).toEqual(all);
  });

  test('two policies allow what either allows', () => {
    const from = (name: string) => ({ ...toA, ingress: [{ from: [{ podSelector: { matchLabels: { pod: name } } }] }] });
    expect(reachersOf([policy(from('b')), policy(from('c'), 'x', 'two')])).toEqual(['x/b', 'x/c']);
    expect(reachersOf([policy(toA), policy(from('c'), 'x', 'two')])).toEqual(['x/c']);
  });

  test('the way out and the way in both have to be open', () => {
    const out = policy({ podSelector: {}, policyTypes: ['Egress'], egress: [] }, 'y');
    const into = policy({ ...toA, ingress: [{ from: [{ namespaceSelector: {} }] }] });
    expect(reachersOf([out, into])).toEqual(all.filter((one) => !one.startsWith('y/')));
  });
});

describe('at which ports', () => {
  const ports = (...list: object[]) => policy({ ...toA, ingress: [{ ports: list }] });

  test.for<[ports: object, at: Partial<Connection>, isOpen: boolean]>([
    [{ port: 80 }, { port: 80 }, true],
    [{ port: 80 }, { port: 81 }, false],
    [{ port: 80 }, { port: 80, protocol: 'udp' }, false],
    [{ port: 80, protocol: 'SCTP' }, { port: 80, protocol: 'sctp' }, true],
    [{ protocol: 'UDP' }, { port: 7, protocol: 'udp' }, true],
    [{ protocol: 'UDP' }, { port: 7 }, false],
    [{ port: 80, endPort: 90 }, { port: 90 }, true],
    [{ port: 80, endPort: 90 }, { port: 91 }, false],
    [{ port: 'web' }, { port: 80 }, true],
    [{ port: 'web' }, { port: 8080 }, false],
    [{ port: 'dns', protocol: 'UDP' }, { port: 53, protocol: 'udp' }, true],
    [{ port: 'dns' }, { port: 53 }, false],
    [{ port: 'nothing' }, { port: 80 }, false],
  ])('%j lets %j in: %s', ([port, at, isOpen]) => {
    expect(reachersOf([ports(port)], at)).toEqual(isOpen ? all : []);
  });

  test('peers and ports of one rule belong together', () => {
    const one = policy({
      ...toA,
      ingress: [
        { from: [{ podSelector: { matchLabels: { pod: 'b' } } }], ports: [{ port: 80 }] },
        { from: [{ podSelector: { matchLabels: { pod: 'c' } } }], ports: [{ port: 81 }] },
      ],
    });
    expect(reachersOf([one], { port: 80 })).toEqual(['x/b']);
    expect(reachersOf([one], { port: 81 })).toEqual(['x/c']);
  });

  test('named ports on the way out are those of each pod that is reached', () => {
    const world = worldWith([
      policy({
        podSelector: {},
        egress: [{ to: [{ namespaceSelector: {} }], ports: [{ port: 'web' }] }],
        policyTypes: ['Egress'],
      }),
    ]);
    const reached = (name: string, port: number) =>
      verdict(world, 'out', { client: addressOf('x', 'a'), server: addressOf('y', name), port });
    expect([reached('b', 80), reached('b', 8080), reached('c', 80), reached('c', 8080)]).toEqual([
      'allow',
      'deny',
      'deny',
      'allow',
    ]);
  });

  test('named ports of a pod that is judged are its own: two pods under one policy have two profiles', () => {
    const world = worldWith([policy({ podSelector: {}, ingress: [{ ports: [{ port: 'web' }] }] })]);
    const into = (name: string, port: number) =>
      verdict(world, 'into', { client: '192.0.2.1', server: addressOf('x', name), port });
    expect([into('a', 80), into('a', 8080), into('c', 80), into('c', 8080)]).toEqual([
      'allow',
      'deny',
      'deny',
      'allow',
    ]);
    expect(world.profiles).toHaveLength(2);
  });
});

describe('which pods', () => {
  const friends = policy({ ...toA, ingress: [{ from: [{ podSelector: { matchLabels: { pod: 'b' } } }] }] });
  const client = addressOf('x', 'b');

  test.for<[what: string, changes: Partial<Pod>]>([
    ['has ended', { hasEnded: true }],
    ['has the network of its node', { isOnHostNetwork: true }],
    ['has other labels', { labels: {} }],
  ])('a peer that %s is none', ([, changes]) => {
    const others = pods.map((pod) => (pod.namespace === 'x' && pod.name === 'b' ? { ...pod, ...changes } : pod));
    const world = worldWith([friends], { pods: others });
    expect(verdict(worldWith([friends]), 'into', { client, server: addressOf('x', 'a') })).toBe('allow');
    expect(verdict(world, 'into', { client, server: addressOf('x', 'a') })).toBe('deny');
  });

  test('a pod of this node has its address here before the API tells of it', () => {
    const untold = pods.map((pod) => ({ ...pod, addresses: [] }));
    const world = worldWith([friends], { pods: untold });
    expect(verdict(world, 'into', { client, server: addressOf('x', 'a') })).toBe('allow');
  });

  test('a pod that the API does not know, or under another uid, is in no map', () => {
    const others = pods
      .filter(({ name }) => name !== 'c')
      .map((pod) => (pod.name === 'b' ? { ...pod, uid: 'another' } : pod));
    const world = worldWith([], { pods: others });
    const into = (name: string) => verdict(world, 'into', { client, server: addressOf('x', name) });
    expect([into('a'), into('b'), into('c')]).toEqual(['allow', 'unknown', 'unknown']);
  });
});

test('a profile keeps its id while pods come and go, so that only elements change', () => {
  const friends = policy({ ...toA, ingress: [{ from: [{ podSelector: {} }] }] });
  const before = worldWith([friends]);
  const after = worldWith([friends], { pods: [...pods, podOf('x', 'new', { addresses: ['10.9.9.9'] })] });
  expect(after.profiles.map(({ id }) => id)).toEqual(before.profiles.map(({ id }) => id));
  expect(after.profiles[0]?.rules[0]?.addresses).toContain('10.9.9.9');
});

test('pods of one namespace under the same policies share a profile', () => {
  const world = worldWith([policy({ podSelector: {} }), policy({ podSelector: {} }, 'x', 'two')]);
  expect(world.profiles).toHaveLength(1);
});
