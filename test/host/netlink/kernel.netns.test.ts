/** What the executable asks of the kernel itself comes out as what `ip` makes of the same lines. */
import { pluginFolder } from '../../helpers/executable.ts';
import { describe, expect, makeHost, test, type Host, type Json } from '../../helpers/host.ts';
import {
  attachmentsLeft,
  expectFailure,
  hostLocal,
  interfaceConf,
  succeeded,
} from '../../plugins/drawbridge/network.ts';

const byChildren = { DRAWBRIDGE_CHILDREN: '1' };
const path = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };

const confs: [string, Json][] = [
  ['both families', interfaceConf()],
  ['IPv4 alone, without hairpin', interfaceConf({ hairpinMode: false, ipam: hostLocal('10.1.0.0/24') })],
  ['IPv6 with detection of duplicates', interfaceConf({ enabledad: true, ipam: hostLocal('fd01::/64') })],
  [
    'an MTU, a MAC, isolation',
    interfaceConf({ mtu: 1400, portIsolation: true, runtimeConfig: { mac: '02:00:5e:00:53:07' } }),
  ],
  ['a policy', interfaceConf({ egress: { mode: 'restricted' } })],
  ['promiscuous mode', interfaceConf({ hairpinMode: false, promiscMode: true })],
  ['groups that are forwarded', interfaceConf({ group_fwd_mask: 8 })],
  ['another address of the bridge', interfaceConf({ forceAddress: true })],
  ['a stale bridge in the network', interfaceConf()],
  [
    'a gateway elsewhere',
    interfaceConf({
      ipam: {
        type: 'host-local',
        ranges: [[{ subnet: '10.1.0.0/24', gateway: '10.9.0.1' }]],
        routes: [{ dst: '10.9.0.1/32', scope: 253 }],
      },
    }),
  ],
  ['a tap', interfaceConf({ tap: { owner: 5, group: 6, multiQueue: true, vnetHeader: true } })],
  ['no addresses', interfaceConf({ ipam: {}, isDefaultGateway: false })],
  [
    'routes',
    interfaceConf({
      ipam: {
        ...hostLocal('10.1.0.0/24', 'fd01::/64'),
        routes: [
          { dst: '192.0.2.0/24', gw: '10.1.0.1', mtu: 1300, advmss: 1260, priority: 7, table: 777 },
          { dst: '198.51.100.0/24', scope: 253 },
          { dst: '2001:db8::/32', gw: 'fd01::1', priority: 9 },
        ],
      },
    }),
  ],
];

/** What was on the host before. */
const surroundings: Readonly<Record<string, string>> = {
  'another address of the bridge':
    'ip link add br0 address 02:00:00:00:00:41 type bridge; ip address add 10.9.0.1/24 dev br0',
  'a stale bridge in the network':
    'ip link add old address 02:00:00:00:00:42 type bridge; ip address add 10.1.0.9/24 dev old; ip link set old up; ip address add fd01::9/64 dev old nodad',
};

describe.each(confs)('with %s', (name, conf) => {
  test('links, addresses, routes and neighbours are the same either way', async ({ host }) => {
    await using other = await makeHost();
    const states = [];
    for (const [where, env] of [
      [host, path],
      [other, { ...path, ...byChildren }],
    ] as const) {
      await where.sh(surroundings[name] ?? ':');
      const container = await where.container('same');
      const result = succeeded(await where.cni('ADD', conf, { container, env }));
      succeeded(await where.cni('CHECK', { ...conf, prevResult: result }, { container, env }));
      // What the one way made, the other one finds in order.
      succeeded(
        await where.cni(
          'CHECK',
          { ...conf, prevResult: result },
          { container, env: where === host ? { ...path, ...byChildren } : path },
        ),
      );
      states.push(await stateOf(where));
      succeeded(await where.cni('DEL', conf, { container, env }));
      await where.sh('ip link del old 2>/dev/null || :');
      expect(await attachmentsLeft(where)).toEqual([]);
    }
    expect(states[0]).toEqual(states[1]);
  });
});

test('CHECK names the same differences either way', async ({ host }) => {
  const container = await host.container();
  const conf = interfaceConf();
  const prevResult = succeeded(await host.cni('ADD', conf, { container }));
  await host.sh('ip addr flush dev eth0; ip link set eth0 mtu 1300 address 02:00:00:00:00:33', { where: container });
  await host.sh(
    'ip link set br0 address 02:00:00:00:00:34; for p in /sys/class/net/br0/brif/*; do echo 0 > $p/hairpin_mode; done',
  );
  const outcomes = await Promise.all(
    [path, { ...path, ...byChildren }].map((env) => host.cni('CHECK', { ...conf, prevResult }, { container, env })),
  );
  expectFailure(outcomes[0] ?? expect.fail(), 103, 'MAC');
  expect(outcomes[0]?.error).toEqual(outcomes[1]?.error);
});

test('no child is started for links', async ({ host }) => {
  const container = await host.container();
  const conf = interfaceConf({ egress: { mode: 'restricted' } });
  succeeded(await host.cni('ADD', conf, { container: await host.container() }));
  const env = { ...path, DRAWBRIDGE_TRACE: '/run/trace.json' };
  const prevResult = succeeded(await host.cni('ADD', conf, { container, env }));
  succeeded(await host.cni('CHECK', { ...conf, prevResult }, { container, env }));
  succeeded(await host.cni('DEL', conf, { container, env }));
  const commands = [...(await host.run(['cat', '/run/trace.json'])).matchAll(/"name":"(ip|nsenter|tee)"/gu)];
  expect(commands).toEqual([]);
});

test('an ADD that the kernel refuses at any message leaves nothing', async ({ host }) => {
  const conf = interfaceConf({ egress: { mode: 'restricted' }, runtimeConfig: { mac: '02:00:5e:00:53:07' } });
  // The bridge stands, so that the run is the usual one.
  const resident = await host.container('resident');
  succeeded(await host.cni('ADD', interfaceConf(), { container: resident }));
  await host.sh('mkdir -p /opt/killers; cat > /opt/killers/drawbridge; chmod +x /opt/killers/drawbridge', {
    input: `#!/bin/sh\nexec strace -f -qq -o /run/strace -e signal=none -e trace=sendto -e "inject=sendto:error=ENOBUFS:when=$AT" ${pluginFolder}/drawbridge\n`,
  });
  let refused = 0;
  let askedAgain = 0;
  for (let at = 1; ; at += 1) {
    const container = await host.container(`c${at}`);
    const outcome = await host.cni('ADD', conf, {
      container,
      program: '/opt/killers/drawbridge',
      env: { ...path, AT: String(at) },
    });
    if (!(await host.run(['cat', '/run/strace'])).includes('INJECTED')) break;
    if (outcome.code === 0) {
      // It was a question, and a child has asked it again.
      askedAgain += 1;
      succeeded(await host.cni('DEL', conf, { container, env: path }));
    } else {
      refused += 1;
      // The kernel's answer to us, or to a child that asked again.
      expectFailure(outcome, 100, /Input\/output error|No buffer space available/);
    }
    expect((await host.exec(['ip', 'link', 'show', 'eth0'], { where: container })).code).toBe(1);
    expect(await leases(host)).toBe(1);
    expect((await host.run(['nft', 'list', 'map', 'inet', 'drawbridge', 'egress4'])).includes('elements')).toBe(false);
  }
  // The pair, its flags, three addresses, the interface, the routes, the MAC: each with its lookups.
  expect(refused).toBeGreaterThan(10);
  // A change that fails is never made by a child after all: what is asked again are questions, the smaller part.
  expect(askedAgain).toBeLessThan(refused);
});

async function leases(host: Host): Promise<number> {
  return Number(await host.sh('ls /var/lib/cni/networks/net | grep -c "^10[.]"'));
}

/** What `ip` shows of the host and of the container, without what differs from run to run. */
async function stateOf(host: Host): Promise<string> {
  const text = await host.sh(
    `for ns in "" "-n same"; do
      ip $ns -d -o link show; ip $ns tuntap show
      for dev in eth0 tap0; do tc $ns -d qdisc show dev $dev; tc $ns -d filter show dev $dev ingress; done 2>/dev/null || :; ip $ns -o addr show; ip $ns -4 route show table all; ip $ns -6 route show table all; ip $ns neigh show nud permanent
    done
    ip neigh show`,
  );
  return (
    text
      .replaceAll(/(\w+_timer) +\S+/gu, '$1')
      .replaceAll(/ (?:expires|used|timer|valid_lft) \S+/gu, '')
      // The kernel chooses the MAC of a tap in a namespace, which sends nothing of its own.
      .replaceAll(/(tap0: .* link\/ether) \S+/gu, '$1')
      // Whether the kernel's own link-local address is through its detection of duplicates is a matter of time.
      .replaceAll(' tentative', '')
      .replaceAll(/^(?:local|anycast) fe80::.*\n/gmu, '')
      // What the kernel learns of neighbours by itself, and whether it still believes what it was told, is too.
      .replaceAll(/^fe80::.* dev br0 .*\n/gmu, '')
      .replaceAll(/^.* (?:INCOMPLETE|FAILED) *\n/gmu, '')
      .replaceAll(/ (?:REACHABLE|STALE|DELAY|PROBE) *$/gmu, '')
      // Routes of one kind stand in the order in which their interfaces came up.
      .split('\n')
      .toSorted()
      .join('\n')
  );
}
