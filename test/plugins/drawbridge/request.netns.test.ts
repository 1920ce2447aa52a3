/**
 * What the reference's `skel` package checks before a plugin runs, row by row, and what else may be wrong with a call.
 */
import { describe, expect, test, type Json } from '../../helpers/host.ts';
import { executable } from '../../helpers/executable.ts';
import { expectFailure, interfaceConf, succeeded } from './network.ts';

const variables = {
  ADD: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'],
  CHECK: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'],
  DEL: ['CNI_CONTAINERID', 'CNI_IFNAME'],
  GC: [],
  STATUS: [],
};

const rows = Object.entries(variables).flatMap(([verb, names]) => names.map((name) => [verb, name] as const));
const prevResult = { cniVersion: '1.1.0', ips: [] };

describe('a call', () => {
  test.for(rows)('of %s is refused with code 4 when %s is not set, or empty', async ([verb, name], { host }) => {
    const container = await host.container();
    for (const value of [undefined, '']) {
      const outcome = await host.cni(verb, interfaceConf({ prevResult }), { container, env: { [name]: value } });
      expectFailure(outcome, 4, `required env variables [${name}] missing`);
    }
    expect(await host.leftovers()).toEqual([]);
  });

  test.for(Object.entries(variables).filter(([, names]) => names.length > 0))(
    'of %s names every variable that is missing: %j',
    async ([verb, names], { host }) => {
      const env = Object.fromEntries(names.map((name) => [name, undefined]));
      const outcome = await host.cni(verb, interfaceConf({ prevResult }), { env });
      expect(outcome.error).toMatchObject({ code: 4, msg: `required env variables [${names.join(',')}] missing` });
    },
  );

  test('of DEL needs no CNI_NETNS', async ({ host }) => {
    succeeded(await host.cni('DEL', interfaceConf(), { containerId: 'c', env: { CNI_NETNS: undefined } }));
  });

  test.for(['add', 'REMOVE', 'ADD ', '__proto__', '\u00e4'])('of %j is refused with code 4', async (verb, { host }) => {
    const container = await host.container();
    const outcome = await host.cni(verb, interfaceConf(), { container });
    expect(outcome.error).toMatchObject({ code: 4, msg: `unknown CNI_COMMAND: ${verb}` });
    expect(await host.leftovers()).toEqual([]);
  });

  test.for(['/etc', '..', '.a', '-a', 'a b', 'a/b', 'a;b', 'ä', '_a', 'a\n'])(
    'is refused with code 4 for the container ID %j',
    async (containerId, { host }) => {
      const { netns } = await host.container();
      for (const verb of ['ADD', 'CHECK', 'DEL']) {
        const outcome = await host.cni(verb, interfaceConf({ prevResult }), { containerId, netns });
        expectFailure(outcome, 4, 'invalid characters in containerID');
        expect(outcome.error?.['msg']).toContain(JSON.stringify(containerId));
      }
      expect(await host.leftovers()).toEqual([]);
    },
  );

  test('is taken for a container ID of any length', async ({ host }) => {
    const container = await host.container();
    const options = { container, containerId: `default-${'0123456789abcdef'.repeat(8)}` };
    succeeded(await host.cni('ADD', interfaceConf(), options));
    succeeded(await host.cni('DEL', interfaceConf(), { ...options, netns: '' }));
  });

  test.for(['sixteencharacter', '.', '..', 'a/b', 'a:b', 'a b', 'a\tb', 'a\u00a0b', 'ääääääää', 'eth%d', 'a"b', 'a#b'])(
    'is refused with code 4 for the interface name %j',
    async (ifname, { host }) => {
      const container = await host.container();
      for (const verb of ['ADD', 'CHECK', 'DEL']) {
        const outcome = await host.cni(verb, interfaceConf({ prevResult }), { container, ifname });
        expectFailure(outcome, 4, 'interface name');
        expect(outcome.error?.['msg']).toContain(JSON.stringify(ifname));
      }
      expect(await host.leftovers()).toEqual([]);
    },
  );

  test('is taken for an interface name of 15 bytes', async ({ host }) => {
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf(), { container, ifname: 'fifteen_chars-1' }));
    expect(await host.ping(container, '10.1.0.1')).toBe('answer');
  });

  test('of ADD or DEL for its own namespace passes with CNI_NETNS_OVERRIDE, and a DEL removes nothing there', async ({
    host,
  }) => {
    const own = { containerId: 'c', netns: '/proc/self/ns/net', ifname: 'lo' };
    expectFailure(await host.cni('DEL', interfaceConf(), own), 8, /should not be the same/);
    succeeded(await host.cni('DEL', interfaceConf(), { ...own, env: { CNI_NETNS_OVERRIDE: '1' } }));
    expect(await host.leftovers()).toEqual([]);
  });
});

describe('CNI_ARGS', () => {
  test.for([
    ['IP', 'invalid pair "IP"'],
    ['IP=10.1.0.5=x', 'invalid pair "IP=10.1.0.5=x"'],
    ['IP=10.1.0.5;', 'invalid pair ""'],
    ['NERDCTL_CNI_DHCP_HOSTNAME=x', 'unknown args ["NERDCTL_CNI_DHCP_HOSTNAME=x"]'],
    ['ip=10.1.0.5', 'unknown args ["ip=10.1.0.5"]'],
    ['IgnoreUnknown=perhaps;X=1', 'IgnoreUnknown=perhaps'],
    ['IP=10.1.0', '"CNI_ARGS IP": it is "10.1.0"'],
  ] as const)('are refused with code 4 when they are %j', async ([args, text], { host }) => {
    const container = await host.container();
    const outcome = await host.cni('ADD', interfaceConf(), { container, args });
    expect(outcome.error).toMatchObject({ code: 4, msg: expect.stringContaining(text) });
    expect(await host.leftovers({ allow: [/boot/] })).toEqual([]);
  });

  test.for([
    'IgnoreUnknown=1;NERDCTL_CNI_DHCP_HOSTNAME=x;IP=10.1.0.5',
    'IgnoreUnknown=true;K8S_POD_NAMESPACE=n;K8S_POD_NAME=p;K8S_POD_INFRA_CONTAINER_ID=i;K8S_POD_UID=u;IP=10.1.0.5',
    'K8S_POD_NAMESPACE=n;K8S_POD_NAME=p;IP=10.1.0.5;MAC=02:00:00:00:00:09',
  ])('are taken when they are %j', async (args, { host }) => {
    const container = await host.container();
    const result = succeeded(await host.cni('ADD', interfaceConf(), { container, args }));
    expect(result['ips'][0].address).toBe('10.1.0.5/24');
  });

  test('are no reason for a DEL to fail', async ({ host }) => {
    succeeded(await host.cni('DEL', interfaceConf(), { containerId: 'c', netns: '', args: 'what=is=this' }));
  });
});

describe('a network name', () => {
  test.for([undefined, ''])('is asked for with code 7 when it is %j', async (name, { host }) => {
    const container = await host.container();
    for (const verb of ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS'])
      expectFailure(
        await host.cni(verb, interfaceConf({ name, prevResult }), { container }),
        7,
        'missing network name',
      );
    expect(await host.leftovers()).toEqual([]);
  });

  test.for(['../etc', '.', 'a b', 'a/b', '-x'])('is refused with code 7 when it is %j', async (name, { host }) => {
    const container = await host.container();
    for (const verb of ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS']) {
      const outcome = await host.cni(verb, interfaceConf({ name, prevResult }), { container });
      expectFailure(outcome, 7, 'invalid characters found in network name');
      expect(outcome.error?.['msg']).toContain(JSON.stringify(name));
    }
    expect(await host.leftovers()).toEqual([]);
  });
});

describe('a configuration', () => {
  test.for(['', '{', '[]', '"text"', '7', '{"name":"net","cniVersion":"1.1.0",}', 'null'])(
    'is refused, with valid JSON on stdout, when it is %j',
    async (text, { host }) => {
      const container = await host.container();
      const outcome = await host.cni('ADD', text, { container, program: executable });
      expectFailure(outcome, text === 'null' ? 7 : 6, /./);
      expect(await host.leftovers()).toEqual([]);
    },
  );

  test('is refused with code 6 when its nesting is deeper than any stack', async ({ host }) => {
    const container = await host.container();
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    const text = JSON.stringify(interfaceConf()).replace(/}$/, `,"extra":${deep}}`);
    const outcome = await host.cni('ADD', text, { container, program: executable });
    expectFailure(outcome, 6, /nested deeper than 1000 levels/);
    expect(await host.leftovers()).toEqual([]);
  });

  test.for(['0.5.0', '1.2.0', '2.0.0', '0.3.2'])(
    'is refused with code 1 for cniVersion %j',
    async (cniVersion, { host }) => {
      const container = await host.container();
      const outcome = await host.cni('ADD', interfaceConf({ cniVersion }), { container });
      expect(outcome.error).toMatchObject({
        cniVersion,
        code: 1,
        msg: 'incompatible CNI versions',
        details: expect.stringContaining(`config is "${cniVersion}", plugin supports ["0.1.0"`),
      });
      expect(await host.leftovers()).toEqual([]);
    },
  );

  test.for(['x', '1.0.0.0', '1.a', '-1', 1])(
    'is refused with code 1, 6 or 7 for cniVersion %j, which is none',
    async (cniVersion, { host }) => {
      const container = await host.container();
      for (const verb of ['ADD', 'CHECK', 'GC']) {
        const outcome = await host.cni(verb, interfaceConf({ cniVersion, prevResult }), { container });
        expect([1, 6, 7]).toContain(outcome.error?.['code']);
        expect(`${outcome.error?.['msg']} ${outcome.error?.['details']}`).toContain(JSON.stringify(cniVersion));
      }
      expect(await host.leftovers()).toEqual([]);
    },
  );

  const wrong: readonly [Json, RegExp][] = [
    [{ bridge: 5 }, /"bridge": it is 5/],
    [{ bridge: 'a/b' }, /"bridge": it is "a\/b"/],
    [{ bridge: 'sixteencharacter' }, /"bridge": it is "sixteencharacter"/],
    [{ isGateway: 'yes' }, /"isGateway": it is "yes"/],
    [{ isDefaultGateway: 1 }, /"isDefaultGateway": it is 1/],
    [{ forceAddress: 'true' }, /"forceAddress": it is "true"/],
    [{ ipMasq: 'on' }, /"ipMasq": it is "on"/],
    [{ hairpinMode: 0 }, /"hairpinMode": it is 0/],
    [{ promiscMode: [] }, /"promiscMode": it is a list/],
    [{ macspoofchk: {} }, /"macspoofchk": it is an object/],
    [{ portIsolation: 'x' }, /"portIsolation": it is "x"/],
    [{ enabledad: 'x' }, /"enabledad": it is "x"/],
    [{ disableContainerInterface: 'x' }, /"disableContainerInterface": it is "x"/],
    [{ preserveDefaultVlan: 'x' }, /"preserveDefaultVlan": it is "x"/],
    [{ vlanTrunk: {} }, /"vlanTrunk": it is an object/],
    [{ ipam: 'host-local' }, /"ipam": it is "host-local"/],
    [{ ipam: { type: 3 } }, /"ipam\.type": it is 3/],
    [{ ipam: { type: 'host-local', subnet: '10.1.0.0/24', dataDir: 'leases' } }, /"ipam\.dataDir": it is "leases"/],
    [{ ipam: { type: 'host-local', subnet: '10.1.0.0/24', resolvConf: 3 } }, /"ipam\.resolvConf": it is 3/],
    [{ ipam: { type: 'host-local', subnet: '10.1.0.0/24', exclude: 'x' } }, /"ipam\.exclude": it is "x"/],
    [{ dns: { nameservers: 'x' } }, /"dns\.nameservers": it is "x"/],
    [{ runtimeConfig: { portMappings: {} } }, /"runtimeConfig\.portMappings": it is an object/],
    [{ runtimeConfig: { ips: '10.1.0.2' } }, /"runtimeConfig\.ips": it is "10\.1\.0\.2"/],
    [{ runtimeConfig: { mac: 7 } }, /"runtimeConfig\.mac": it is 7/],
    [{ args: { cni: { ips: [7] } } }, /"args\.cni\.ips\[0\]": it is 7/],
    [{ snat: 'no' }, /"snat": it is "no"/],
    [{ egress: { mode: 'closed' } }, /"egress\.mode".*"closed"/],
    [{ egress: { alow: [] } }, /"egress\.alow".*nearest one is "allow"/],
  ];
  test.for(wrong)('is refused with code 7 and the value named for %j', async ([changes, text], { host }) => {
    const container = await host.container();
    expectFailure(await host.cni('ADD', interfaceConf(changes), { container }), 7, text);
    expect(await host.leftovers()).toEqual([]);
  });
});

describe('the executable', () => {
  test('tells what it is on stderr when CNI_COMMAND is not set, and people on stdout how "drawbridge" is used', async ({
    host,
  }) => {
    for (const [type, page] of [
      ['drawbridge', /^drawbridge lets containers out .*\n\nUsage\n/],
      ['egress-policy', /^$/],
    ] as const) {
      const { code, stdout, stderr } = await host.cni('', { type }, { env: { CNI_COMMAND: undefined } });
      expect(code).toBe(0);
      expect(stdout).toMatch(page);
      expect(stderr).toMatch(
        new RegExp(
          `^CNI ${type} plugin v\\d+\\.\\d+\\.\\d+\nCNI protocol versions supported: 0\\.1\\.0, .*1\\.1\\.0\n$`,
        ),
      );
    }
  });

  test('refuses to start under a name that it does not know, and prints no result', async ({ host }) => {
    await host.sh(`ln -s ${executable} /run/stranger`);
    const { code, stdout, stderr } = await host.exec(['/run/stranger'], { env: { CNI_COMMAND: 'VERSION' } });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/"stranger".*drawbridge, egress-policy/);
  });
});
