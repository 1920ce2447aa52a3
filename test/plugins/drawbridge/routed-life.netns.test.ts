/** What becomes of routed containers while they run: GC, STATUS, the agent's repair, bandwidth. */
import { startAgent, until } from '../../agent/process/agent.ts';
import { describe, expect, test, type Conflist, type Host, type Json } from '../../helpers/host.ts';
import { addContainer, makeWorld, reaches, restricted, world } from '../egress-policy/network.ts';
import { folder, installDropIns } from '../drop-in/links.ts';
import { both, leastSeconds, seconds, startPeer } from '../drop-in/transfer.ts';
import { addressesIn, expectFailure, hostInterfaceIn, hostLocal, succeeded } from './network.ts';
import { routedConf } from './routed-conf.ts';

/** Host's ends of containers. */
async function attached(host: Host): Promise<string[]> {
  return (await host.sh('ip -oneline link show type veth')).match(/\bveth[0-9a-f]{11}(?=@| )/gu) ?? [];
}

describe('GC', () => {
  test('removes routed containers that are not in the list, with routes, rules and leases, and leaves what is', async ({
    host,
  }) => {
    await makeWorld(host);
    const conf = routedConf({ egress: {} });
    const list: Conflist = { cniVersion: '1.1.0', name: 'net', plugins: [conf] };
    const [gone, kept] = [await addContainer(host, list), await addContainer(host, list)];
    const valid = [{ containerID: kept.name, ifname: 'eth0' }];
    succeeded(await host.cni('GC', { ...conf, 'cni.dev/valid-attachments': valid }));
    expect(await attached(host)).toEqual([hostInterfaceIn(kept.result)]);
    const address = addressesIn(gone.result)[0] ?? '';
    expect(await host.sh(`ip route show ${address}; ls /var/lib/cni/networks/net; nft list ruleset`)).not.toContain(
      address,
    );
    expect((await host.checkChain(list, { container: kept, result: kept.result })).error).toBeUndefined();
    expect(await reaches(host, kept)).toEqual(restricted);
  });
});

describe('STATUS', () => {
  test('succeeds for a routed network on a fresh host, and makes nothing', async ({ host }) => {
    succeeded(await host.cni('STATUS', routedConf()));
    expect(await host.leftovers()).toEqual([]);
  });

  test('is code 50 when no address of a routed network is free', async ({ host }) => {
    const conf = routedConf({ ipam: hostLocal('10.2.0.0/30') });
    succeeded(await host.cni('STATUS', conf));
    succeeded(await host.cni('ADD', conf, { container: await host.container() }));
    expectFailure(await host.cni('STATUS', conf), 50, /no address is free in "10\.2\.0\.0\/30"/);
  });
});

describe('the agent puts back, and lets nothing out meanwhile,', () => {
  const harms: Readonly<Record<string, (veth: string) => string>> = {
    'all rules': () => 'nft flush ruleset',
    'the address of the veth': (veth) => `ip addr del 10.1.0.1/32 dev ${veth}`,
    'a route to the container': () => 'ip route del 10.1.0.2',
    'the IPv6 route to the container': () => 'ip -6 route del fd01::2',
    forwarding: () => 'sysctl -qw net.ipv4.ip_forward=0',
    'the rule of the gate': () =>
      'for n in 4 6; do ip -$n rule show | grep -v "lookup \\(local\\|main\\|default\\)" | while read -r one; do ip -$n rule del preference "${one%%:*}"; done; done',
  };

  test.for(Object.entries(harms))('%s', async ([, harm], { host }) => {
    await makeWorld(host);
    await host.serve(host, { port: 22, reply: 'ssh' });
    const conf = routedConf({ egress: {} });
    const list: Conflist = { cniVersion: '1.1.0', name: 'net', plugins: [conf] };
    const container = await addContainer(host, list);
    await startAgent(host);
    const escaped: string[] = [];
    let isLooking = true;
    const attempts = (async () => {
      while (isLooking)
        for (const [address, port] of [
          [world.private4, 80],
          ['10.1.0.1', 22],
        ] as const)
          if (['outside', 'ssh'].includes(await host.fetch(container, address, port, { timeout: 50 })))
            escaped.push(address);
    })();
    await host.sh(harm(hostInterfaceIn(container.result)));
    const isWhole = async (): Promise<boolean> =>
      (await host.checkChain(list, { container, result: container.result })).error === undefined;
    await until(isWhole, 15_000).finally(() => {
      isLooking = false;
    });
    await attempts;
    expect(escaped).toEqual([]);
    expect(await reaches(host, container)).toEqual(restricted);
  });
});

test.for([undefined, {}] as const)(
  'the drop-in for bandwidth limits a routed container both ways, with the policy %j',
  async (policy, { host }) => {
    const outside = await makeWorld(host);
    await installDropIns(host);
    await startPeer(host, outside);
    const { cniVersion, name, ...plugin } = routedConf(policy === undefined ? {} : { egress: policy });
    const limited = { type: 'bandwidth', ...both };
    const list = { cniVersion: cniVersion as string, name: name as string, plugins: [plugin, limited] as Json[] };
    const container = await host.container();
    let prevResult: Json | undefined;
    for (const one of list.plugins)
      prevResult = succeeded(
        await host.cni(
          'ADD',
          { ...one, cniVersion, name, ...(prevResult === undefined ? {} : { prevResult }) },
          { container, path: folder, program: `${folder}/${one['type'] as string}` },
        ),
      );
    expect(await seconds(host, container, 'receive')).toBeGreaterThan(leastSeconds);
    expect(await seconds(host, container, 'send')).toBeGreaterThan(leastSeconds);
    if (policy !== undefined) {
      expect(await reaches(host, container)).toEqual(restricted);
      await host.run(['nft', 'flush', 'ruleset']);
      expect(Object.values(await reaches(host, container))).not.toContain('outside');
    }
  },
);
