/** A typing mistake in a key: from none of them may a container come that is open, or not as asked. */
import { pluginFolder } from '../helpers/executable.ts';
import { describe, expect, test, type Json } from '../helpers/host.ts';
import { attachmentsLeft, expectFailure, hostLocal, interfaceConf, succeeded } from './drawbridge/network.ts';
import { folder, installDropIns } from './drop-in/links.ts';

const policy = { mode: 'allowlist', preset: 'none' };
const subnet = '10.1.0.0/24';
const ranged = (range: Json): Json => ({ ipam: { type: 'host-local', ranges: [[{ subnet, ...range }]] } });

/** What is written, the path that the error names, and what it says of it. */
const slips: readonly [Json, string, string][] = [
  [{ egres: policy }, 'egres', '"egress"'],
  [{ Egres: policy }, 'Egres', '"egress"'],
  [{ egress_: policy }, 'egress_', '"egress"'],
  [{ ergess: policy }, 'ergess', '"egress"'],
  [{ ingress2: policy, egrss: policy }, 'egrss', '"egress"'],
  [{ egress: { ...policy, denny: [] } }, 'egress.denny', '"deny"'],
  [{ egress: { dns: { upstreem: [] } } }, 'egress.dns.upstreem', '"upstream"'],
  [{ egress: policy, Egress: {} }, 'Egress', 'the same key as "egress"'],
  [{ egress: null }, 'egress', 'it is null'],
  [{ allow: ['8.8.8.8'] }, 'allow', 'it belongs under "egress"'],
  [{ mode: 'restricted' }, 'mode', 'it belongs under "egress"'],
  [{ ipam: { ...hostLocal(subnet), egress: policy } }, 'ipam.egress', 'it belongs beside "ipam"'],
  [{ ipMaq: true }, 'ipMaq', '"ipMasq"'],
  [{ isgatewy: true }, 'isgatewy', '"isGateway"'],
  [{ vlam: 3 }, 'vlam', '"vlan"'],
  [{ mut: 1400 }, 'mut', '"mtu"'],
  [{ ipma: hostLocal(subnet) }, 'ipma', '"ipam"'],
  [{ ipam: { tpye: 'host-local' } }, 'ipam.tpye', '"type"'],
  [{ ipam: { ...hostLocal(subnet), rutes: [] } }, 'ipam.rutes', '"routes"'],
  [ranged({ rangeStrat: '10.1.0.9' }), 'ipam.ranges[0][0].rangeStrat', '"rangeStart"'],
  [{ ipam: { ...hostLocal(subnet), routes: [{ dts: '0.0.0.0/0' }] } }, 'ipam.routes[0].dts', '"dst"'],
  [{ dns: { nameserver: ['10.1.0.1'] } }, 'dns.nameserver', '"nameservers"'],
  [{ vlanTrunk: [{ minId: 1, maxxID: 2 }] }, 'vlanTrunk[0].maxxID', '"maxID"'],
  [{ capabilities: { portMapings: true } }, 'capabilities.portMapings', '"portMappings"'],
  [{ capabilities: { portmappings: true } }, 'capabilities.portmappings', '"portMappings"'],
  [{ capabilites: { ips: true } }, 'capabilites', '"capabilities"'],
];

describe('ADD and STATUS of drawbridge refuse with code 7', () => {
  test.for(slips)('%j, naming "%s" and saying %s', async ([changes, path, says], { host }) => {
    const container = await host.container();
    const conf = interfaceConf(changes);
    const text = new RegExp(`${JSON.stringify(path).replaceAll(/[[\].]/g, String.raw`\$&`)}.*${says}`);
    expectFailure(await host.cni('ADD', conf, { container }), 7, text);
    expectFailure(await host.cni('STATUS', conf), 7, text);
    expect(await host.leftovers()).toEqual([]);
    succeeded(await host.cni('DEL', conf, { container }));
  });
});

describe('ADD of another plugin of ours refuses with code 7', () => {
  const rows: readonly [string, Json, string][] = [
    ['egress-policy', { ...policy, alow: [] }, 'alow'],
    ['egress-policy', { ...policy, egress: {} }, 'egress'],
    ['bridge', { ipMask: true }, 'ipMask'],
    ['bridge', { egres: policy }, 'egres'],
    ['portmap', { snatt: true }, 'snatt'],
    ['firewall', { ingresPolicy: 'isolated' }, 'ingresPolicy'],
    ['tuning', { sysctls: {} }, 'sysctls'],
    ['tuning', { macc: '02:00:00:00:00:01' }, 'macc'],
    ['bandwidth', { egresRate: 8000 }, 'egresRate'],
    ['host-local', { ipam: { ...hostLocal(subnet), dataDri: '/run/x' } }, 'ipam.dataDri'],
  ];
  test.for(rows)('"%s": %j, naming "%s"', async ([type, changes, path], { host }) => {
    const container = await host.container();
    await installDropIns(host);
    await host.takeBaseline();
    const conf = { cniVersion: '1.1.0', name: 'net', type, ...changes };
    expectFailure(await host.cni('ADD', conf, { container, bin: folder }), 7, `"${path}"`);
    expect(await host.leftovers()).toEqual([]);
  });
});

describe('a key that nothing acts on', () => {
  const others = {
    masqAll: true,
    backend: 'nftables',
    mac: 'x',
    ips: 1,
    comment: 'mine',
    ipam: { ...hostLocal(subnet), note: 1 },
  };

  test('passes ADD with one warning that names all of them, and other verbs without a word', async ({ host }) => {
    const container = await host.container();
    const conf = interfaceConf(others);
    const added = await host.cni('ADD', conf, { container });
    const result = succeeded(added);
    expect(added.stderr.split('\n').filter((line) => line.includes('not a known key'))).toEqual([
      expect.stringMatching(/"ipam.note", "masqAll", "backend", "mac", "ips", "comment"/),
    ]);
    for (const [verb, more] of [
      ['CHECK', { prevResult: result }],
      ['DEL', {}],
    ] as const) {
      const outcome = await host.cni(verb, { ...conf, ...more }, { container });
      succeeded(outcome);
      expect(outcome.stderr).toBe('');
    }
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test('is none of the protocol and its runtimes, nor one of a delegated ipam, in whatever case of letters', async ({
    host,
  }) => {
    const container = await host.container();
    const conf = {
      ...interfaceConf({ args: { own: 1 }, runtimeConfig: { thing: [] }, capabilities: { dns: true } }),
      CNIVERSION: undefined,
      'cni.dev/attachments': [],
      'CNI.dev/own': 1,
    };
    const added = await host.cni('ADD', conf, { container });
    succeeded(added);
    expect(added.stderr).not.toContain('not a known key');
  });

  test('may be the "Type" or a "cni.dev/" key of a chained policy in another case of letters', async ({ host }) => {
    await host.outside();
    const container = await host.container();
    const prevResult = succeeded(await host.cni('ADD', interfaceConf(), { container }));
    const chained = {
      cniVersion: '1.1.0',
      name: 'net',
      Type: 'egress-policy',
      'CNI.DEV/x': [],
      'cni.dev/y': 1,
      prevResult,
    };
    succeeded(
      await host.cni(
        'ADD',
        { ...chained, mode: 'restricted' },
        { container, program: `${pluginFolder}/egress-policy` },
      ),
    );
  });
});

describe('a declared capability', () => {
  test('that drawbridge cannot act on is refused with code 2, and with it STATUS', async ({ host }) => {
    const container = await host.container();
    for (const name of ['bandwidth', 'aliases', 'vendor.example']) {
      const conf = interfaceConf({ capabilities: { portMappings: true, [name]: true } });
      expectFailure(
        await host.cni('ADD', conf, { container }),
        2,
        `"capabilities.${name}": "drawbridge" cannot act on it`,
      );
      expectFailure(await host.cni('STATUS', conf), 2, `"capabilities.${name}": "drawbridge" cannot act on it`);
    }
    expect(await host.leftovers()).toEqual([]);
  });

  test('that is false asks for nothing', async ({ host }) => {
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf({ capabilities: { bandwidth: false } }), { container }));
  });
});
