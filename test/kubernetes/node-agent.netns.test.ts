import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until, type Agent } from '../agent/process/agent.ts';
import { makeHost, type Host, type Outside } from '../helpers/private-host.ts';
import {
  argsOf,
  askAsAccount,
  dropPolicy,
  lacking,
  makePod,
  nodeList,
  putPolicy,
  runPod,
  startCluster,
  startNodeAgent,
  type Cluster,
  type RunningPod,
} from './cluster.ts';

const conflist = '/etc/cni/net.d/10-drawbridge.conflist';

describe.skipIf(lacking !== undefined)('the agent of a node', () => {
  let host: Host;
  let cluster: Cluster;
  let agent: Agent;
  let outside: Outside;
  let web: RunningPod;

  beforeAll(async () => {
    host = await makeHost();
    outside = await host.outside();
    await outside.address('8.8.8.8');
    await host.serve(outside, { port: 80, address: '8.8.8.8', reply: 'outside' });
    cluster = await startCluster(host);
    agent = await startNodeAgent(host);
  }, 200_000);

  afterAll(async () => {
    await agent?.stop();
    await host?.dispose();
  });

  const waiting = { timeout: 15_000, interval: 100 };

  const problems = async (): Promise<string> => {
    const { result } = await agent.ask<{ problems: readonly string[] }>('status');
    return result.problems.join('\n');
  };

  const node = (name: string, third: number, address?: string) => ({
    metadata: { name },
    spec: { podCIDR: `10.244.${third}.0/24`, podCIDRs: [`10.244.${third}.0/24`, `fd00:244:${third}::/64`] },
    ...(address === undefined ? {} : { status: { addresses: [{ type: 'InternalIP', address }] } }),
  });

  test('a node without ranges gets no list and says why; with ranges the list comes last, with both families', async () => {
    await cluster.create('/api/v1/nodes', { metadata: { name: 'node1' } });
    await expect.poll(problems, waiting).toContain('no range of addresses for its pods');
    expect((await host.exec(['test', '-e', conflist])).code).toBe(1);
    await cluster.send('DELETE', '/api/v1/nodes/node1');
    await cluster.create('/api/v1/nodes', node('node1', 1));
    await expect.poll(async () => (await host.exec(['test', '-e', conflist])).code, waiting).toBe(0);
    expect((await nodeList(host)).plugins).toEqual([
      {
        type: 'drawbridge',
        kubernetes: true,
        routed: true,
        isDefaultGateway: true,
        ipMasq: true,
        noMasquerade: ['10.244.0.0/16', 'fd00:244::/48'],
        awaitsPolicy: false,
        ipam: { type: 'host-local', ranges: [[{ subnet: '10.244.1.0/24' }], [{ subnet: 'fd00:244:1::/64' }]] },
        capabilities: { portMappings: true },
      },
    ]);
    expect(await problems()).toBe('');
  });

  test('routes lead to the pods of other nodes on the link, and go with them; a node behind a router is named', async () => {
    const routes = async (): Promise<string> => host.sh('ip -4 route show; ip -6 route show');
    await cluster.create('/api/v1/nodes', node('node2', 2, '192.0.2.2'), node('node3', 3, '203.0.113.9'));
    await expect.poll(routes, waiting).toContain('10.244.2.0/24 via 192.0.2.2 dev eth0');
    await expect.poll(problems, waiting).toContain('"node3" in 10.244.3.0/24: 203.0.113.9 is on no link of this node');
    await cluster.send('DELETE', '/api/v1/nodes/node2');
    await expect.poll(routes, waiting).not.toContain('10.244.2.0/24');
    await cluster.send('DELETE', '/api/v1/nodes/node3');
    await expect.poll(problems, waiting).toBe('');
  });

  test('a pod that the API does not know is not started, and leaves nothing', async () => {
    await cluster.create('/api/v1/namespaces', { metadata: { name: 'shop' } });
    const container = await host.container();
    const before = await host.sh('ls /run/drawbridge/attachments | wc -l');
    const args = argsOf({ namespace: 'shop', name: 'nobody', uid: 'none' });
    const { error } = await host.addChain(await nodeList(host), { container, args, timeout: 40_000 });
    expect(error).toMatchObject({
      code: 11,
      msg: 'Cannot put the policies of pod "shop/nobody" in force: the API server does not tell of this pod',
    });
    expect(await host.sh('ls /run/drawbridge/attachments | wc -l')).toBe(before);
    expect((await container.exec(['ip', 'link', 'show', 'eth0'])).code).toBe(1);
  });

  test('a container that is no pod is refused on the network of pods', async () => {
    const container = await host.container();
    const { error } = await host.addChain(await nodeList(host), { container });
    expect(error).toMatchObject({ code: 4, msg: expect.stringContaining('Cannot tell which pod this is') });
  });

  test('its account reads what it follows, and nothing else', async () => {
    const asked = async (path: string) => askAsAccount(host, path);
    expect(await asked('/api/v1/pods?limit=1')).toBe(200);
    expect(await asked('/apis/networking.k8s.io/v1/networkpolicies?limit=1')).toBe(200);
    expect(await asked('/api/v1/secrets')).toBe(403);
    expect(await asked('/api/v1/namespaces/kube-system/configmaps')).toBe(403);
    expect(await asked('/api/v1/namespaces/kube-system/pods/any')).toBe(403);
  });

  test('CHECK passes for a pod, and DEL leaves nothing of it in the rules', async () => {
    const list = await nodeList(host);
    const pod = await runPod(cluster, 'shop', 'checked');
    const [address = ''] = pod.addresses;
    const args = argsOf({ namespace: 'shop', name: 'checked', uid: pod.uid });
    const held = async (): Promise<string> => host.sh('nft list ruleset');
    expect(await held()).toContain(`${address} : goto pods_open`);
    const checked = await host.checkChain(list, { container: pod, args });
    expect(checked.error).toBeUndefined();
    await host.sh(`nft delete element inet drawbridge pods4 '{ ${address} }'`);
    expect((await host.checkChain(list, { container: pod, args })).error?.['msg']).toContain(address);
    expect((await host.delChain(list, { container: pod, args })).error).toBeUndefined();
    await expect.poll(held, waiting).not.toContain(`${address} :`);
  });

  test('without an agent rules stay, also when the tables are written anew, and pods are not started', async () => {
    await putPolicy(cluster, 'shop', 'out', { podSelector: { matchLabels: { app: 'web' } }, policyTypes: ['Egress'] });
    web = await runPod(cluster, 'shop', 'web', { labels: { app: 'web' } });
    const free = await runPod(cluster, 'shop', 'free');
    const seen = async () => [await host.fetch(web, '8.8.8.8', 80), await host.fetch(free, '8.8.8.8', 80)];
    expect(await seen()).toEqual(['refused', 'outside']);
    await agent.kill();
    expect(await seen()).toEqual(['refused', 'outside']);
    await host.sh('nft delete table inet drawbridge');
    // Its rules are not as they should be, so that all are written anew.
    const other = await host.container();
    const conf = {
      cniVersion: '1.0.0',
      name: 'other',
      type: 'drawbridge',
      ipam: { type: 'host-local', subnet: '10.77.0.0/24' },
    };
    const added = await host.cni('ADD', conf, { container: other });
    expect(added.error).toBeUndefined();
    expect(await seen()).toEqual(['refused', 'outside']);
    const container = await host.container();
    const { metadata } = await makePod(cluster, 'shop', 'late');
    const args = argsOf({ namespace: 'shop', name: 'late', uid: (metadata as { uid: string }).uid });
    const { error } = await host.addChain(await nodeList(host), { container, args });
    expect(error).toMatchObject({ code: 11, msg: expect.stringContaining('does not answer on this node') });
    agent = await startNodeAgent(host);
    await expect
      .poll(async () => (await host.addChain(await nodeList(host), { container, args })).error, waiting)
      .toBeUndefined();
  });

  test('without an API server what was known last holds, for an agent that starts anew too', async () => {
    // What is known is written down every few seconds.
    const remembered = async (): Promise<string> =>
      (await host.exec(['cat', '/run/drawbridge/cluster/objects.json'])).stdout;
    const { metadata } = await makePod(cluster, 'shop', 'next', { labels: { app: 'web' } });
    await expect.poll(remembered, waiting).toContain('"next"');
    await cluster.stopApi();
    await expect
      .poll(problems, { timeout: 30_000, interval: 200 })
      .toContain('Cannot watch "/api/v1/pods" of the cluster');
    await agent.stop();
    agent = await startNodeAgent(host);
    expect(await host.fetch(web, '8.8.8.8', 80)).toBe('refused');
    const container = await host.container();
    const args = argsOf({ namespace: 'shop', name: 'next', uid: (metadata as { uid: string }).uid });
    const added = await host.addChain(await nodeList(host), { container, args, timeout: 40_000 });
    expect(added.error).toBeUndefined();
    expect(await host.fetch(container, '8.8.8.8', 80)).toBe('refused');
    expect(await host.fetch(host, '8.8.8.8', 80)).toBe('outside');
    await cluster.startApi();
    await dropPolicy(cluster, 'shop', 'out');
    await expect.poll(() => host.fetch(web, '8.8.8.8', 80), { timeout: 60_000, interval: 200 }).toBe('outside');
    await until(async () => (await problems()) === '', 60_000);
  }, 240_000);
});
