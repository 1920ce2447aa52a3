/** Confs that runtimes write for the reference's bridge plugin, with nothing changed but "type". */
import { describe, expect, test, type Json } from '../../helpers/host.ts';
import { expectFailure, succeeded } from './network.ts';

interface Ported {
  readonly from: string;
  readonly conf: Json;
  readonly v6: boolean;
}

const hostLocal = (subnets: string[], more: Json = {}): Json => ({
  type: 'host-local',
  ranges: subnets.map((subnet) => [{ subnet }]),
  ...more,
});

const confs: readonly Ported[] = [
  {
    from: 'nerdctl',
    v6: false,
    conf: {
      cniVersion: '1.0.0',
      name: 'bridge',
      bridge: 'nerdctl0',
      isGateway: true,
      ipMasq: true,
      hairpinMode: true,
      ipam: {
        ranges: [[{ gateway: '10.4.0.1', subnet: '10.4.0.0/24', ipRange: '10.4.0.0/25' }]],
        routes: [{ dst: '0.0.0.0/0' }],
        type: 'host-local',
      },
    },
  },
  {
    from: 'containerd',
    v6: true,
    conf: {
      cniVersion: '0.4.0',
      name: 'containerd-net',
      bridge: 'cni0',
      isGateway: true,
      ipMasq: true,
      promiscMode: true,
      ipam: hostLocal(['10.88.0.0/16', '2001:4860:4860::/64'], { routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }] }),
    },
  },
  {
    from: 'podman',
    v6: false,
    conf: {
      cniVersion: '0.4.0',
      name: 'podman',
      args: { podman_labels: { a: 'b' }, podman_options: {} },
      bridge: 'cni-podman0',
      isGateway: true,
      ipMasq: true,
      hairpinMode: true,
      ipam: hostLocal(['10.88.0.0/16'], { routes: [{ dst: '0.0.0.0/0' }] }),
      capabilities: { ips: true },
    },
  },
  {
    from: 'CRI-O',
    v6: true,
    conf: {
      cniVersion: '1.0.0',
      name: 'crio-bridge',
      bridge: 'cni0',
      isGateway: true,
      ipMasq: true,
      hairpinMode: true,
      ipam: hostLocal(['10.85.0.0/16', '1100:200::/24'], { routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }] }),
    },
  },
  {
    from: 'Nomad',
    v6: false,
    conf: {
      cniVersion: '0.4.0',
      name: 'nomad',
      bridge: 'nomad',
      ipMasq: true,
      isGateway: true,
      forceAddress: true,
      hairpinMode: true,
      ipam: hostLocal(['172.26.64.0/20'], { routes: [{ dst: '0.0.0.0/0' }] }),
    },
  },
  {
    from: 'firecracker-containerd',
    v6: false,
    conf: {
      cniVersion: '1.0.0',
      name: 'fcnet',
      bridge: 'fc-br0',
      isDefaultGateway: true,
      ipMasq: true,
      hairpinMode: true,
      mtu: 1500,
      ipam: { type: 'host-local', subnet: '192.168.1.0/24', resolvConf: '/run/resolv.conf' },
    },
  },
];

describe('a conf of the reference', () => {
  test.for(confs)('works when it is that of $from', async ({ conf, v6 }, { host }) => {
    const outside = await host.outside();
    await host.sh('echo nameserver 192.0.2.53 > /run/resolv.conf');
    const server = await host.serve(outside);
    const container = await host.container();
    const drawbridge = {
      ...conf,
      type: 'drawbridge',
      runtimeConfig: { portMappings: [{ HostPort: 8080, ContainerPort: 80, Protocol: 'tcp', HostIP: '0.0.0.0' }] },
    };
    const options = { container, args: 'IgnoreUnknown=1;K8S_POD_NAME=p;NERDCTL_CNI_DHCP_HOSTNAME=h' };
    const prevResult = succeeded(await host.cni('ADD', drawbridge, options));
    await host.serve(container, { port: 80 });
    expect(await host.fetch(container, outside.v4, server.port)).toBe(outside.hostV4);
    if (v6) expect(await host.fetch(container, outside.v6, server.port)).toBe(outside.hostV6);
    expect(await host.fetch(outside, outside.hostV4, 8080)).toBe(outside.v4);
    succeeded(await host.cni('CHECK', { ...drawbridge, prevResult }, options));
    succeeded(await host.cni('DEL', { ...conf, type: 'drawbridge' }, { ...options, netns: '' }));
    const allow = [new RegExp(`link ${conf['bridge']}$`), /\/run\/drawbridge\/(bridges|listings)\//, /\/boot\//];
    expect(await host.leftovers({ allow })).toEqual([]);
  });
});

describe('the order of a runtime like nerdctl', () => {
  test('works: a DEL without namespace before each ADD, and all networks of a container at once', async ({ host }) => {
    const container = await host.container();
    const networks = [1, 2, 3, 4].map((index) => ({
      cniVersion: '1.0.0',
      name: `net${index}`,
      type: 'drawbridge',
      bridge: `br${index}`,
      isGateway: true,
      ipMasq: true,
      ipam: hostLocal([`10.4.${index}.0/24`], index === 1 ? { routes: [{ dst: '0.0.0.0/0' }] } : {}),
    }));
    const attach = (verb: string, netns: string) =>
      Promise.all(networks.map((conf, index) => host.cni(verb, conf, { container, netns, ifname: `eth${index}` })));
    for (let turn = 0; turn < 2; turn++) {
      (await attach('DEL', '')).forEach(succeeded);
      (await attach('ADD', container.netns)).forEach(succeeded);
    }
    const answers = await Promise.all([1, 2, 3, 4].map((index) => host.ping(container, `10.4.${index}.1`)));
    expect(answers).toEqual(['answer', 'answer', 'answer', 'answer']);
    (await attach('DEL', '')).forEach(succeeded);
    expect(await host.leftovers({ allow: [/link br\d$/, /\/bridges\//, /\/boot\//] })).toEqual([]);
  });

  test('gets an error for a network whose bridge has the address of another', async ({ host }) => {
    const [c1, c2] = [await host.container(), await host.container()];
    const conf = (name: string, subnet: string) => ({
      cniVersion: '1.0.0',
      name,
      type: 'drawbridge',
      bridge: 'shared0',
      isGateway: true,
      ipam: hostLocal([subnet]),
    });
    succeeded(await host.cni('ADD', conf('one', '10.1.0.0/24'), { container: c1 }));
    const outcome = await host.cni('ADD', conf('two', '10.2.0.0/24'), { container: c2 });
    expectFailure(
      outcome,
      102,
      /"shared0" already has an IP address different from "10\.2\.0\.1\/24", namely "10\.1\.0\.1\/24"/,
    );
    expect(await host.ping(c1, '10.1.0.1')).toBe('answer');
  });
});
