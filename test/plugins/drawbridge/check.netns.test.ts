import { describe, expect, test, type Container, type Host, type Json } from '../../helpers/host.ts';
import { expectFailure, hostInterfaceIn, hostLocal, interfaceConf, succeeded } from './network.ts';

const ports = {
  runtimeConfig: {
    portMappings: [
      { hostPort: 8080, containerPort: 80 },
      { hostPort: 53, containerPort: 53, protocol: 'udp', hostIP: '127.0.0.1' },
    ],
  },
};

interface Attached {
  readonly conf: Json;
  readonly container: Container;
  readonly result: Json;
  readonly veth: string;
}

async function attach(host: Host, changes: Json = {}): Promise<Attached> {
  const container = await host.container();
  const conf = interfaceConf({ ...ports, macspoofchk: true, ...changes });
  const result = succeeded(await host.cni('ADD', conf, { container }));
  return { conf, container, result, veth: hostInterfaceIn(result) };
}

function check(host: Host, { conf, container, result }: Attached) {
  return host.cni('CHECK', { ...conf, prevResult: result }, { container });
}

/** What may be changed behind the plugin's back, where, and what CHECK then has to name. VETH is the host's end. */
const changes: readonly [what: string, where: 'host' | 'container', script: string, named: RegExp][] = [
  ['the interface', 'container', 'ip link del eth0', /The interface "eth0" in "\/run\/netns\/c1" is missing/],
  [
    "the container's MAC",
    'container',
    'ip link set eth0 address 02:00:00:00:00:55',
    /MAC address of "eth0".* is 02:00:00:00:00:55/,
  ],
  ["the container's MTU", 'container', 'ip link set eth0 mtu 1400', /MTU of "eth0".* is 1400, expected 1500/],
  ["the container's link state", 'container', 'ip link set eth0 down', /state of "eth0".* is down/],
  [
    'an IPv4 address',
    'container',
    'ip addr del 10.1.0.2/24 dev eth0',
    /address 10\.1\.0\.2\/24 is missing from "eth0"/,
  ],
  ['an IPv6 address', 'container', 'ip addr del fd01::2/64 dev eth0', /address fd01::2\/64 is missing from "eth0"/],
  ['a route', 'container', 'ip route del default', /route 0\.0\.0\.0\/0 via 10\.1\.0\.1 is missing/],
  ['an IPv6 route', 'container', 'ip -6 route del default', /route ::\/0 via fd01::1 is missing/],
  ['the port of the bridge', 'host', 'ip link set VETH nomaster', /bridge of "veth.*" is none, expected br0/],
  [
    'the bridge that the port is in',
    'host',
    'ip link add br9 type bridge; ip link set VETH master br9',
    /bridge of "veth.*" is br9, expected br0/,
  ],
  ["the port's link state", 'host', 'ip link set VETH down', /state of "veth.*" is down/],
  [
    "the port's MAC",
    'host',
    'ip link set VETH address 02:00:00:00:00:56',
    /MAC address of "veth.*" is 02:00:00:00:00:56/,
  ],
  ["the port's MTU", 'host', 'ip link set VETH mtu 1400', /MTU of "veth.*" is 1400, expected 1500/],
  [
    'hairpin mode',
    'host',
    'ip link set VETH type bridge_slave hairpin off',
    /Hairpin mode of "veth.*" is off, expected on/,
  ],
  ['isolation', 'host', 'ip link set VETH type bridge_slave isolated on', /Isolation of "veth.*" is on, expected off/],
  ['the bridge', 'host', 'ip link del br0', /The bridge "br0" is missing|bridge of "veth.*" is none/],
  ["the bridge's link state", 'host', 'ip link set br0 down', /state of "br0" is down/],
  [
    "the bridge's MAC",
    'host',
    'ip link set br0 address 02:00:00:00:00:57',
    /MAC address of "br0" is 02:00:00:00:00:57/,
  ],
  ['a gateway address', 'host', 'ip addr del 10.1.0.1/24 dev br0', /address 10\.1\.0\.1\/24 is missing from "br0"/],
  [
    'a lease',
    'host',
    'rm /var/lib/cni/networks/net/10.1.0.2',
    /lease "10\.1\.0\.2" is missing in "\/var\/lib\/cni\/networks\/net"/,
  ],
  [
    'the holder of a lease',
    'host',
    "printf 'thief' > /var/lib/cni/networks/net/fd01::2",
    /lease "fd01::2".* is held by container "thief"/,
  ],
  [
    'a published port',
    'host',
    'nft delete element inet drawbridge published4 { tcp . 8080 }',
    /element \{ tcp \. 8080 : 10\.1\.0\.2 \. 80 \} of "published4"/,
  ],
  [
    'a published port of one address',
    'host',
    'nft delete element inet drawbridge published4_at { 127.0.0.1 . udp . 53 }',
    /127\.0\.0\.1 \. udp \. 53.*"published4_at"/,
  ],
  [
    'where a published port leads',
    'host',
    'nft delete element inet drawbridge published4 { tcp . 8080 }; nft add element inet drawbridge published4 { tcp . 8080 : 10.1.0.66 . 80 }',
    /tcp \. 8080 : 10\.1\.0\.2 \. 80/,
  ],
  [
    'masquerading of IPv4',
    'host',
    'nft delete element inet drawbridge masquerade4 { 10.1.0.2 }',
    /10\.1\.0\.2.*"masquerade4"/,
  ],
  [
    'masquerading of IPv6',
    'host',
    'nft delete element inet drawbridge masquerade6 { fd01::2 }',
    /fd01::2.*"masquerade6"/,
  ],
  ['the element for hairpin traffic', 'host', 'nft flush set inet drawbridge hairpin4', /10\.1\.0\.2.*"hairpin4"/],
  ['the element of the bridge', 'host', 'nft flush set inet drawbridge bridges', /br0.*"bridges"/],
  ['the element for MAC spoofing', 'host', 'nft flush set bridge drawbridge guard_mac', /veth.*"guard_mac"/],
  ['a table', 'host', 'nft delete table inet drawbridge', /the tables "inet drawbridge" and "bridge drawbridge"/],
  ['all tables', 'host', 'nft flush ruleset', /the tables "inet drawbridge" and "bridge drawbridge"/],
];

describe('CHECK', () => {
  test('succeeds, and prints nothing, when all is as ADD made it', async ({ host }) => {
    const attached = await attach(host, { macspoofchk: true, portIsolation: true, promiscMode: false, mtu: 1400 });
    const outcome = await check(host, attached);
    succeeded(outcome);
    expect(outcome.stdout).toBe('');
  });

  test('succeeds for a container whose policy keeps it apart on the bridge', async ({ host }) => {
    succeeded(await check(host, await attach(host, { egress: { mode: 'restricted' } })));
  });

  test.for(changes)('notices, and names, a change of %s', async ([, where, script, named], { host }) => {
    const attached = await attach(host);
    const place = where === 'host' ? {} : { where: attached.container };
    await host.sh(script.replaceAll('VETH', attached.veth), place);
    const outcome = await check(host, attached);
    expectFailure(outcome, 103, /^Attachment|^Container|"c1"|c1/);
    expect(`${outcome.error?.['msg']}; ${outcome.error?.['details']}`).toMatch(named);
  });

  test('notices a rule that was taken out of our chains', async ({ host }) => {
    const attached = await attach(host);
    await host.sh('nft flush chain inet drawbridge masquerading');
    expectFailure(await check(host, attached), 103, /c1/);
  });

  test('names everything when several things are gone', async ({ host }) => {
    const attached = await attach(host);
    await host.sh('rm /var/lib/cni/networks/net/10.1.0.2; nft delete element inet drawbridge masquerade4 { 10.1.0.2 }');
    const { error } = await check(host, attached);
    expect(error).toMatchObject({ code: 103, msg: expect.stringContaining('(and 1 more)') });
    expect(error?.['details']).toMatch(/lease "10\.1\.0\.2".*masquerade4/);
  });

  test('takes what later plugins changed and wrote into the result as it is', async ({ host }) => {
    const attached = await attach(host);
    await host.sh(
      'ip link set eth0 address 02:00:00:00:00:77; ip link set eth0 mtu 1400; ip addr add 10.1.0.200/32 dev eth0; ip route replace default via 10.1.0.1',
      { where: attached.container },
    );
    const result = structuredClone(attached.result);
    Object.assign(result['interfaces'][2], { mac: '02:00:00:00:00:77', mtu: 1400 });
    result['interfaces'].push({ name: 'tap0', sandbox: attached.container.netns }, { name: 'tap0', sandbox: 'c1' });
    result['ips'].push({ address: '10.1.0.2/24', gateway: '10.1.0.1', interface: 4 });
    succeeded(await check(host, { ...attached, result }));
  });

  test('takes an MTU that was lowered as it is when the result has no place for one, and not one that was raised', async ({
    host,
  }) => {
    const attached = await attach(host, { cniVersion: '0.4.0' });
    await host.sh('ip link set eth0 mtu 1400', { where: attached.container });
    succeeded(await check(host, attached));
    await host.sh('ip link set eth0 mtu 1600', { where: attached.container });
    expectFailure(await check(host, attached), 103, /MTU of "eth0".* is 1600, expected 1500/);
  });

  test('is refused with code 3 for an attachment that nobody knows', async ({ host }) => {
    const attached = await attach(host);
    const outcome = await host.cni(
      'CHECK',
      { ...attached.conf, prevResult: attached.result },
      { container: attached.container, containerId: 'stranger' },
    );
    expectFailure(outcome, 3, /stranger/);
  });

  test('is refused with code 7 without "prevResult"', async ({ host }) => {
    const { conf, container } = await attach(host);
    expectFailure(await host.cni('CHECK', conf, { container }), 7, /"prevResult" is missing/);
  });

  test('fails when the namespace is gone', async ({ host }) => {
    const attached = await attach(host);
    await attached.container.remove();
    const { error } = await check(host, attached);
    expect([8, 103]).toContain(error?.['code']);
    expect(error?.['msg']).toContain('/run/netns/c1');
  });

  test('changes nothing', async ({ host }) => {
    const attached = await attach(host);
    await host.sh('nft delete element inet drawbridge masquerade4 { 10.1.0.2 }');
    await host.takeBaseline();
    await check(host, attached);
    expect(await host.leftovers({ allow: [/\/listings\//] })).toEqual([]);
  });
});

test('CHECK finds the default routes of a container on two networks, which the kernel makes one of', async ({
  host,
}) => {
  const container = await host.container();
  const networks = [
    { ifname: 'eth0', conf: interfaceConf() },
    {
      ifname: 'eth1',
      conf: { ...interfaceConf({ bridge: 'br7', ipam: hostLocal('10.7.0.0/24', 'fd07::/64') }), name: 'other' },
    },
  ];
  const results = [];
  for (const { conf, ifname } of networks) results.push(succeeded(await host.cni('ADD', conf, { container, ifname })));
  for (const [index, { conf, ifname }] of networks.entries())
    succeeded(await host.cni('CHECK', { ...conf, prevResult: results[index] }, { container, ifname }));
});
