import { describe, expect, test } from '../../helpers/host.ts';
import {
  addressesIn,
  addressesOn,
  attachmentsLeft,
  expectFailure,
  hostInterfaceIn,
  hostLocal,
  interfaceConf,
  routesOf,
  show,
  succeeded,
  sysctl,
} from './network.ts';

describe('"bridge"', () => {
  test('names the bridge that ADD makes', async ({ host }) => {
    const container = await host.container();
    const result = succeeded(await host.cni('ADD', interfaceConf({ bridge: 'own7' }), { container }));
    expect(result['interfaces'][0].name).toBe('own7');
    expect((await show(host, host, 'link', 'own7'))['linkinfo'].info_kind).toBe('bridge');
    expect((await show(host, host, 'link', hostInterfaceIn(result)))['master']).toBe('own7');
  });

  test('is "drawbridge0" when the conf does not name one', async ({ host }) => {
    const container = await host.container();
    const result = succeeded(await host.cni('ADD', interfaceConf({ bridge: undefined }), { container }));
    expect(result['interfaces'][0].name).toBe('drawbridge0');
  });

  test('is used as it is when it exists, with its MTU and with its MAC pinned', async ({ host }) => {
    await host.run(['ip', 'link', 'add', 'br0', 'address', '02:00:00:00:00:99', 'mtu', '1380', 'type', 'bridge']);
    const container = await host.container();
    const result = succeeded(await host.cni('ADD', interfaceConf(), { container }));
    expect(result['interfaces'][0]).toMatchObject({ name: 'br0', mac: '02:00:00:00:00:99' });
    expect(await show(host, host, 'link', 'br0')).toMatchObject({ mtu: 1380, address: '02:00:00:00:00:99' });
    expect((await show(host, container, 'link', 'eth0'))['mtu']).toBe(1380);
  });

  test('is refused with code 102 when the name belongs to something else', async ({ host }) => {
    await host.run(['ip', 'link', 'add', 'br0', 'type', 'veth', 'peer', 'name', 'br1']);
    await host.takeBaseline();
    const container = await host.container();
    expectFailure(
      await host.cni('ADD', interfaceConf(), { container }),
      102,
      /"br0".*already exists but is not a bridge/,
    );
    expect(await attachmentsLeft(host)).toEqual([]);
    expect((await show(host, host, 'link', 'br0'))['linkinfo'].info_kind).toBe('veth');
  });

  test('keeps its MAC when further containers come and go', async ({ host }) => {
    const [c1, c2] = [await host.container(), await host.container()];
    const first = succeeded(await host.cni('ADD', interfaceConf(), { container: c1 }));
    succeeded(await host.cni('ADD', interfaceConf(), { container: c2 }));
    succeeded(await host.cni('DEL', interfaceConf(), { container: c1 }));
    expect((await show(host, host, 'link', 'br0'))['address']).toBe(first['interfaces'][0].mac);
  });
});

describe('"isGateway"', () => {
  test('gives the bridge the first address of each network and turns forwarding on', async ({ host }) => {
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf({ isGateway: true, isDefaultGateway: false }), { container }));
    expect(await addressesOn(host, host, 'br0')).toEqual(['10.1.0.1/24', 'fd01::1/64']);
    expect(await sysctl(host, host, 'ipv4/ip_forward')).toBe('1');
    expect(await sysctl(host, host, 'ipv6/conf/all/forwarding')).toBe('1');
    expect(await routesOf(host, container, 4)).toEqual([]);
  });

  test('leaves the bridge without addresses and forwarding alone when it is false', async ({ host }) => {
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf({ isDefaultGateway: false }), { container }));
    expect(await addressesOn(host, host, 'br0')).toEqual([]);
    expect(await sysctl(host, host, 'ipv4/ip_forward')).toBe('0');
  });

  test('gives the bridge the "gateway" that the range names', async ({ host }) => {
    const container = await host.container();
    const ipam = { type: 'host-local', ranges: [[{ subnet: '10.1.0.0/24', gateway: '10.1.0.254' }]] };
    const result = succeeded(await host.cni('ADD', interfaceConf({ ipam }), { container }));
    expect(await addressesOn(host, host, 'br0')).toEqual(['10.1.0.254/24']);
    expect(result['ips'][0].gateway).toBe('10.1.0.254');
    expect(await host.ping(container, '10.1.0.254')).toBe('answer');
  });
});

describe('"isDefaultGateway"', () => {
  test('adds a default route for each family', async ({ host }) => {
    const container = await host.container();
    const result = succeeded(await host.cni('ADD', interfaceConf(), { container }));
    expect(result['routes']).toEqual([
      { dst: '0.0.0.0/0', gw: '10.1.0.1' },
      { dst: '::/0', gw: 'fd01::1' },
    ]);
    expect(await routesOf(host, container, 4)).toEqual(['default via 10.1.0.1 dev eth0']);
    expect((await routesOf(host, container, 6)).join()).toContain('default via fd01::1 dev eth0');
  });

  test('adds none for a family that has one with a gateway from "ipam.routes"', async ({ host }) => {
    const container = await host.container();
    const ipam = { ...hostLocal('10.1.0.0/24'), routes: [{ dst: '0.0.0.0/0', gw: '10.1.0.77' }] };
    const result = succeeded(await host.cni('ADD', interfaceConf({ ipam }), { container }));
    expect(result['routes']).toEqual([{ dst: '0.0.0.0/0', gw: '10.1.0.77' }]);
    expect(await routesOf(host, container, 4)).toEqual(['default via 10.1.0.77 dev eth0']);
  });
});

describe('"forceAddress"', () => {
  const other = 'ip link add br0 type bridge; ip link set br0 up; ip addr add 10.99.0.1/24 dev br0';

  test('replaces an address of the bridge that is in the way', async ({ host }) => {
    await host.sh(other);
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf({ forceAddress: true }), { container }));
    expect(await addressesOn(host, host, 'br0')).toEqual(['10.1.0.1/24', 'fd01::1/64']);
    expect(await host.ping(container, '10.1.0.1')).toBe('answer');
  });

  test('is asked for, with both addresses named, when it is false', async ({ host }) => {
    await host.sh(other);
    await host.takeBaseline();
    const container = await host.container();
    const outcome = await host.cni('ADD', interfaceConf(), { container });
    expectFailure(
      outcome,
      102,
      /"br0" already has an IP address different from "10\.1\.0\.1\/24", namely "10\.99\.0\.1\/24"/,
    );
    expect(outcome.error?.['details']).toContain('forceAddress');
    expect(await addressesOn(host, host, 'br0')).toEqual(['10.99.0.1/24']);
    expect(await attachmentsLeft(host)).toEqual([]);
  });
});

describe('"mtu"', () => {
  test('holds for the bridge and both ends of the pair', async ({ host }) => {
    const container = await host.container();
    const result = succeeded(await host.cni('ADD', interfaceConf({ mtu: 1300 }), { container }));
    const mtus = [
      (await show(host, host, 'link', 'br0'))['mtu'],
      (await show(host, host, 'link', hostInterfaceIn(result)))['mtu'],
      (await show(host, container, 'link', 'eth0'))['mtu'],
    ];
    expect(mtus).toEqual([1300, 1300, 1300]);
    expect(result['interfaces'].map(({ mtu }: { mtu: number }) => mtu)).toEqual([1300, 1300, 1300]);
  });

  test('is that of the uplink when the conf gives none', async ({ host }) => {
    await host.outside();
    await host.run(['ip', 'link', 'set', 'eth0', 'mtu', '1420']);
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf(), { container }));
    expect((await show(host, container, 'link', 'eth0'))['mtu']).toBe(1420);
  });

  test('is 1500 when the host has no uplink', async ({ host }) => {
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf(), { container }));
    expect((await show(host, container, 'link', 'eth0'))['mtu']).toBe(1500);
  });

  test.for([67, 65536, -1, 1.5, '1500'])('is refused with code 7 when it is %j', async (mtu, { host }) => {
    const container = await host.container();
    expectFailure(await host.cni('ADD', interfaceConf({ mtu }), { container }), 7, /"mtu".*1\.5|"mtu".*\d/);
    expect(await host.leftovers()).toEqual([]);
  });
});

describe('"hairpinMode"', () => {
  test.for([true, false])('sets the flag of the port to %j', async (hairpinMode, { host }) => {
    const container = await host.container();
    const result = succeeded(await host.cni('ADD', interfaceConf({ hairpinMode }), { container }));
    const flag = await host.run(['cat', `/sys/class/net/${hostInterfaceIn(result)}/brport/hairpin_mode`]);
    expect(flag.trim()).toBe(hairpinMode ? '1' : '0');
  });

  test('is refused with code 7 together with "promiscMode"', async ({ host }) => {
    const container = await host.container();
    expectFailure(
      await host.cni('ADD', interfaceConf({ promiscMode: true }), { container }),
      7,
      /"hairpinMode" and "promiscMode"/,
    );
    expect(await host.leftovers()).toEqual([]);
  });
});

describe('"promiscMode"', () => {
  test('puts the bridge into promiscuous mode', async ({ host }) => {
    const container = await host.container();
    const conf = interfaceConf({ hairpinMode: false, promiscMode: true });
    const result = succeeded(await host.cni('ADD', conf, { container }));
    expect((await show(host, host, 'link', 'br0'))['flags']).toContain('PROMISC');
    succeeded(await host.cni('CHECK', { ...conf, prevResult: result }, { container }));
  });
});

describe('"portIsolation"', () => {
  test('keeps siblings apart and leaves the gateway reachable', async ({ host }) => {
    const [c1, c2] = [await host.container(), await host.container()];
    const conf = interfaceConf({ portIsolation: true });
    succeeded(await host.cni('ADD', conf, { container: c1 }));
    const [four = '', six = ''] = addressesIn(succeeded(await host.cni('ADD', conf, { container: c2 })));
    expect(await host.ping(c1, '10.1.0.1')).toBe('answer');
    expect(await Promise.all([host.ping(c1, four), host.ping(c1, six)])).not.toContain('answer');
  });

  test('lets siblings reach each other when it is false', async ({ host }) => {
    const [c1, c2] = [await host.container(), await host.container()];
    succeeded(await host.cni('ADD', interfaceConf(), { container: c1 }));
    const [four = '', six = ''] = addressesIn(succeeded(await host.cni('ADD', interfaceConf(), { container: c2 })));
    expect(await Promise.all([host.ping(c1, four), host.ping(c1, six)])).toEqual(['answer', 'answer']);
  });
});

describe('"macspoofchk"', () => {
  const forge = 'ip link set eth0 address 02:ba:d0:00:00:01 && ip route replace default via 10.1.0.1';

  test('drops what comes with another MAC than the one that was given', async ({ host }) => {
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf({ macspoofchk: true }), { container }));
    expect(await host.ping(container, '10.1.0.1')).toBe('answer');
    await host.sh(forge, { where: container });
    expect(await host.ping(container, '10.1.0.1', { timeout: 300 })).not.toBe('answer');
  });

  test('goes with the container', async ({ host }) => {
    const container = await host.container();
    const conf = interfaceConf({ macspoofchk: true });
    succeeded(await host.cni('ADD', conf, { container }));
    succeeded(await host.cni('DEL', conf, { container, netns: '' }));
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test('lets any MAC pass when it is false', async ({ host }) => {
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf(), { container }));
    await host.sh(forge, { where: container });
    expect(await host.ping(container, '10.1.0.1')).toBe('answer');
  });
});

describe('"disableContainerInterface"', () => {
  test('leaves the interface down', async ({ host }) => {
    const container = await host.container();
    const conf = interfaceConf({ disableContainerInterface: true, ipam: undefined });
    const result = succeeded(await host.cni('ADD', conf, { container }));
    expect((await show(host, container, 'link', 'eth0'))['flags']).not.toContain('UP');
    succeeded(await host.cni('CHECK', { ...conf, prevResult: result }, { container }));
  });

  test('is refused with code 7 together with "ipam"', async ({ host }) => {
    const container = await host.container();
    const outcome = await host.cni('ADD', interfaceConf({ disableContainerInterface: true }), { container });
    expectFailure(outcome, 7, /"disableContainerInterface" with addresses: "ipam\.type" is "host-local"/);
    expect(await host.leftovers()).toEqual([]);
  });
});

describe('"enabledad"', () => {
  test('is off unless asked for, so that no address is tentative when ADD returns', async ({ host }) => {
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf(), { container }));
    expect(await host.run(['ip', '-6', 'address', 'show', 'tentative'], { where: container })).toBe('');
    expect(await host.ping(container, 'fd01::1')).toBe('answer');
  });

  test('looks for duplicates, and the addresses are usable when ADD returns', async ({ host }) => {
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf({ enabledad: true }), { container }));
    expect(await sysctl(host, container, 'ipv6/conf/eth0/accept_dad')).toBe('1');
    expect(await host.run(['ip', '-6', 'address', 'show', 'tentative'], { where: container })).toBe('');
    expect(await host.ping(container, 'fd01::1')).toBe('answer');
  });

  test('refuses with code 102 an address that somebody on the bridge has, and leaves nothing', async ({ host }) => {
    const [c1, c2] = [await host.container(), await host.container()];
    const conf = interfaceConf({ enabledad: true, ipam: hostLocal('fd01::/64') });
    succeeded(await host.cni('ADD', conf, { container: c1 }));
    await host.run(['ip', 'addr', 'add', 'fd01::3/64', 'dev', 'eth0', 'nodad'], { where: c1 });
    await host.takeBaseline();
    expectFailure(await host.cni('ADD', conf, { container: c2 }), 102, /"fd01::3.*duplicate address detection/);
    expect(await attachmentsLeft(host)).toEqual([]);
    expect(await host.run(['ls', '/sys/class/net'], { where: c2 })).not.toContain('eth0');
  });
});

describe('an interface without "ipam"', () => {
  test('is up, has no address, and passes CHECK', async ({ host }) => {
    const container = await host.container();
    const conf = interfaceConf({ ipam: {}, isDefaultGateway: false });
    const result = succeeded(await host.cni('ADD', conf, { container }));
    expect(result['ips']).toBeUndefined();
    expect((await show(host, container, 'link', 'eth0'))['flags']).toContain('UP');
    expect(await addressesOn(host, container, 'eth0')).toEqual([]);
    succeeded(await host.cni('CHECK', { ...conf, prevResult: result }, { container }));
    succeeded(await host.cni('DEL', conf, { container, netns: '' }));
    expect(await attachmentsLeft(host)).toEqual([]);
  });
});

describe('the MAC', () => {
  const [byArgs, byConf, byRuntime] = ['02:00:00:00:0a:01', '02:00:00:00:0a:02', '02:00:00:00:0a:03'] as const;
  const args = `MAC=${byArgs}`;
  const cni = { args: { cni: { mac: byConf } } };
  const runtime = { runtimeConfig: { mac: byRuntime } };

  test.for([
    ['that of CNI_ARGS', byArgs, {}],
    ['that of "args.cni" before that of CNI_ARGS', byConf, cni],
    ['that of "runtimeConfig" before both others', byRuntime, { ...cni, ...runtime }],
  ] as const)('is %s', async ([, mac, changes], { host }) => {
    const container = await host.container();
    const result = succeeded(await host.cni('ADD', interfaceConf(changes), { container, args }));
    expect(result['interfaces'][2].mac).toBe(mac);
    expect((await show(host, container, 'link', 'eth0'))['address']).toBe(mac);
  });

  test('is a local one, and the same for the next owner of an address, when nobody asks for one', async ({ host }) => {
    const [c1, c2] = [await host.container(), await host.container()];
    const ip = { args: 'IP=10.1.0.9' };
    const first = succeeded(await host.cni('ADD', interfaceConf(), { container: c1, ...ip }));
    succeeded(await host.cni('DEL', interfaceConf(), { container: c1 }));
    const second = succeeded(await host.cni('ADD', interfaceConf(), { container: c2, ...ip }));
    expect(first['interfaces'][2].mac).toMatch(/^.[26ae]:/);
    expect(second['interfaces'][2].mac).toBe(first['interfaces'][2].mac);
  });

  test.for(['01:00:5e:00:00:01', '00:00:00:00:00:00', '02:00:00:00:00', 'mac'])(
    'is refused with code 7 when it is %j',
    async (mac, { host }) => {
      const container = await host.container();
      const outcome = await host.cni('ADD', interfaceConf({ runtimeConfig: { mac } }), { container });
      expectFailure(outcome, 7, new RegExp(`MAC address "${mac}"`));
      expect(await host.leftovers()).toEqual([]);
    },
  );
});

describe('"dns"', () => {
  const dns = { nameservers: ['10.1.0.53'], domain: 'here', search: ['a.here'], options: ['ndots:2'] };

  test('is passed into the result', async ({ host }) => {
    const container = await host.container();
    expect(succeeded(await host.cni('ADD', interfaceConf({ dns }), { container }))['dns']).toEqual(dns);
  });

  test('comes from "runtimeConfig.dns" where that says something', async ({ host }) => {
    const container = await host.container();
    const runtimeConfig = { dns: { servers: ['9.9.9.9'], Searches: ['b.here'] } };
    const result = succeeded(await host.cni('ADD', interfaceConf({ dns, runtimeConfig }), { container }));
    expect(result['dns']).toEqual({ ...dns, nameservers: ['9.9.9.9'], search: ['b.here'] });
  });

  test('overrides that of "ipam.resolvConf"', async ({ host }) => {
    await host.sh('echo nameserver 9.9.9.9 > /run/resolv');
    const container = await host.container();
    const ipam = { ...hostLocal('10.1.0.0/24'), resolvConf: '/run/resolv' };
    expect(succeeded(await host.cni('ADD', interfaceConf({ dns, ipam }), { container }))['dns']).toEqual(dns);
  });
});

describe('VLANs', () => {
  test('are refused, and leave nothing, when the kernel has no VLAN filtering', async ({ host, skip }) => {
    const canFilter = await host.exec(['ip', 'link', 'add', 'probe0', 'type', 'bridge', 'vlan_filtering', '1']);
    if (canFilter.code === 0) skip('this kernel has VLAN filtering');
    const container = await host.container();
    const outcome = await host.cni('ADD', interfaceConf({ vlan: 100, isDefaultGateway: false }), { container });
    expect(outcome.error?.['msg']).toMatch(/vlan_filtering 1.*not supported/);
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test.for([
    ['vlan', { vlan: -1 }, /"vlan".*-1.*0 to 4094/],
    ['vlan', { vlan: 4095 }, /"vlan".*4095.*0 to 4094/],
    ['minID', { vlanTrunk: [{ minID: 0, maxID: 3 }] }, /"vlanTrunk\[0\]\.minID".*0/],
    ['maxID', { vlanTrunk: [{ minID: 1, maxID: 4095 }] }, /"vlanTrunk\[0\]\.maxID".*4095/],
    ['maxID that is missing', { vlanTrunk: [{ minID: 1 }] }, /"vlanTrunk\[0\]\.maxID".*"minID"/],
    ['minID that is missing', { vlanTrunk: [{ maxID: 9 }] }, /"vlanTrunk\[0\]\.minID".*"maxID"/],
    ['maxID below minID', { vlanTrunk: [{ minID: 9, maxID: 3 }] }, /"vlanTrunk\[0\]\.maxID".*3.*9/],
    ['id', { vlanTrunk: [{ id: 0 }] }, /"vlanTrunk\[0\]\.id".*0/],
    ['id', { vlanTrunk: [{ id: 1 }, { id: 5000 }] }, /"vlanTrunk\[1\]\.id".*5000/],
    ['bridge whose name leaves no room for the VLAN', { bridge: 'averylongname', vlan: 100 }, /"averylongname\.100"/],
  ] as const)('are refused with code 7 for a wrong %s: %j', async ([, changes, text], { host }) => {
    const container = await host.container();
    expectFailure(await host.cni('ADD', interfaceConf(changes), { container }), 7, text);
    expect(await host.leftovers()).toEqual([]);
  });
});

describe('IPv6', () => {
  test('works in a container where it was turned off', async ({ host }) => {
    const container = await host.container();
    await host.sh(
      'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6',
      {
        where: container,
      },
    );
    succeeded(await host.cni('ADD', interfaceConf({ ipam: hostLocal('fd01::/64') }), { container }));
    expect(await host.ping(container, 'fd01::1')).toBe('answer');
  });

  test('is not needed on the host for a network of IPv4', async ({ host }) => {
    const outside = await host.outside({ v6: false });
    const server = await host.serve(outside);
    await host.sh(
      'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6',
    );
    await host.takeBaseline();
    const container = await host.container();
    const conf = interfaceConf({ ipam: hostLocal('10.1.0.0/24') });
    const result = succeeded(await host.cni('ADD', conf, { container }));
    expect(await host.fetch(container, outside.v4, server.port)).toBe(outside.hostV4);
    succeeded(await host.cni('CHECK', { ...conf, prevResult: result }, { container }));
    succeeded(await host.cni('DEL', conf, { container }));
    expect(await attachmentsLeft(host)).toEqual([]);
  });
});

describe('keys of other programs', () => {
  test('are ignored wherever they stand', async ({ host }) => {
    const container = await host.container();
    const conf = interfaceConf({
      nerdctlID: 'x',
      capabilities: { portMappings: true },
      ipam: { type: 'host-local', ranges: [[{ subnet: '10.1.0.0/24', ipRange: '10.1.0.128/25', more: 1 }]], less: {} },
    });
    succeeded(await host.cni('ADD', conf, { container }));
  });

  test('are understood without regard to case', async ({ host }) => {
    const container = await host.container();
    const conf = {
      CNIVersion: '1.1.0',
      Name: 'net',
      type: 'drawbridge',
      BRIDGE: 'br0',
      IsGateway: true,
      IPAM: { Type: 'host-local', Ranges: [[{ Subnet: '10.1.0.0/24', RangeStart: '10.1.0.40' }]] },
    };
    const result = succeeded(await host.cni('ADD', conf, { container }));
    expect(addressesIn(result)).toEqual(['10.1.0.40']);
    expect(await addressesOn(host, host, 'br0')).toEqual(['10.1.0.1/24']);
  });
});
