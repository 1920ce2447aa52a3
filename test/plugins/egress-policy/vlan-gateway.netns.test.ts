/**
 * A bridge whose gateway is the far end of a pair, as the bridge plugins make one in a VLAN. This machine's kernel
 * filters no VLANs; `npm run test:kernels` has those that do.
 */
import { executable, pluginFolder } from '../../helpers/executable.ts';
import { describe, expect, test, type Container, type Host, type Json } from '../../helpers/host.ts';
import { succeeded } from '../drawbridge/network.ts';
import { makeWorld, reaches, referenceChain, referencePlugins, restricted, runChain } from './network.ts';

describe.skipIf(referencePlugins() === undefined)('behind a gateway at the far end of a pair', () => {
  test('a policy opens what it allows and refuses the rest, in both families', async ({ host }) => {
    await makeWorld(host);
    const { container } = await attach(host);
    expect(await reaches(host, container)).toEqual(restricted);
  });

  test('a container reaches no service of the host, which the host itself reaches', async ({ host }) => {
    await host.serve(host, { port: 80, reply: 'host' });
    const { container } = await attach(host);
    expect(await host.fetch(host, '10.1.0.1', 80)).toBe('host');
    for (const gateway of ['10.1.0.1', 'fd01::1'])
      expect(await host.fetch(container, gateway, 80, { timeout: 1500 })).toBe('refused');
  });

  test('a container without our tables reaches neither the world nor the host', async ({ host }) => {
    await makeWorld(host);
    await host.serve(host, { port: 80, reply: 'host' });
    const { container } = await attach(host);
    expect(await reaches(host, container, ['public4', 'public6'])).toEqual({ public4: 'outside', public6: 'outside' });
    await host.run(['nft', 'flush', 'ruleset']);
    const answers = Object.values(await reaches(host, container, ['public4', 'public6', 'private4']));
    for (const gateway of ['10.1.0.1', 'fd01::1'])
      answers.push(await host.fetch(container, gateway, 80, { timeout: 1500 }));
    for (const answer of answers) expect(answer).not.toMatch(/outside|host/);
  });

  test('explain and CHECK agree, and nothing stays when the container goes', async ({ host }) => {
    await makeWorld(host);
    const { container, result, list } = await attach(host);
    const verdict = async (address: string) => (await host.exec([executable, 'explain', container.name, address])).code;
    expect([await verdict('8.8.8.8:80'), await verdict('10.7.7.7:80')]).toEqual([0, 1]);
    succeeded(await runChain(host, 'CHECK', list, { container, result }));
    succeeded(await runChain(host, 'DEL', list, { container, result }));
    expect(await host.run(['tc', 'filter', 'show', 'dev', 'cni0.7', 'ingress'])).toBe('');
    expect(await host.run(['ip', 'rule', 'show'])).not.toContain('cni0');
    expect(
      await host.leftovers({
        allow: [/table inet nat/, /link cni0/, /link gw0/, /drawbridge\/listings/, /last_reserved/],
      }),
    ).toEqual([]);
  });
});

async function attach(host: Host): Promise<{ container: Container; result: Json; list: ReturnType<typeof networkOf> }> {
  const container = await host.container();
  const list = networkOf();
  const [bridge, policy] = list.plugins;
  const made = succeeded(await runChain(host, 'ADD', { ...list, plugins: [bridge!] }, { container }));
  await host.sh(`sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
    ip link add cni0.7 type veth peer name gw0 address fe:ff:ff:ff:ff:01; ip link set gw0 master cni0 up; ip link set cni0.7 up
    ip address add 10.1.0.1/24 dev cni0.7; ip address add fd01::1/64 dev cni0.7 nodad
    nft 'add table inet nat; add chain inet nat out { type nat hook postrouting priority srcnat; }'
    nft 'add rule inet nat out ip saddr 10.1.0.0/24 ip daddr != 10.1.0.0/24 masquerade'
    nft 'add rule inet nat out ip6 saddr fd01::/64 ip6 daddr != fd01::/64 masquerade'`);
  const { cniVersion, name } = list;
  const conf = { ...policy, cniVersion, name, prevResult: made };
  const result = succeeded(await host.cni('ADD', conf, { container, program: `${pluginFolder}/egress-policy` }));
  return { container, result, list };
}

/** The gateway is left to somebody else; address management names it all the same. */
function networkOf(): ReturnType<typeof referenceChain> {
  const { plugins, ...list } = referenceChain('bridge');
  const [bridge = {}, ...rest] = plugins;
  return { ...list, plugins: [{ ...bridge, isGateway: false, ipMasq: false }, ...rest] };
}
