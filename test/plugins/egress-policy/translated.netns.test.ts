import { describe, expect, test, type Host, type Json, type Outside } from '../../helpers/host.ts';
import type { Conflist } from '../../helpers/runtime.ts';
import { addContainer, chain, makeWorld, oneProcess } from './network.ts';

/** What kube-proxy makes of a Service: an address of the cluster and a port of every node lead to 10.1.0.2. */
const service = `
table ip services {
  chain translate {
    type nat hook prerouting priority dstnat - 1
    ip daddr 10.96.0.10 tcp dport 80 dnat to 10.1.0.2:80
    tcp dport 30080 fib daddr type local dnat to 10.1.0.2:80
  }
}`;

type List = (policy: Json) => Conflist;

const routed: List = (policy) => oneProcess(policy, { routed: true, bridge: undefined });
const kinds: Readonly<Record<string, List>> = { 'on a bridge': (policy) => oneProcess(policy), routed };

/** Adds a container at 10.1.0.2 that serves port 80, also at 8080 of the host, and a Service that leads to it. */
async function serveAll(host: Host, policy: Json, list: List): Promise<Outside> {
  const outside = await makeWorld(host);
  await host.run(['nft', '-f', '-'], { input: service });
  const portMappings = [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }];
  const container = await addContainer(host, list(policy), { name: 'served', runtimeConfig: { portMappings } });
  await host.serve(container, { port: 80, reply: 'inside' });
  return outside;
}

describe.for(Object.entries(kinds))('%s', ([, list]) => {
  test('a translation of others publishes nothing to the outside, and one of ours does', async ({ host }) => {
    const outside = await serveAll(host, { mode: 'open' }, list);
    expect(await host.fetch(outside, '192.0.2.1', 30_080)).not.toBe('inside');
    expect(await host.fetch(outside, '192.0.2.1', 8080)).toBe('inside');
  });

  test('with "ingress": "open" it is reached by a translation of others too', async ({ host }) => {
    const outside = await serveAll(host, { mode: 'open', ingress: 'open' }, list);
    expect(await host.fetch(outside, '192.0.2.1', 30_080)).toBe('inside');
  });
});

test.for([
  ['none', 'inside'],
  ['container', 'denied'],
] as const)(
  'a Service leads from one routed container to another with isolation "%s": %s',
  async ([isolation, answer], { host }) => {
    const policy = { mode: 'open', isolation };
    await serveAll(host, policy, routed);
    const sibling = await addContainer(host, routed(policy));
    const found = await host.fetch(sibling, '10.96.0.10', 80);
    expect(found === 'inside' ? found : 'denied').toBe(answer);
    expect(await host.fetch(sibling, '192.0.2.1', 8080)).toBe('inside');
  },
);

test('after the ADD of a chain it is the same', async ({ host }) => {
  const outside = await serveAll(host, { mode: 'open' }, (policy) =>
    chain(policy, { capabilities: { portMappings: true } }),
  );
  expect(await host.fetch(outside, '192.0.2.1', 30_080)).not.toBe('inside');
  expect(await host.fetch(outside, '192.0.2.1', 8080)).toBe('inside');
});
