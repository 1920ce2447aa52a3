/** STATUS tells the truth: where ADD always fails, it does not say that all is well. */
import { executable } from '../../helpers/executable.ts';
import { describe, expect, test, type Host, type Json } from '../../helpers/host.ts';
import { folder, installDropIns } from '../drop-in/links.ts';
import { expectFailure, hostLocal, interfaceConf, succeeded } from './network.ts';

const readOnly =
  'mount --bind /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/ip_forward && mount -o remount,bind,ro /proc/sys/net/ipv4/ip_forward';

/** What is wrong, how it is made, the configuration, and what both verbs say. */
const rows: readonly [string, string, Json, number, RegExp][] = [
  ['a value that is not supported', 'true', { ipMasqBackend: 'iptables' }, 2, /"ipMasqBackend"/],
  ['a value that is wrong', 'true', { ipMasq: 'yes' }, 7, /"ipMasq"/],
  ['a policy without addresses', 'true', { ipam: {}, egress: {} }, 7, /without addresses/],
  [
    'a bridge that is another kind of link',
    'ip link add br0 type veth peer name br0peer',
    {},
    50,
    /"veth" and not a bridge/,
  ],
  [
    'a bridge with another address',
    'ip link add br0 type bridge; ip address add 10.9.0.1/24 dev br0',
    {},
    50,
    /10\.9\.0\.1\/24, which is in the way of 10\.1\.0\.1\/24/,
  ],
  ['forwarding that nobody may switch on', readOnly, { ipam: hostLocal('10.1.0.0/24') }, 50, /ip_forward" is 0/],
];

describe('STATUS is no success where ADD fails', () => {
  test.for(rows)('for %s', async ([, make, changes, code, says], { host }) => {
    await host.sh(make);
    const container = await host.container();
    const conf = interfaceConf(changes);
    expectFailure(await host.cni('STATUS', conf), code, says);
    expect((await host.cni('ADD', conf, { container })).code).toBe(1);
  });

  test('for a sysctl that this host does not allow', async ({ host }) => {
    await installDropIns(host);
    await host.sh("mkdir -p /etc/cni/tuning; echo '^net.core' > /etc/cni/tuning/allowlist.conf");
    const tuning = { cniVersion: '1.1.0', name: 'net', type: 'tuning' };
    const refused = { ...tuning, sysctl: { 'net.ipv4.ip_forward': '1' } };
    expectFailure(await host.cni('STATUS', refused, { bin: folder }), 7, /"net\.ipv4\.ip_forward" is not allowed/);
    succeeded(await host.cni('STATUS', { ...tuning, sysctl: { 'net.core.somaxconn': '1' } }, { bin: folder }));
  });
});

describe('STATUS is a success where ADD works', () => {
  const works: readonly [string, string, Json][] = [
    ['a bridge of its own', 'ip link add br0 type bridge; ip address add 10.1.0.1/24 dev br0', {}],
    [
      'another address that may be replaced',
      'ip link add br0 type bridge; ip address add 10.9.0.1/24 dev br0',
      { forceAddress: true },
    ],
    [
      'forwarding that is on already',
      `echo 1 > /proc/sys/net/ipv4/ip_forward; ${readOnly}`,
      { ipam: hostLocal('10.1.0.0/24') },
    ],
  ];
  test.for(works)('with %s', async ([, make, changes], { host }) => {
    await host.sh(make);
    const container = await host.container();
    const conf = interfaceConf(changes);
    succeeded(await host.cni('STATUS', conf));
    succeeded(await host.cni('ADD', conf, { container }));
  });
});

test('STATUS is code 51 for patterns of names while no agent runs, in either plugin', async ({
  host,
}: {
  host: Host;
}) => {
  const policy = { mode: 'allowlist', allow: ['*.example.org'] };
  const chained = { cniVersion: '1.1.0', name: 'net', type: 'egress-policy', ...policy };
  for (const conf of [interfaceConf({ egress: policy }), chained])
    expectFailure(await host.cni('STATUS', conf), 51, /^allow "\*\.example\.org" opens nothing: no agent is running/);
  succeeded(await host.cni('STATUS', { ...chained, allow: ['www.example.org'] }));
  await host.spawn([executable, 'agent']);
  const works = async (): Promise<number> => (await host.cni('STATUS', chained)).code;
  await expect.poll(works, { timeout: 20_000, interval: 100 }).toBe(0);
});
