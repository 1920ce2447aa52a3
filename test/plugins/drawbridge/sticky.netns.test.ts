import { describe, expect, test, type Container, type Host } from '../../helpers/host.ts';
import { drawbridge } from '../../cli/cli.ts';
import { addressesIn, expectFailure, hostLocal, interfaceConf, succeeded } from './network.ts';

const conf = interfaceConf({ ipam: { ...hostLocal('10.1.0.0/24', 'fd01::/64'), sticky: true } });

/** What a container of this id gets, which is then stopped. */
async function run(host: Host, containerId: string, args?: string, container?: Container): Promise<string[]> {
  const inside = container ?? (await host.container());
  const options = { container: inside, containerId, ...(args === undefined ? {} : { args }) };
  const given = addressesIn(succeeded(await host.cni('ADD', conf, options)));
  succeeded(await host.cni('DEL', conf, options));
  return given;
}

const [one, two] = ['1'.repeat(64), '2'.repeat(64)];

describe('"ipam.sticky" gives a container the addresses that it had', () => {
  test.for([
    ['a pod, by its name', one, two, 'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=db-0', ''],
    ['a container of podman that says its name', one, two, 'IgnoreUnknown=1;K8S_POD_NAME=web', ''],
    [
      'a container of podman, by its list',
      one,
      two,
      undefined,
      `mkdir -p /var/lib/containers/storage/overlay-containers
       echo '[{"id":"ID","names":["web"]}]' > /var/lib/containers/storage/overlay-containers/containers.json`,
    ],
    [
      'a container of nerdctl, by what containerd runs',
      `default-${one}`,
      `default-${two}`,
      undefined,
      `f=/run/containerd/io.containerd.runtime.v2.task/default/$(echo ID | sed s/default-//)
       mkdir -p $f; echo '{"annotations":{"nerdctl/name":"web"}}' > $f/config.json`,
    ],
    [
      'a container of nerdctl, by its names',
      `default-${one}`,
      `default-${two}`,
      undefined,
      `mkdir -p /var/lib/nerdctl/1935db59/names/default
       echo ID | sed s/default-// > /var/lib/nerdctl/1935db59/names/default/web`,
    ],
    ['any other, by its id', one, one, undefined, ''],
  ] as const)('%s', async ([, before, after, args, name], { host }) => {
    await host.sh(name.replaceAll('ID', before));
    const given = await run(host, before, args);
    const other = await run(host, 'other');
    await host.sh(name.replaceAll('ID', after));
    expect(await run(host, after, args)).toEqual(given);
    expect(other).not.toEqual(given);
  });

  test('and others to one of the same name in another namespace', async ({ host }) => {
    const pod = (namespace: string): string => `K8S_POD_NAMESPACE=${namespace};K8S_POD_NAME=web`;
    const given = await run(host, one, pod('a'));
    expect(await run(host, two, pod('b'))).not.toEqual(given);
    expect(await run(host, 'three', pod('a'))).toEqual(given);
  });

  test('on each of its interfaces', async ({ host }) => {
    const container = await host.container();
    const given = succeeded(await host.cni('ADD', conf, { container }));
    const second = succeeded(await host.cni('ADD', conf, { container, ifname: 'eth1' }));
    await host.cni('DEL', conf, { container });
    await host.cni('DEL', conf, { container, ifname: 'eth1' });
    expect(addressesIn(succeeded(await host.cni('ADD', conf, { container, ifname: 'eth1' })))).toEqual(
      addressesIn(second),
    );
    expect(addressesIn(succeeded(await host.cni('ADD', conf, { container })))).toEqual(addressesIn(given));
  });

  test('when twelve come back at once', async ({ host }) => {
    const containers = await Promise.all(Array.from({ length: 12 }, async () => host.container()));
    const all = async (): Promise<string[][]> =>
      Promise.all(
        containers.map(async (container, index) => {
          const options = { container, args: `K8S_POD_NAME=p${index}` };
          return addressesIn(succeeded(await host.cni('ADD', conf, options)));
        }),
      );
    const given = await all();
    await Promise.all(containers.map(async (container) => host.cni('DEL', conf, { container })));
    expect(await all()).toEqual(given);
  });

  test('not without the key', async ({ host }) => {
    const without = interfaceConf({ ipam: hostLocal('10.1.0.0/24') });
    const container = await host.container();
    succeeded(await host.cni('ADD', without, { container }));
    succeeded(await host.cni('DEL', without, { container }));
    expect(addressesIn(succeeded(await host.cni('ADD', without, { container })))).toEqual(['10.1.0.3']);
  });
});

describe('a conf with "ipam.sticky"', () => {
  test('that is no boolean is refused with code 7', async ({ host }) => {
    const wrong = interfaceConf({ ipam: { ...hostLocal('10.1.0.0/24'), sticky: 'yes' } });
    expectFailure(await host.cni('ADD', wrong, { container: await host.container() }), 7, '"ipam.sticky"');
  });

  test('that is misspelt is refused by name', async ({ host }) => {
    const wrong = interfaceConf({ ipam: { ...hostLocal('10.1.0.0/24'), stiky: true } });
    expectFailure(await host.cni('ADD', wrong, { container: await host.container() }), 7, 'ipam.stiky');
  });

  test('is valid to "policy check"', async ({ host }) => {
    const list = JSON.stringify({ cniVersion: '1.1.0', name: 'net', plugins: [conf] });
    await host.sh('mkdir -p /etc/cni/net.d; cat > /etc/cni/net.d/10.conflist', { input: list });
    const { code, json } = await drawbridge(host, ['policy', 'check', '--json', '/etc/cni/net.d/10.conflist']);
    expect(code).toBe(0);
    expect(JSON.stringify(json)).not.toContain('sticky');
  });

  test('fails with code 5 when it cannot be written down, and leaves no lease', async ({ host }) => {
    await run(host, one);
    await host.sh('rm -rf /var/lib/drawbridge/sticky; touch /var/lib/drawbridge/sticky');
    expectFailure(await host.cni('ADD', conf, { container: await host.container() }), 5, '/var/lib/drawbridge/sticky');
    expect((await host.sh('ls /var/lib/cni/networks/net')).split('\n').filter((file) => /^(10|fd)/.test(file))).toEqual(
      [],
    );
  });
});
