import { describe, expect, test, type Json } from '../../helpers/host.ts';
import { attachmentsLeft, expectFailure, hostLocal, interfaceConf, succeeded } from './network.ts';

const dns = { nameservers: ['10.1.0.53'] };

/** What a version's result says of one container with both families, by the reference's types. */
const shapes: Record<string, (result: Json) => Json> = {
  '0.2': ({ cniVersion }) => ({
    cniVersion,
    ip4: { ip: '10.1.0.2/24', gateway: '10.1.0.1', routes: [{ dst: '0.0.0.0/0', gw: '10.1.0.1' }] },
    ip6: { ip: 'fd01::2/64', gateway: 'fd01::1', routes: [{ dst: '::/0', gw: 'fd01::1' }] },
    dns,
  }),
  '0.4': ({ cniVersion }) => ({
    cniVersion,
    interfaces: [
      { name: 'br0', mac },
      { name: veth, mac },
      { name: 'eth0', mac, sandbox: '/run/netns/c1' },
    ],
    ips: [
      { version: '4', interface: 2, address: '10.1.0.2/24', gateway: '10.1.0.1' },
      { version: '6', interface: 2, address: 'fd01::2/64', gateway: 'fd01::1' },
    ],
    routes: [
      { dst: '0.0.0.0/0', gw: '10.1.0.1' },
      { dst: '::/0', gw: 'fd01::1' },
    ],
    dns,
  }),
  '1.x': ({ cniVersion }) => ({
    cniVersion,
    interfaces: [
      { name: 'br0', mac, mtu: 1500 },
      { name: veth, mac, mtu: 1500 },
      { name: 'eth0', mac, mtu: 1500, sandbox: '/run/netns/c1' },
    ],
    ips: [
      { interface: 2, address: '10.1.0.2/24', gateway: '10.1.0.1' },
      { interface: 2, address: 'fd01::2/64', gateway: 'fd01::1' },
    ],
    routes: [
      { dst: '0.0.0.0/0', gw: '10.1.0.1' },
      { dst: '::/0', gw: 'fd01::1' },
    ],
    dns,
  }),
};
const mac = expect.stringMatching(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/) as string;
const veth = expect.stringMatching(/^veth[0-9a-f]{11}$/) as string;

const versions = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'];

describe('a result', () => {
  test.for(versions)('has the shape of cniVersion %s', async (cniVersion, { host }) => {
    const container = await host.container();
    const added = await host.cni('ADD', { ...interfaceConf({ dns }), cniVersion }, { container });
    const family = cniVersion < '0.3.0' ? '0.2' : cniVersion < '1.0.0' ? '0.4' : '1.x';
    expect(succeeded(added)).toEqual(shapes[family]?.({ cniVersion }));
    expect(added.stdout).toBe(JSON.stringify(added.result, null, 4));
  });

  test('is of cniVersion 0.1.0 when the conf has none', async ({ host }) => {
    const container = await host.container();
    const result = succeeded(await host.cni('ADD', interfaceConf({ cniVersion: undefined }), { container }));
    expect(result).toMatchObject({ cniVersion: '0.1.0', ip4: { ip: '10.1.0.2/24' } });
  });

  test('without addresses is refused with code 7 in cniVersion 0.2.0, and nothing stays', async ({ host }) => {
    const container = await host.container();
    const conf = { ...interfaceConf({ ipam: {}, isDefaultGateway: false }), cniVersion: '0.2.0' };
    expectFailure(await host.cni('ADD', conf, { container }), 7, /no valid IP addresses/);
    expect(await attachmentsLeft(host)).toEqual([]);
  });
});

describe('an attachment', () => {
  test.for(versions)(
    'of cniVersion %s is added, checked from 0.4.0 on, and removed twice',
    async (cniVersion, { host }) => {
      const container = await host.container();
      const conf = { ...interfaceConf(), cniVersion };
      const prevResult = succeeded(await host.cni('ADD', conf, { container }));
      const checked = await host.cni('CHECK', { ...conf, prevResult }, { container });
      if (cniVersion < '0.4.0') expectFailure(checked, 1, 'config version does not allow CHECK');
      else succeeded(checked);
      expect(checked.code === 0 ? checked.stdout : '').toBe('');
      const removed = await host.cni('DEL', { ...conf, prevResult }, { container });
      expect(succeeded(removed)).toEqual({});
      expect(removed.stdout).toBe('');
      succeeded(await host.cni('DEL', conf, { container }));
      expect(await attachmentsLeft(host)).toEqual([]);
    },
  );
});

describe('GC and STATUS', () => {
  test.for(versions)('are refused with code 1 below 1.1.0: cniVersion %s', async (cniVersion, { host }) => {
    const conf = { ...interfaceConf({ 'cni.dev/valid-attachments': [] }), cniVersion };
    for (const verb of ['GC', 'STATUS']) {
      const outcome = await host.cni(verb, conf);
      if (cniVersion === '1.1.0') succeeded(outcome);
      else expectFailure(outcome, 1, `config version does not allow ${verb}`);
    }
  });
});

describe('VERSION', () => {
  test.for([...versions, '9.9.9'])(
    'tells every version, and answers in the asked one, also where it does not speak it: %s',
    async (cniVersion, { host }) => {
      const { code, result, stdout } = await host.cni('VERSION', { type: 'drawbridge', cniVersion });
      expect(code).toBe(0);
      expect(result).toEqual({
        cniVersion,
        supportedVersions: versions,
      });
      expect(stdout.endsWith('\n')).toBe(true);
    },
  );

  test('needs no variable but CNI_COMMAND', async ({ host }) => {
    const env = { CNI_CONTAINERID: undefined, CNI_NETNS: undefined, CNI_IFNAME: undefined, CNI_PATH: undefined };
    expect((await host.cni('VERSION', '{"cniVersion":"1.0.0"}', { env })).result).toMatchObject({
      cniVersion: '1.0.0',
    });
  });
});

describe('"prevResult" of an ADD', () => {
  const lo = { name: 'lo', mac: '00:00:00:00:00:00', sandbox: '/run/netns/c1' };

  test('stays in the result before what is ours, as Nomad needs, which calls loopback first', async ({ host }) => {
    const container = await host.container();
    const prevResult = {
      cniVersion: '1.0.0',
      interfaces: [lo],
      ips: [{ interface: 0, address: '127.0.0.1/8' }],
      dns: {},
    };
    const conf = interfaceConf({ prevResult, ipam: hostLocal('10.1.0.0/24') });
    const result = succeeded(await host.cni('ADD', { ...conf, cniVersion: '1.0.0' }, { container }));
    expect(result['interfaces'].map(({ name }: Json) => name)).toEqual(['lo', 'br0', veth, 'eth0']);
    expect(result['ips']).toEqual([
      { interface: 0, address: '127.0.0.1/8' },
      { interface: 3, address: '10.1.0.2/24', gateway: '10.1.0.1' },
    ]);
    succeeded(await host.cni('CHECK', { ...conf, cniVersion: '1.0.0', prevResult: result }, { container }));
    succeeded(await host.cni('DEL', { ...conf, cniVersion: '1.0.0', prevResult: result }, { container }));
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test.for([
    ['0.2.0', { ip4: { ip: '192.0.2.7/24' } }],
    ['0.3.1', { interfaces: [lo], ips: [{ version: '4', address: '127.0.0.1/8', interface: 0 }], dns: {} }],
    ['0.4.0', { interfaces: [lo], ips: [], routes: [], dns: {} }],
    ['1.1.0', { interfaces: [{ ...lo, mtu: 65536 }] }],
  ] as const)('is understood in the shape of cniVersion %s', async ([cniVersion, previous], { host }) => {
    const container = await host.container();
    const conf = interfaceConf({ prevResult: { cniVersion, ...previous } });
    succeeded(await host.cni('ADD', { ...conf, cniVersion }, { container }));
  });

  test('that cannot be read is refused with code 7 by ADD and CHECK, and passed over by DEL', async ({ host }) => {
    const container = await host.container();
    const conf = interfaceConf();
    succeeded(await host.cni('ADD', conf, { container }));
    const bad = { ...conf, prevResult: { cniVersion: '1.1.0', ips: [{ address: 'nowhere' }] } };
    expectFailure(await host.cni('CHECK', bad, { container }), 7, /"prevResult\.ips\[0\]\.address".*"nowhere"/);
    expectFailure(await host.cni('ADD', bad, { container, containerId: 'other' }), 7, /"nowhere"/);
    const removed = await host.cni('DEL', bad, { container });
    succeeded(removed);
    expect(removed.stderr).toContain('"nowhere"');
    expect(await attachmentsLeft(host)).toEqual([]);
  });
});
