import { describe, expect, test, type Host } from '../../helpers/host.ts';
import { folder, installDropIns, kept, referenceList } from './links.ts';

async function prepare(host: Host) {
  const outside = await host.outside();
  await outside.address('8.8.8.8');
  await host.serve(outside, { port: 80, address: '8.8.8.8', reply: 'hello {peer}' });
  await installDropIns(host);
  await host.takeBaseline();
  return outside;
}

const path = folder;
const programs = (type: string) => ({ path, program: `${folder}/${type}` });

/** host.addChain() takes programs from our own folder; here the names are those of the links. */
async function chain(
  host: Host,
  verb: 'ADD' | 'DEL' | 'CHECK',
  conflist: ReturnType<typeof referenceList>,
  options: Record<string, unknown>,
  last?: unknown,
) {
  let previous = last;
  const plugins = verb === 'DEL' ? conflist.plugins.toReversed() : conflist.plugins;
  for (const plugin of plugins) {
    const { runtimeConfig, ...rest } = options;
    const conf = {
      ...plugin,
      cniVersion: conflist.cniVersion,
      name: conflist.name,
      ...(plugin['capabilities'] === undefined || runtimeConfig === undefined ? {} : { runtimeConfig }),
      ...(previous === undefined ? {} : { prevResult: previous }),
    };
    const step = await host.cni(verb, conf, { ...programs(plugin['type'] as string), ...rest });
    if (step.code !== 0) throw new Error(`${verb} ${String(plugin['type'])}: ${step.stdout} ${step.stderr}`);
    if (verb === 'ADD') previous = step.result;
  }
  return previous as { ips: { address: string }[]; interfaces: { name: string; mac: string }[] };
}

describe('the drop-ins in a list that was written for the reference', () => {
  test('connect a container, publish its ports and leave nothing', async ({ host }) => {
    const outside = await prepare(host);
    const c1 = await host.container();
    const list = referenceList();
    const runtimeConfig = { portMappings: [{ HostPort: 8080, ContainerPort: 80, Protocol: 'tcp', HostIP: '0.0.0.0' }] };
    const result = await chain(host, 'ADD', list, { container: c1, runtimeConfig });
    expect(result.ips.map(({ address }) => address)).toEqual(['10.22.0.2/16', 'fd00:22::2/64']);
    expect(await host.fetch(c1, '8.8.8.8', 80)).toBe('hello 192.0.2.1');
    await host.serve(c1, { port: 80, reply: 'in {peer}' });
    expect(await host.fetch(outside, '192.0.2.1', 8080)).toBe('in 192.0.2.2');
    expect(await host.fetch(host, '127.0.0.1', 8080)).toBe('in 10.22.0.1');
    expect(await host.fetch(c1, '192.0.2.1', 8080)).toMatch(/^in /);
    await chain(host, 'CHECK', list, { container: c1 }, result);
    await chain(host, 'DEL', list, { container: c1, netns: '' }, undefined);
    expect(await host.leftovers({ allow: kept })).toEqual([]);
  });

  test('same-bridge keeps bridges apart, open lets them meet, isolated parts siblings', async ({ host }) => {
    await prepare(host);
    const add = async (bridge: string, subnet: string, ingressPolicy: string) => {
      const container = await host.container();
      const list = referenceList(
        { bridge: { bridge, ipam: { type: 'host-local', ranges: [[{ subnet }]] } }, firewall: { ingressPolicy } },
        `net-${bridge}`,
      );
      const result = await chain(host, 'ADD', list, { container });
      await host.serve(container, { port: 80, reply: 'in' });
      return { container, address: result.ips[0]!.address.split('/')[0]!, list };
    };
    const a = await add('br1', '10.31.0.0/24', 'same-bridge');
    const sibling = await add('br1', '10.31.0.0/24', 'same-bridge');
    const b = await add('br2', '10.32.0.0/24', 'isolated');
    const alone = await add('br2', '10.32.0.0/24', 'isolated');
    const open = await add('br3', '10.33.0.0/24', 'open');
    expect(await host.fetch(a.container, sibling.address, 80)).toBe('in');
    expect(await host.fetch(a.container, b.address, 80)).toBe('timeout');
    expect(await host.fetch(b.container, a.address, 80)).toBe('timeout');
    expect(await host.fetch(b.container, alone.address, 80)).not.toBe('in');
    expect(await host.fetch(a.container, open.address, 80)).toBe('in');
    expect(await host.fetch(open.container, b.address, 80)).toBe('in');
    expect(await host.fetch(b.container, '8.8.8.8', 80)).toBe('hello 192.0.2.1');
    for (const { container, list } of [a, sibling, b, alone, open]) await chain(host, 'DEL', list, { container });
    expect(await host.leftovers({ allow: kept })).toEqual([]);
  });

  test('tuning changes the interface, tells it in the result and restores it', async ({ host }) => {
    await prepare(host);
    const c1 = await host.container();
    const tuning = {
      mac: '02:11:22:33:44:55',
      mtu: 1400,
      txQLen: 500,
      allmulti: true,
      promisc: true,
      sysctl: { 'net.ipv4.conf.IFNAME.arp_filter': '1', 'net/core/somaxconn': '500' },
    };
    const list = referenceList({ tuning });
    const result = await chain(host, 'ADD', list, { container: c1 });
    expect(result.interfaces.at(-1)).toMatchObject({ mac: tuning.mac, mtu: 1400 });
    const shown = await c1.exec(['ip', 'link', 'show', 'eth0']);
    expect(shown.stdout).toMatch(/ALLMULTI,PROMISC.* mtu 1400 .*qlen 500[^]*02:11:22:33:44:55/);
    expect(
      (await c1.exec(['cat', '/proc/sys/net/ipv4/conf/eth0/arp_filter', '/proc/sys/net/core/somaxconn'])).stdout,
    ).toBe('1\n500\n');
    expect(await host.fetch(c1, '8.8.8.8', 80)).toBe('hello 192.0.2.1');
    await chain(host, 'CHECK', list, { container: c1 }, result);
    const conf = { ...list.plugins[3], cniVersion: '1.0.0', name: list.name };
    await host.cni('DEL', conf, { ...programs('tuning'), container: c1 });
    expect((await c1.exec(['ip', 'link', 'show', 'eth0'])).stdout).toMatch(/mtu 1500 .*qlen 1000/);
    await chain(host, 'DEL', list, { container: c1 });
    expect(await host.leftovers({ allow: kept })).toEqual([]);
  });

  test('tuning refuses what the allowlist of the host does not have', async ({ host }) => {
    await prepare(host);
    await host.sh('mkdir -p /etc/cni/tuning; echo "^net.ipv4.conf.IFNAME.[a-z_]*$" > /etc/cni/tuning/allowlist.conf');
    const container = await host.container();
    const conf = { type: 'tuning', name: 'n', cniVersion: '1.0.0', prevResult: { cniVersion: '1.0.0' } };
    const add = async (sysctl: unknown) =>
      (await host.cni('ADD', { ...conf, sysctl }, { ...programs('tuning'), container, ifname: 'lo' })).error?.[
        'msg'
      ] as string | undefined;
    expect(await add({ 'net.ipv4.conf.IFNAME.arp_filter': '1' })).toBeUndefined();
    expect(await add({ 'net.core.somaxconn': '5' })).toBe('Sysctl "net.core.somaxconn" is not allowed on this host');
    expect(await add({ 'kernel.panic': '5' })).toMatch(/^Invalid "sysctl"/);
  });

  test('host-local serves the reference ptp, portmap and firewall chain after it', async ({ host }) => {
    const outside = await prepare(host);
    await host.sh(`cp /usr/lib/cni/ptp ${folder}/ptp`);
    const c1 = await host.container();
    const runtimeConfig = { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] };
    const list = {
      cniVersion: '1.0.0',
      name: 'lone',
      plugins: [
        {
          type: 'ptp',
          ipam: { type: 'host-local', ranges: [[{ subnet: '10.44.0.0/24' }]], routes: [{ dst: '0.0.0.0/0' }] },
        },
        { type: 'portmap', capabilities: { portMappings: true } },
        { type: 'firewall', backend: 'iptables' },
      ],
    };
    const result = await chain(host, 'ADD', list, { container: c1, runtimeConfig });
    await host.serve(c1, { port: 80, reply: 'in {peer}' });
    expect(await host.fetch(outside, '192.0.2.1', 8080)).toBe('in 192.0.2.2');
    expect(await host.fetch(host, '127.0.0.1', 8080)).toMatch(/^in /);
    expect(await host.fetch(c1, '192.0.2.1', 8080)).toMatch(/^in /);
    await chain(host, 'CHECK', list, { container: c1 }, result);
    await chain(host, 'DEL', list, { container: c1 }, result);
    expect(await host.leftovers({ allow: kept })).toEqual([]);
  });

  test('the end of a policy keeps the published ports of a foreign interface until their own DEL', async ({ host }) => {
    await prepare(host);
    await host.sh(`cp /usr/lib/cni/ptp ${folder}/ptp`);
    const c1 = await host.container();
    const runtimeConfig = { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] };
    const ptp = {
      type: 'ptp',
      ipam: { type: 'host-local', ranges: [[{ subnet: '10.45.0.0/24' }]], routes: [{ dst: '0.0.0.0/0' }] },
    };
    const plugins = [ptp, { type: 'portmap', capabilities: { portMappings: true } }, { type: 'egress-policy' }];
    const list = { cniVersion: '1.0.0', name: 'lone', plugins };
    const result = await chain(host, 'ADD', list, { container: c1, runtimeConfig });
    await chain(host, 'CHECK', list, { container: c1, runtimeConfig }, result);
    const published = async () => (await host.sh('nft list map inet drawbridge published4')).includes('10.45.0.2 . 80');
    const egress = { type: 'egress-policy', cniVersion: '1.0.0', name: 'lone' };
    await host.cni('DEL', egress, { ...programs('egress-policy'), container: c1 });
    expect(await published()).toBe(true);
    await chain(host, 'DEL', list, { container: c1 }, result);
    expect(await host.leftovers({ allow: kept })).toEqual([]);
  });

  test('loopback brings lo up, and down on DEL', async ({ host }) => {
    await prepare(host);
    await host.sh('ip netns add bare');
    const conf = { type: 'loopback', name: 'lo', cniVersion: '0.4.0' };
    const options = { ...programs('loopback'), containerId: 'c', netns: '/run/netns/bare', ifname: 'lo' };
    const { result } = await host.cni('ADD', conf, options);
    expect(result).toMatchObject({
      interfaces: [{ name: 'lo' }],
      ips: [{ version: '4', address: '127.0.0.1/8', interface: 0 }, { version: '6' }],
    });
    expect((await host.cni('CHECK', { ...conf, prevResult: result }, options)).code).toBe(0);
    await host.cni('DEL', conf, options);
    expect((await host.cni('CHECK', { ...conf, prevResult: result }, options)).error).toMatchObject({ code: 103 });
  });
});

describe('the drop-ins', () => {
  test.for<[string, Record<string, unknown>, string]>([
    [
      'portmap',
      { conditionsV4: ['!', '-d', '10.0.0.0/8'] },
      'Cannot use "conditionsV4": ["!","-d","10.0.0.0/8"] is not supported',
    ],
    ['portmap', { backend: 'iptables' }, 'Cannot use "backend": "iptables" is not supported'],
    ['firewall', { ingressPolicy: 'closed' }, 'Cannot use "ingressPolicy": "closed" is not supported'],
    ['firewall', { firewalldZone: 'public' }, 'Cannot use "firewalldZone": "public" is not supported'],
    ['bridge', { egress: {} }, 'Cannot use "egress" in a conf of type "bridge": the drop-in has no policy'],
  ])('%s refuses %j with code 2', async ([type, extra, msg], { host }) => {
    await installDropIns(host);
    const container = await host.container();
    const conf = { type, name: 'n', cniVersion: '1.0.0', prevResult: { cniVersion: '1.0.0' }, ...extra };
    expect((await host.cni('ADD', conf, { ...programs(type), container })).error).toMatchObject({ code: 2, msg });
  });

  test.for<[string, Record<string, unknown>]>([
    ['portmap', { externalSetMarkChain: 'KUBE-MARK-MASQ' }],
    ['portmap', { markMasqBit: 14 }],
    ['portmap', { masqAll: true }],
    ['firewall', { iptablesAdminChainName: 'MINE' }],
  ])('%s passes %j over with a warning: nothing is lost', async ([type, extra], { host }) => {
    await installDropIns(host);
    const container = await host.container();
    const ipam = { type: 'host-local', ranges: [[{ subnet: '10.1.0.0/24' }]] };
    const bridge = { type: 'bridge', name: 'n', cniVersion: '1.0.0', isDefaultGateway: true, ipam };
    const made = await host.cni('ADD', bridge, { ...programs('bridge'), container });
    const conf = {
      type,
      name: 'n',
      cniVersion: '1.0.0',
      prevResult: made.result,
      runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] },
      ...extra,
    };
    const added = await host.cni('ADD', conf, { ...programs(type), container });
    expect(added.error).toBeUndefined();
    expect(added.stderr).toMatch(new RegExp(`"${Object.keys(extra)[0]}" is (?:not needed and )?passed over`));
    expect((await host.cni('CHECK', conf, { ...programs(type), container })).error).toBeUndefined();
  });

  test.for(['iptables-nft', 'iptables-legacy', 'ip6tables-nft'] as const)(
    'firewall refuses an admin chain with rules in %s by code 2',
    async (program, { host }) => {
      await installDropIns(host);
      await host.sh(`${program} -N MINE; ${program} -A MINE -p tcp --dport 25 -j REJECT`);
      const container = await host.container();
      const conf = {
        type: 'firewall',
        name: 'n',
        cniVersion: '1.0.0',
        iptablesAdminChainName: 'MINE',
        prevResult: { cniVersion: '1.0.0' },
      };
      expect((await host.cni('ADD', conf, { ...programs('firewall'), container })).error).toMatchObject({
        code: 2,
        msg: `Cannot use "iptablesAdminChainName": the rules of "MINE" (${program}) would not be asked`,
      });
    },
  );
});
