/** Sentences of SPEC.md 1.1.0 and CONVENTIONS.md that no other file here has: see docs/protocol.md. */
import { pluginFolder } from '../../helpers/executable.ts';
import { describe, expect, test, type Host, type Json } from '../../helpers/host.ts';
import { folder, installDropIns } from '../drop-in/links.ts';
import {
  addressesIn,
  attachmentsLeft,
  expectFailure,
  hostInterfaceIn,
  hostLocal,
  interfaceConf,
  succeeded,
} from './network.ts';

/** A plugin "fake" for addresses that keeps what it was told on DEL. */
async function installFake(host: Host, result: Json): Promise<string> {
  await host.sh(
    `mkdir -p /run/plugins
    cat > /run/plugins/fake <<'END'
#!/bin/sh
cat > /run/fake.$CNI_COMMAND
[ "$CNI_COMMAND" != ADD ] || echo '${JSON.stringify(result)}'
END
    chmod +x /run/plugins/fake`,
  );
  return `${pluginFolder}:/run/plugins`;
}

describe('DEL', () => {
  test('hands a delegated ipam the configuration that it was given itself, with prevResult and runtimeConfig', async ({
    host,
  }) => {
    const path = await installFake(host, {
      cniVersion: '1.1.0',
      ips: [{ address: '10.6.0.9/24', gateway: '10.6.0.1' }],
    });
    const container = await host.container();
    const conf = interfaceConf({ ipam: { type: 'fake', own: 1 } });
    const prevResult = succeeded(await host.cni('ADD', conf, { container, path }));
    const own = { ...conf, ipam: { type: 'fake', own: 2 }, prevResult, runtimeConfig: { ips: ['10.6.0.9'] } };
    succeeded(await host.cni('DEL', own, { container, path }));
    expect(JSON.parse(await host.run(['cat', '/run/fake.DEL']))).toEqual(own);
  });

  test("with the host's own namespace removes what is on record, touches nothing there, and then says code 8", async ({
    host,
  }) => {
    const container = await host.container();
    const conf = interfaceConf();
    const veth = hostInterfaceIn(succeeded(await host.cni('ADD', conf, { container })));
    await host.sh('ip link show eth0 || ip link add eth0 type veth peer name eth0peer');
    expectFailure(await host.cni('DEL', conf, { container, netns: '/proc/self/ns/net' }), 8, /should not be the same/);
    expect((await host.exec(['ip', 'link', 'show', veth])).code).not.toBe(0);
    expect((await host.exec(['ip', 'link', 'show', 'eth0'])).code).toBe(0);
    await host.sh('ip link del eth0');
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test('and GC succeed for a network whose name no file can have, and ADD, CHECK and STATUS refuse it', async ({
    host,
  }) => {
    const container = await host.container();
    const conf = interfaceConf({ name: 'n'.repeat(256) });
    for (const verb of ['ADD', 'CHECK', 'STATUS'])
      expectFailure(await host.cni(verb, { ...conf, prevResult: {} }, { container }), 7, /"name".*256 characters/);
    succeeded(await host.cni('DEL', conf, { container }));
    succeeded(await host.cni('GC', { ...conf, 'cni.dev/valid-attachments': [] }));
    expect(await host.leftovers({ allow: [/boot\//] })).toEqual([]);
    const longest = interfaceConf({ name: 'n'.repeat(255) });
    succeeded(await host.cni('ADD', longest, { container }));
    succeeded(await host.cni('DEL', longest, { container }));
  });
});

describe('CNI_PATH', () => {
  test('is needed only where something is delegated', async ({ host }) => {
    const container = await host.container();
    const env = { CNI_PATH: undefined };
    const prevResult = succeeded(await host.cni('ADD', interfaceConf(), { container, env }));
    succeeded(await host.cni('CHECK', interfaceConf({ prevResult }), { container, env }));
    succeeded(await host.cni('STATUS', interfaceConf(), { env }));
    succeeded(await host.cni('DEL', interfaceConf(), { container, env }));
    const delegating = interfaceConf({ ipam: { type: 'fake' } });
    const missing = 'required env variables [CNI_PATH] missing';
    expectFailure(await host.cni('ADD', delegating, { container, env }), 4, missing);
    expect(await attachmentsLeft(host)).toEqual([]);
  });
});

describe('an address', () => {
  const pools = hostLocal('10.1.0.0/24', '10.2.0.0/24');
  const cases: readonly [string, Json, string | undefined, string[]][] = [
    ['args.cni before CNI_ARGS', { args: { cni: { ips: ['10.1.0.7'] } } }, 'IP=10.1.0.8', ['10.1.0.7', '10.2.0.2']],
    [
      'runtimeConfig before args.cni and CNI_ARGS',
      { args: { cni: { ips: ['10.1.0.7'] } }, runtimeConfig: { ips: ['10.1.0.6'] } },
      'IP=10.1.0.8',
      ['10.1.0.6', '10.2.0.2'],
    ],
    ['each of another range', { args: { cni: { ips: ['10.1.0.7'] } } }, 'IP=10.2.0.8', ['10.1.0.7', '10.2.0.8']],
  ];
  test.for(cases)('is taken from %s', async ([, changes, args, addresses], { host }) => {
    const container = await host.container();
    const conf = interfaceConf({ ipam: pools, isDefaultGateway: false, isGateway: true, ...changes });
    const result = succeeded(await host.cni('ADD', conf, { container, ...(args === undefined ? {} : { args }) }));
    expect(addressesIn(result)).toEqual(addresses);
  });

  test('that no range has is refused wherever it was asked for', async ({ host }) => {
    const container = await host.container();
    const conf = interfaceConf({ ipam: pools, args: { cni: { ips: ['10.1.0.7'] } } });
    expectFailure(await host.cni('ADD', conf, { container, args: 'IP=10.9.0.8' }), 7, /10\.9\.0\.8/);
  });
});

describe('prevResult', () => {
  test('keeps its DNS in the result, with ours behind', async ({ host }) => {
    const container = await host.container();
    const earlier = { nameservers: ['10.0.0.53', '10.1.0.53'], domain: 'old.example', search: ['a.example'] };
    const conf = interfaceConf({
      dns: { nameservers: ['10.1.0.53', '10.2.0.53'], domain: 'new.example', options: ['ndots:1'] },
      prevResult: { cniVersion: '1.1.0', dns: earlier },
    });
    expect(succeeded(await host.cni('ADD', conf, { container }))['dns']).toEqual({
      nameservers: ['10.0.0.53', '10.1.0.53', '10.2.0.53'],
      domain: 'new.example',
      search: ['a.example'],
      options: ['ndots:1'],
    });
  });

  test("without the container's interface is refused by CHECK with code 7", async ({ host }) => {
    const container = await host.container();
    const result = succeeded(await host.cni('ADD', interfaceConf(), { container }));
    for (const prevResult of [{}, { ...result, interfaces: [] }])
      expectFailure(await host.cni('CHECK', interfaceConf({ prevResult }), { container }), 7, /does not have.*"eth0"/);
  });

  test('says which addresses CHECK looks for: one that is not there fails, one that a later plugin took does not', async ({
    host,
  }) => {
    const container = await host.container();
    const result = succeeded(await host.cni('ADD', interfaceConf(), { container }));
    const ips = result['ips'] as Json[];
    const more = { ...result, ips: [...ips, { address: '10.1.0.99/24', interface: 2 }] };
    expectFailure(
      await host.cni('CHECK', interfaceConf({ prevResult: more }), { container }),
      103,
      /10\.1\.0\.99\/24 is missing/,
    );
    await host.run(['ip', 'address', 'del', 'fd01::2/64', 'dev', 'eth0'], { where: container });
    expectFailure(
      await host.cni('CHECK', interfaceConf({ prevResult: result }), { container }),
      103,
      /fd01::2\/64 is missing/,
    );
    const routes = (result['routes'] as Json[]).filter(({ dst }) => !String(dst).includes(':'));
    const fewer = { ...result, ips: ips.slice(0, 1), routes };
    succeeded(await host.cni('CHECK', interfaceConf({ prevResult: fewer }), { container }));
  });

  test('may have routes and addresses of other plugins, which CHECK leaves to them', async ({ host }) => {
    const container = await host.container();
    const result = succeeded(await host.cni('ADD', interfaceConf(), { container }));
    await host.sh(
      'ip link add x0 type veth peer name x1; ip link set x0 up; ip link set x1 up; ip route add blackhole 10.77.0.0/16; ip route add 10.78.0.0/16 dev x0',
      {
        where: container,
      },
    );
    const prevResult = {
      ...result,
      interfaces: [...(result['interfaces'] as Json[]), { name: 'x0', sandbox: container.netns }],
      ips: [...(result['ips'] as Json[]), { address: '10.78.0.1/16', interface: 3 }],
      routes: [
        ...(result['routes'] as Json[]),
        { dst: '10.77.0.0/16' },
        { dst: '10.78.0.0/16' },
        { dst: '10.79.0.0/16' },
      ],
    };
    succeeded(await host.cni('CHECK', interfaceConf({ prevResult }), { container }));
    await host.run(['ip', 'route', 'del', 'default'], { where: container });
    expectFailure(await host.cni('CHECK', interfaceConf({ prevResult }), { container }), 103, /0\.0\.0\.0\/0/);
  });

  test.for([1300, 1600])(
    'of version 0.4.0 has no MTU, and CHECK passes after our tuning made it %d',
    async (mtu, { host }) => {
      await installDropIns(host);
      const container = await host.container();
      const conf = { ...interfaceConf({ mtu: 1500 }), cniVersion: '0.4.0' };
      const made = succeeded(await host.cni('ADD', conf, { container, bin: folder }));
      const tuning = { cniVersion: '0.4.0', name: 'net', type: 'tuning', mtu };
      const prevResult = succeeded(await host.cni('ADD', { ...tuning, prevResult: made }, { container, bin: folder }));
      succeeded(await host.cni('CHECK', { ...conf, prevResult }, { container, bin: folder }));
      await host.run(['ip', 'link', 'set', 'eth0', 'mtu', '1700'], { where: container });
      expectFailure(await host.cni('CHECK', { ...conf, prevResult }, { container, bin: folder }), 103, /MTU/);
    },
  );
});

describe('code 3', () => {
  test('is for an attachment of which nothing is there', async ({ host }) => {
    const container = await host.container();
    const { interfaces, ips } = { interfaces: [{ name: 'eth0', sandbox: container.netns }], ips: [] };
    const conf = interfaceConf({ prevResult: { cniVersion: '1.1.0', interfaces, ips } });
    expectFailure(await host.cni('CHECK', conf, { container }), 3, /there is no record of it/);
  });

  test('is not said while link and lease of a lost record stand, which a DEL removes', async ({ host }) => {
    const container = await host.container();
    const prevResult = succeeded(await host.cni('ADD', interfaceConf(), { container }));
    await host.sh('rm /run/drawbridge/attachments/*');
    for (const type of ['drawbridge', 'egress-policy']) {
      const conf = { ...interfaceConf({ prevResult }), type };
      const { bridge, ipam, isDefaultGateway, ipMasq, hairpinMode, ...policy } = conf as Json;
      void [bridge, ipam, isDefaultGateway, ipMasq, hairpinMode];
      const outcome = await host.cni('CHECK', type === 'drawbridge' ? conf : policy, { container });
      expectFailure(outcome, type === 'drawbridge' ? 103 : 104, /no record of it, and the host interface "veth/);
    }
    succeeded(await host.cni('DEL', interfaceConf(), { container }));
    expect((await host.exec(['ip', 'link', 'show', hostInterfaceIn(prevResult)])).code).not.toBe(0);
    expect(await host.sh('ls /var/lib/cni/networks/net')).not.toMatch(/10\.1\.0\.2/);
  });

  test('is not said by the ADD of tuning for an interface that is not there', async ({ host }) => {
    await installDropIns(host);
    const container = await host.container();
    const prevResult = { cniVersion: '1.1.0', interfaces: [{ name: 'eth0', sandbox: container.netns }] };
    const tuning = { cniVersion: '1.1.0', name: 'net', type: 'tuning', mtu: 1400, prevResult };
    expectFailure(await host.cni('ADD', tuning, { container, bin: folder }), 7, /there is no such interface/);
  });
});

test.for(['0.2.0', '0.4.0', '1.0.0'])(
  'the result of a delegated ipam in version %s is converted',
  async (cniVersion, { host }) => {
    const ip = { address: '10.6.0.9/24', gateway: '10.6.0.1' };
    const shapes: Record<string, Json> = {
      '0.2.0': { ip4: { ip: ip.address, gateway: ip.gateway } },
      '0.4.0': { ips: [{ version: '4', ...ip }] },
      '1.0.0': { ips: [ip] },
    };
    const path = await installFake(host, { cniVersion, ...shapes[cniVersion] });
    const container = await host.container();
    const result = succeeded(await host.cni('ADD', interfaceConf({ ipam: { type: 'fake' } }), { container, path }));
    expect(result).toMatchObject({ cniVersion: '1.1.0', ips: [{ ...ip, interface: 2 }] });
    expect(await host.ping(container, '10.6.0.1')).toBe('answer');
  },
);
