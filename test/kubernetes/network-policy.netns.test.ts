import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { until, type Agent } from '../agent/process/agent.ts';
import { makeHost, type Host, type Outside } from '../helpers/private-host.ts';
import {
  dropPolicy,
  lacking,
  makePod,
  merge,
  putPolicy,
  runPod,
  startCluster,
  startNodeAgent,
  type Cluster,
  type RunningPod,
} from './cluster.ts';

/** One cluster for all: an API server takes a while to start. Each test has its own namespace, and its own pods. */
describe.skipIf(lacking !== undefined)('NetworkPolicy on a node', () => {
  let host: Host;
  let cluster: Cluster;
  let agent: Agent;
  let outside: Outside;
  let space: string;
  let spaces = 0;

  beforeAll(async () => {
    host = await makeHost();
    outside = await host.outside();
    await outside.address('8.8.8.8', '10.244.9.9', 'fd00:244:9::9');
    await host.sh('ip route add 10.244.9.0/24 via 192.0.2.2; ip route add fd00:244:9::/64 via 2001:db8:ffff::2');
    await host.sh('ip route add 10.244.1.0/24 via 192.0.2.1', { where: outside });
    cluster = await startCluster(host);
    await cluster.create('/api/v1/nodes', {
      metadata: { name: 'node1' },
      spec: { podCIDRs: ['10.244.1.0/24', 'fd00:244:1::/64'], podCIDR: '10.244.1.0/24' },
    });
    agent = await startNodeAgent(host);
    await until(async () => (await host.exec(['test', '-e', '/etc/cni/net.d/10-drawbridge.conflist'])).code === 0);
  }, 200_000);

  afterAll(async () => {
    await agent?.stop();
    await host?.dispose();
  });

  beforeEach(async () => {
    space = `space${++spaces}`;
    await cluster.create('/api/v1/namespaces', { metadata: { name: space, labels: { team: space } } });
  });

  /** What a client gets from both addresses of a server. */
  async function both(from: RunningPod, to: RunningPod, port = 80, proto: 'tcp' | 'udp' = 'tcp'): Promise<string[]> {
    return Promise.all(to.addresses.map(async (address) => host.fetch(from, address, port, { proto, timeout: 1500 })));
  }

  /** A pod with a server that tells its name. */
  async function server(name: string, port = 80, labels: Record<string, string> = { app: name }): Promise<RunningPod> {
    const pod = await runPod(cluster, space, name, { labels, ports: [{ name: 'web', containerPort: port }] });
    await host.serve(pod, { port, reply: name });
    return pod;
  }

  const waiting = { timeout: 15_000, interval: 100 };
  const open = ['web', 'web'];
  const shut = ['refused', 'refused'];

  test('pods that nothing selects reach each other, their node and the outside, and are reached by it', async () => {
    const web = await server('web');
    const client = await runPod(cluster, space, 'client');
    await host.serve(outside, { port: 80, address: '8.8.8.8', reply: 'outside' });
    expect(await both(client, web)).toEqual(open);
    expect(await host.fetch(client, '8.8.8.8', 80)).toBe('outside');
    expect(await host.fetch(host, web.addresses[0] ?? '', 80)).toBe('web');
    expect(await host.fetch(outside, web.addresses[0] ?? '', 80)).toBe('web');
  });

  test('default deny closes a pod for others and not for its node, until it is taken away', async () => {
    const web = await server('web');
    const client = await runPod(cluster, space, 'client');
    expect(await both(client, web)).toEqual(open);
    await putPolicy(cluster, space, 'deny', { podSelector: {}, policyTypes: ['Ingress'] });
    await expect.poll(() => both(client, web), waiting).toEqual(shut);
    expect(await host.fetch(host, web.addresses[0] ?? '', 80)).toBe('web');
    expect(await host.fetch(host, web.addresses[1] ?? '', 80)).toBe('web');
    expect(await host.fetch(web, web.addresses[0] ?? '', 80)).toBe('web');
    await dropPolicy(cluster, space, 'deny');
    await expect.poll(() => both(client, web), waiting).toEqual(open);
  });

  test('a pod that is added under a policy never had a moment without', async () => {
    await putPolicy(cluster, space, 'deny', { podSelector: {}, policyTypes: ['Egress'] });
    const client = await runPod(cluster, space, 'client');
    await host.serve(outside, { port: 81, address: '8.8.8.8', reply: 'outside' });
    expect(await host.fetch(client, '8.8.8.8', 81)).toBe('refused');
    expect(await host.fetch(host, '8.8.8.8', 81)).toBe('outside');
  });

  test('pods are selected by labels, expressions and namespaces, and policies add up', async () => {
    const web = await server('web');
    const other = `${space}-other`;
    await cluster.create('/api/v1/namespaces', { metadata: { name: other, labels: { team: other } } });
    const [friend, stranger, guest, neighbour] = await Promise.all([
      runPod(cluster, space, 'friend', { labels: { role: 'friend' } }),
      runPod(cluster, space, 'stranger', { labels: { role: 'stranger' } }),
      runPod(cluster, other, 'guest', { labels: { role: 'guest' } }),
      runPod(cluster, other, 'neighbour', { labels: { role: 'friend' } }),
    ]);
    const seen = async (): Promise<unknown> => ({
      friend: await both(friend, web),
      stranger: await both(stranger, web),
      guest: await both(guest, web),
      neighbour: await both(neighbour, web),
    });
    await putPolicy(cluster, space, 'friends', {
      podSelector: { matchLabels: { app: 'web' } },
      ingress: [
        { from: [{ podSelector: { matchExpressions: [{ key: 'role', operator: 'In', values: ['friend'] }] } }] },
      ],
    });
    await expect.poll(seen, waiting).toEqual({ friend: open, stranger: shut, guest: shut, neighbour: shut });
    await putPolicy(cluster, space, 'guests', {
      podSelector: {},
      ingress: [
        {
          from: [
            {
              namespaceSelector: { matchLabels: { team: other } },
              podSelector: { matchExpressions: [{ key: 'role', operator: 'NotIn', values: ['friend'] }] },
            },
          ],
        },
      ],
    });
    await expect.poll(seen, waiting).toEqual({ friend: open, stranger: shut, guest: open, neighbour: shut });
    await cluster.send(
      'PATCH',
      `/api/v1/namespaces/${space}/pods/stranger`,
      { metadata: { labels: { role: 'friend' } } },
      merge,
    );
    await expect.poll(seen, waiting).toEqual({ friend: open, stranger: open, guest: open, neighbour: shut });
    await cluster.send('PATCH', `/api/v1/namespaces/${other}`, { metadata: { labels: { team: 'gone' } } }, merge);
    await expect.poll(seen, waiting).toEqual({ friend: open, stranger: open, guest: shut, neighbour: shut });
  });

  test('ports by number, range and name, each protocol by itself', async () => {
    const web = await server('web');
    const named = await server('named', 8080, { app: 'web' });
    const client = await runPod(cluster, space, 'client');
    await Promise.all([
      host.serve(web, { port: 81, reply: 'web' }),
      host.serve(web, { port: 9001, reply: 'web' }),
      host.serve(web, { port: 80, proto: 'udp', reply: 'web' }),
      host.serve(named, { port: 80, reply: 'named' }),
    ]);
    await putPolicy(cluster, space, 'ports', {
      podSelector: { matchLabels: { app: 'web' } },
      ingress: [
        { ports: [{ port: 'web' }] },
        { from: [{ podSelector: {} }], ports: [{ port: 9000, endPort: 9002, protocol: 'TCP' }] },
      ],
    });
    await expect.poll(() => both(client, web, 81), waiting).toEqual(shut);
    expect(await both(client, web)).toEqual(open);
    expect(await both(client, web, 9001)).toEqual(open);
    expect(await both(client, web, 80, 'udp')).toEqual(
      ['unreachable', 'unreachable'].map(() => expect.stringMatching(/refused|unreachable/)),
    );
    expect(await both(client, named, 8080)).toEqual(['named', 'named']);
    expect(await both(client, named)).toEqual(shut);
  });

  test('named ports of what is reached are those of each pod', async () => {
    const web = await server('web');
    const named = await server('named', 8080, { app: 'web' });
    await Promise.all([host.serve(web, { port: 8080, reply: 'web' }), host.serve(named, { port: 80, reply: 'named' })]);
    const client = await runPod(cluster, space, 'client', { labels: { role: 'client' } });
    await putPolicy(cluster, space, 'out', {
      podSelector: { matchLabels: { role: 'client' } },
      policyTypes: ['Egress'],
      egress: [{ to: [{ podSelector: { matchLabels: { app: 'web' } } }], ports: [{ port: 'web' }] }],
    });
    await expect.poll(() => both(client, web, 8080), waiting).toEqual(shut);
    expect(await both(client, web)).toEqual(open);
    expect(await both(client, named, 8080)).toEqual(['named', 'named']);
    expect(await both(client, named)).toEqual(shut);
  });

  test('blocks with exceptions, of pods elsewhere and of the outside', async () => {
    const client = await runPod(cluster, space, 'client');
    await Promise.all([
      host.serve(outside, { port: 82, address: '8.8.8.8', reply: 'outside' }),
      host.serve(outside, { port: 82, address: '10.244.9.9', reply: 'pod' }),
    ]);
    const seen = async (): Promise<string[]> => [
      await host.fetch(client, '8.8.8.8', 82),
      await host.fetch(client, '10.244.9.9', 82),
    ];
    expect(await seen()).toEqual(['outside', 'pod']);
    await putPolicy(cluster, space, 'out', {
      podSelector: {},
      policyTypes: ['Egress'],
      egress: [{ to: [{ ipBlock: { cidr: '0.0.0.0/0', except: ['10.0.0.0/8'] } }] }],
    });
    await expect.poll(seen, waiting).toEqual(['outside', 'refused']);
    await makePod(cluster, space, 'far', { node: 'node2', labels: { app: 'far' }, addresses: ['10.244.9.9'] });
    await putPolicy(cluster, space, 'far', {
      podSelector: {},
      policyTypes: ['Egress'],
      egress: [{ to: [{ podSelector: { matchLabels: { app: 'far' } } }] }],
    });
    await expect.poll(seen, waiting).toEqual(['outside', 'pod']);
    await cluster.send('DELETE', `/api/v1/namespaces/${space}/pods/far?gracePeriodSeconds=0`);
    await expect.poll(seen, waiting).toEqual(['outside', 'refused']);
  });

  test('a Service is judged by the pod behind it', async () => {
    const web = await server('web');
    const client = await runPod(cluster, space, 'client', { labels: { role: 'client' } });
    const [behind = ''] = web.addresses;
    await host.run(['nft', '-f', '-'], {
      input: `table ip service {
        chain translate { type nat hook prerouting priority dstnat; ip daddr 10.96.0.7 tcp dport 8000 dnat to ${behind}:80; }
      }\n`,
    });
    expect(await host.fetch(client, '10.96.0.7', 8000)).toBe('web');
    await putPolicy(cluster, space, 'out', {
      podSelector: { matchLabels: { role: 'client' } },
      policyTypes: ['Egress'],
      egress: [{ to: [{ podSelector: { matchLabels: { app: 'web' } } }], ports: [{ port: 80 }] }],
    });
    await putPolicy(cluster, space, 'in', {
      podSelector: { matchLabels: { app: 'web' } },
      ingress: [{ from: [{ podSelector: { matchLabels: { role: 'client' } } }], ports: [{ port: 80 }] }],
    });
    const stranger = await runPod(cluster, space, 'stranger');
    await expect.poll(() => host.fetch(stranger, '10.96.0.7', 8000), waiting).toBe('refused');
    expect(await host.fetch(client, '10.96.0.7', 8000)).toBe('web');
    await host.sh('nft delete table ip service');
  });

  test.for(['Ingress', 'Egress'])('a connection that stands ends when a policy closes it: %s', async (direction) => {
    const web = await runPod(cluster, space, 'web', { labels: { app: 'web' } });
    const client = await runPod(cluster, space, 'client', { labels: { app: 'client' } });
    const [address = ''] = web.addresses;
    await host.spawn(['python3', '-c', telling, address], { where: web });
    const reader = await host.spawn(['python3', '-uc', reading, address], { where: client });
    const said = async (): Promise<string> => host.run(['cat', reader.log]);
    await expect.poll(said, waiting).toBe('begun\n');
    await putPolicy(cluster, space, 'other', { podSelector: { matchLabels: { app: 'other' } } });
    await putPolicy(cluster, space, 'close', {
      podSelector: { matchLabels: { app: direction === 'Ingress' ? 'web' : 'client' } },
      policyTypes: [direction],
    });
    await expect.poll(said, waiting).toMatch(/^begun\n(?:reset|silent)\n$/);
  });
});

/** Sends a byte every 20 milliseconds to whoever connects. */
const telling = `
import socket, sys, time
server = socket.create_server((sys.argv[1], 7000))
peer, _ = server.accept()
while True:
  peer.sendall(b'x'); time.sleep(0.02)
`;

const reading = `
import socket, sys, time
for _ in range(100):
  try: s = socket.create_connection((sys.argv[1], 7000), 1); break
  except OSError: time.sleep(0.1)
s.settimeout(2); s.recv(1); print('begun')
try:
  while s.recv(100): pass
  print('ended')
except TimeoutError: print('silent')
except OSError: print('reset')
`;
