import { describe, expect, type Conflist, type Json } from '../../helpers/host.ts';
import { expectFailure, succeeded } from '../drawbridge/network.ts';
import {
  addContainer,
  chain,
  oneProcess,
  policyConf,
  referenceChain,
  referencePlugins,
  restricted,
  runChain,
  ways,
} from './network.ts';
import { test } from './world.ts';

describe.for(Object.entries(ways))('in %s a policy', ([, conflist]) => {
  test('opens what it allows and refuses the rest at once, in both families', async ({ host, world }) => {
    const container = await addContainer(host, conflist());
    expect(await world.reaches(container)).toEqual(restricted);
  });

  test('passes CHECK, and leaves nothing when the last container goes', async ({ host }) => {
    const list = conflist();
    const container = await addContainer(host, list);
    expect((await host.checkChain(list, { container })).error).toBeUndefined();
    expect((await host.delChain(list, { container })).error).toBeUndefined();
    expect(
      await host.leftovers({ allow: [/link br0$/, /file \/run\/drawbridge\/(bridges|listings)\//, /\/boot\//] }),
    ).toEqual([]);
  });

  test('keeps siblings apart', async ({ host }) => {
    const [first, second] = [await addContainer(host, conflist()), await addContainer(host, conflist())];
    await host.serve(second, { port: 80, reply: 'sibling' });
    const addresses = (second.result['ips'] as { address: string }[]).map(
      ({ address }) => address.split('/', 1)[0] ?? '',
    );
    const answers = await Promise.all(
      addresses.map(async (address) => host.fetch(first, address, 80, { timeout: 400 })),
    );
    expect(answers).not.toContain('sibling');
  });

  test('opens the ports of the host that it names, on the gateway, and nothing else of the host', async ({
    host,
    world,
  }) => {
    const container = await addContainer(host, conflist({ hostPorts: ['5000/tcp'] }));
    await Promise.all([5000, 22].map(async (port) => host.serve(host, { port, reply: 'host' })));
    const answers = await Promise.all(
      (
        [
          '10.1.0.1 5000',
          'fd01::1 5000',
          '10.1.0.1 22',
          'fd01::1 22',
          `${world.outside.hostV4} 5000`,
          `${world.outside.hostV6} 5000`,
        ] as const
      ).map(async (text) => {
        const [address = '', port] = text.split(' ');
        return host.fetch(container, address, Number(port), { timeout: 1500 });
      }),
    );
    expect(answers).toEqual(['host', 'host', 'refused', 'refused', 'refused', 'refused']);
  });
});

describe.skipIf(referencePlugins() === undefined)('after the reference plugin', () => {
  describe.for(['bridge', 'ptp'] as const)('"%s"', (type) => {
    test('a policy holds, and goes with the container', async ({ host, world }) => {
      const container = await host.container();
      const list = referenceChain(type);
      const result = succeeded(await runChain(host, 'ADD', list, { container }));
      await host.fetch(container, world.public6, 80, { timeout: 4000 });
      expect(await world.reaches(container)).toEqual(restricted);
      succeeded(await runChain(host, 'CHECK', list, { container, result }));
      succeeded(await runChain(host, 'DEL', list, { container, result }));
      expect(
        await host.leftovers({ allow: [/link cni0/, /drawbridge\/listings/, /table ip6? nat/, /last_reserved/] }),
      ).toEqual([]);
    });

    test('siblings are kept apart', async ({ host }) => {
      const list = referenceChain(type);
      const [first, second] = [await host.container(), await host.container()];
      succeeded(await runChain(host, 'ADD', list, { container: first }));
      const { ips } = succeeded(await runChain(host, 'ADD', list, { container: second })) as {
        ips: { address: string }[];
      };
      await host.serve(second, { port: 80, reply: 'sibling' });
      const answers = await Promise.all(
        ips.map(async ({ address }) => host.fetch(first, address.split('/', 1)[0] ?? '', 80, { timeout: 400 })),
      );
      expect(answers).not.toContain('sibling');
    });
  });

  test('"loopback" a chain of ours goes on, and the result of both arrives', async ({ host, world }) => {
    const list: Conflist = { ...chain(), cniVersion: '1.0.0', plugins: [{ type: 'loopback' }, ...chain().plugins] };
    const container = await host.container();
    const result = succeeded(await runChain(host, 'ADD', list, { container }));
    expect((result['interfaces'] as Json[]).map(({ name }) => name as string)).toEqual([
      'lo',
      'br0',
      expect.stringMatching(/^veth/),
      'eth0',
    ]);
    expect(await world.reaches(container)).toEqual(restricted);
    succeeded(await runChain(host, 'CHECK', list, { container, result }));
    succeeded(await runChain(host, 'DEL', list, { container, result }));
  });

  test('"bridge" that follows "loopback" the policy finds its interface', async ({ host, world }) => {
    const reference = referenceChain('bridge');
    const list = { ...reference, plugins: [{ type: 'loopback' }, ...reference.plugins] };
    const container = await host.container();
    succeeded(await runChain(host, 'ADD', list, { container }));
    await host.fetch(container, world.public6, 80, { timeout: 4000 });
    expect(await world.reaches(container)).toEqual(restricted);
  });
});

describe('a result with interfaces of others appended', () => {
  const appended = (result: Json, netns: string): Json => ({
    ...result,
    interfaces: [
      ...(result['interfaces'] as Json[]),
      { name: 'tap0', mac: '02:00:00:00:aa:01', sandbox: netns },
      { name: 'ifb0', mac: '02:00:00:00:aa:02' },
      { name: 'vm', mac: '02:00:00:00:aa:03', sandbox: 'machine-1' },
    ],
    // tc-redirect-tap gives the address of the container to the machine once more.
    ips: [
      ...(result['ips'] as Json[]),
      ...(result['ips'] as Json[]).map((ip) => ({ ...ip, interface: (result['interfaces'] as Json[]).length + 2 })),
    ],
  });

  test.for([
    ['our own interface plugin', () => chain()],
    ['the reference plugin "bridge"', () => referenceChain('bridge')],
  ] as const)(
    'is enforced at the interface of the container, each address once, after %s',
    async ([, make], { host, world }) => {
      const list = make();
      const container = await host.container();
      const made = succeeded(
        await runChain(host, 'ADD', { ...list, plugins: list.plugins.slice(0, 1) }, { container }),
      );
      const prevResult = appended(made, container.netns);
      expect(succeeded(await host.cni('ADD', policyConf({}, prevResult), { container }))).toEqual({
        ...prevResult,
        cniVersion: '1.1.0',
      });
      await host.fetch(container, world.public6, 80, { timeout: 4000 });
      expect(await world.reaches(container)).toEqual(restricted);
      const { egress } = JSON.parse(await host.sh('cat /run/drawbridge/attachments/*.json')) as {
        egress: { addresses: string[] };
      };
      expect(egress.addresses).toEqual(['10.1.0.2', 'fd01::2']);
    },
  );

  test('passes CHECK', async ({ host }) => {
    const container = await addContainer(host, chain());
    succeeded(await host.cni('CHECK', policyConf({}, appended(container.result, container.netns)), { container }));
  });
});

describe('egress-policy refuses', () => {
  test('an ADD without "prevResult"', async ({ host }) => {
    const container = await host.container();
    expectFailure(
      await host.cni('ADD', policyConf({}, undefined), { container }),
      7,
      /^Cannot police an interface: there is no "prevResult"$/,
    );
    expect(await host.leftovers()).toEqual([]);
  });

  test('a "prevResult" that does not have the interface', async ({ host }) => {
    const container = await host.container();
    const prevResult = {
      cniVersion: '1.1.0',
      interfaces: [{ name: 'eth1', sandbox: container.netns }],
      ips: [{ address: '10.1.0.2/24', interface: 0 }],
    };
    const answer = await host.cni('ADD', policyConf({}, prevResult), { container });
    expectFailure(answer, 7, 'Cannot police "eth0" in "/run/netns/c1": "prevResult" does not have it');
    expect(answer.error?.['details']).toContain('It has "eth1" in "/run/netns/c1"');
    expect(await host.leftovers()).toEqual([]);
  });

  test('an interface without an address', async ({ host }) => {
    const container = await host.container();
    const prevResult = { cniVersion: '1.1.0', interfaces: [{ name: 'eth0', sandbox: container.netns }], ips: [] };
    expectFailure(
      await host.cni('ADD', policyConf({}, prevResult), { container }),
      7,
      'Cannot police "eth0": "prevResult" gives it no address',
    );
  });

  test('a macvlan, which does not pass the host', async ({ host }) => {
    const container = await host.container();
    await host.sh(
      'ip link add up0 type veth peer name up1; ip link set up0 up; ip link add eth0 link up0 netns c1 type macvlan mode bridge',
    );
    await host.takeBaseline();
    const prevResult = {
      cniVersion: '1.1.0',
      interfaces: [{ name: 'eth0', sandbox: container.netns }],
      ips: [{ address: '10.1.0.2/24', interface: 0 }],
    };
    const answer = await host.cni('ADD', policyConf({}, prevResult), { container });
    expectFailure(answer, 7, 'Cannot police "eth0" in "/run/netns/c1"');
    expect(answer.error?.['details']).toContain('macvlan');
    expect(await host.leftovers()).toEqual([]);
  });

  test('a veth whose other end is in another namespace', async ({ host }) => {
    const container = await host.container();
    await host.container('elsewhere');
    await host.sh('ip link add eth0 netns c1 type veth peer name far netns elsewhere');
    const prevResult = {
      cniVersion: '1.1.0',
      interfaces: [{ name: 'eth0', sandbox: container.netns }],
      ips: [{ address: '10.1.0.2/24', interface: 0 }],
    };
    expectFailure(
      await host.cni('ADD', policyConf({}, prevResult), { container }),
      7,
      'its other end is not on this host',
    );
  });
});

describe('the result', () => {
  const results: Record<string, (netns: string) => Json> = {
    '0.1.0': () => ({
      ip4: { ip: '10.1.0.2/24', gateway: '10.1.0.1', routes: [{ dst: '0.0.0.0/0' }] },
      dns: { nameservers: ['10.1.0.1'], domain: 'x.example' },
    }),
    '0.2.0': () => ({ ip4: { ip: '10.1.0.2/24', gateway: '10.1.0.1' }, ip6: { ip: 'fd01::2/64' }, dns: {} }),
    '0.3.0': (sandbox) => ({
      interfaces: [{ name: 'eth0', mac: '02:00:00:00:00:02', sandbox }],
      ips: [{ version: '4', interface: 0, address: '10.1.0.2/24', gateway: '10.1.0.1' }],
      routes: [{ dst: '0.0.0.0/0', gw: '10.1.0.1' }],
      dns: {},
    }),
    '0.3.1': (sandbox) => ({
      interfaces: [{ name: 'eth0', sandbox }],
      ips: [{ version: '4', interface: 0, address: '10.1.0.2/24' }],
      dns: {},
    }),
    '0.4.0': (sandbox) => ({
      interfaces: [{ name: 'eth0', sandbox }],
      ips: [{ version: '6', interface: 0, address: 'fd01::2/64' }],
      dns: { search: ['a'] },
    }),
    '1.0.0': (sandbox) => ({
      interfaces: [{ name: 'eth0', sandbox }],
      ips: [{ interface: 0, address: '10.1.0.2/24' }],
      routes: [],
      dns: { options: ['ndots:2'] },
    }),
    '1.1.0': (sandbox) => ({
      interfaces: [{ name: 'eth0', mtu: 1400, sandbox, socketPath: '/s', pciID: 'x' }],
      ips: [{ interface: 0, address: '10.1.0.2/24' }],
      routes: [{ dst: '10.0.0.0/8', mtu: 1300, priority: 7, table: 9, scope: 253 }],
      dns: {},
      'x-vendor': { kept: [1, null] },
    }),
  };

  test.for(Object.entries(results))('of cniVersion %s passes as it came', async ([cniVersion, make], { host }) => {
    const container = await host.container();
    await host.sh('ip link add veth7 type veth peer name eth0 netns c1; ip link set veth7 up');
    const prevResult: Json = { cniVersion, ...make(container.netns) };
    const answer = await host.cni('ADD', { ...policyConf({}, prevResult), cniVersion }, { container });
    expect(succeeded(answer)).toEqual(prevResult);
  });
});

test('a policy in one process wants addresses', async ({ host }) => {
  const container = await host.container();
  const added = await host.addChain(oneProcess({}, { ipam: {} }), { container });
  expectFailure(added, 7, 'Cannot use "egress" without addresses');
});

test('policies of both kinds on one bridge do not disturb one another', async ({ host, world }) => {
  const first = await addContainer(host, oneProcess());
  const second = await addContainer(host, { ...chain({ mode: 'open' }), name: 'net' });
  const other = { ...oneProcess(), name: 'net' };
  await host.delChain(other, { container: first });
  expect(await world.reaches(second, ['public4', 'private4', 'private6'])).toEqual({
    public4: 'outside',
    private4: 'outside',
    private6: 'outside',
  });
});
