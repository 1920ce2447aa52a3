import { describe, expect, test, type Host } from '../helpers/host.ts';
import { interfaceConf } from '../plugins/drawbridge/network.ts';
import { addContainer, addressOf, chain, reaches, restricted, world } from '../plugins/egress-policy/network.ts';
import { hostFromLan, lan, lanIpam, makeLan, onLan, reachable } from './lan.ts';

const brNetfilter = async (host: Host, value: number): Promise<void> =>
  void (await host.sh(
    `for f in /proc/sys/net/bridge/bridge-nf-call-ip*tables; do [ ! -e $f ] || echo ${value} > $f; done`,
  ));

describe.for(Object.entries(onLan))('on a bridge with a foreign port, in %s', ([, list]) => {
  test.for([0, 1])(
    'the host is reached from the LAN before, during and after a container with a policy, br_netfilter %i',
    async (value, { host }) => {
      const router = await makeLan(host);
      await brNetfilter(host, value);
      expect(await hostFromLan(host, router)).toEqual(reachable);
      const container = await addContainer(host, list());
      expect(await hostFromLan(host, router)).toEqual(reachable);
      expect((await host.delChain(list(), { container })).error).toBeUndefined();
      expect(await hostFromLan(host, router)).toEqual(reachable);
    },
  );

  test.for([0, 1])(
    'a container reaches what its policy allows and nothing else, br_netfilter %i',
    async (value, { host }) => {
      await makeLan(host);
      await brNetfilter(host, value);
      const container = await addContainer(host, list());
      expect(await reaches(host, container)).toEqual(restricted);
      expect(await host.fetch(container, lan.host4, 22, { timeout: 500 })).not.toBe('ssh');
      expect(await host.fetch(container, lan.host6, 22, { timeout: 500 })).not.toBe('ssh');
    },
  );
});

describe.for([0, 1])('with br_netfilter %i', (value) => {
  test('a container with a policy reaches no neighbour on the LAN by the bridge alone, and one without a policy does', async ({
    host,
  }) => {
    await makeLan(host);
    await brNetfilter(host, value);
    const { cniVersion, name, ...plugin } = interfaceConf({ ...lanIpam, name: 'plain' });
    const plain = { cniVersion: cniVersion as string, name: name as string, plugins: [plugin] };
    const free = await addContainer(host, plain);
    const neighbours = [lan.router4, lan.router6];
    const asked = async (from: typeof free): Promise<string[]> =>
      Promise.all(neighbours.map(async (address) => host.fetch(from, address, 80, { timeout: 1500 })));
    expect(await asked(free)).toEqual(['outside', 'outside']);
    await host.delChain(plain, { container: free });
    const held = await addContainer(host, onLan['one process']({ mode: 'open' }));
    expect(await asked(held)).not.toContain('outside');
    expect(await reaches(host, held, ['public4', 'private6'])).toEqual({ public4: 'outside', private6: 'outside' });
  });

  test('siblings stay apart', async ({ host }) => {
    await makeLan(host);
    await brNetfilter(host, value);
    const list = onLan['one process']();
    const [first, second] = [await addContainer(host, list), await addContainer(host, list)];
    await host.serve(second, { port: 80, reply: 'sibling' });
    const addresses = ([4, 6] as const).map((family) => addressOf(second.result, family));
    expect(await host.fetch(host, addresses[0] ?? '', 80)).toBe('sibling');
    const answers = await Promise.all(
      addresses.map(async (address) => host.fetch(first, address, 80, { timeout: 500 })),
    );
    expect(answers).not.toContain('sibling');
  });

  test('the LAN reaches a published port and nothing else of a container', async ({ host }) => {
    const router = await makeLan(host);
    await brNetfilter(host, value);
    const list = chain({}, { ...lanIpam, capabilities: { portMappings: true } });
    const container = await addContainer(host, list, {
      runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] },
    });
    await Promise.all([80, 81].map(async (port) => host.serve(container, { port, reply: 'container' })));
    await host.sh(`ip route add ${addressOf(container.result, 4)} via ${lan.host4}`, { where: router });
    expect(await host.fetch(router, addressOf(container.result, 4), 81, { timeout: 500 })).not.toBe('container');
    expect(await host.fetch(router, addressOf(container.result, 4), 80, { timeout: 500 })).not.toBe('container');
    // A client of the LAN's own prefix would be answered past the host.
    expect(await host.fetch(router, lan.host4, 8080, { timeout: 1500, from: world.public4 })).toBe('container');
  });
});
