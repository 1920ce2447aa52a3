import { describe, expect, test, type Host, type Json } from '../../helpers/host.ts';
import { pluginFolder } from '../../helpers/executable.ts';
import {
  addressesIn,
  addressesOn,
  attachmentsLeft,
  expectFailure,
  hostInterfaceIn,
  interfaceConf,
  succeeded,
} from './network.ts';

const log = '/run/fake.log';
const path = `${pluginFolder}:/run/plugins:/usr/lib/cni`;
const given = {
  cniVersion: '1.1.0',
  ips: [{ address: '10.6.0.9/24', gateway: '10.6.0.1' }],
  routes: [{ dst: '10.60.0.0/16' }],
};

/** Puts a plugin of type "fake" into /run/plugins that logs what it is called with and runs `answers` of the verb. */
async function fake(host: Host, answers: Partial<Record<string, string>>): Promise<void> {
  const cases = Object.entries(answers).map(([verb, script]) => `${verb}) ${script} ;;`);
  await host.sh(`
    mkdir -p /run/plugins
    cat > /run/plugins/fake <<'END'
#!/bin/sh
conf=$(cat)
echo "$CNI_COMMAND $CNI_CONTAINERID $CNI_IFNAME $CNI_NETNS $CNI_ARGS" >> ${log}
printf '%s' "$conf" > ${log}.$CNI_COMMAND
case $CNI_COMMAND in
${cases.join('\n')}
esac
END
    chmod +x /run/plugins/fake`);
}

async function calls(host: Host): Promise<string[]> {
  return (await host.run(['cat', log])).trim().split('\n');
}

const prints = (result: unknown): string => `echo '${JSON.stringify(result)}'`;
const fails = (code: number, msg: string): string => `${prints({ code, msg, details: 'why' })}; exit 1`;
const conf = (changes: Json = {}): Json => interfaceConf({ ipam: { type: 'fake', own: 1 }, ...changes });

describe('a delegated "ipam"', () => {
  test('gives the addresses and routes, and is told of every verb', async ({ host }) => {
    await fake(host, { ADD: prints({ ...given, dns: { nameservers: ['10.6.0.53'] } }) });
    const container = await host.container();
    const options = { container, path, args: 'IgnoreUnknown=1;A=b' };
    const result = succeeded(await host.cni('ADD', conf(), options));
    expect(result).toMatchObject({ ips: [{ ...given.ips[0], interface: 2 }], dns: { nameservers: ['10.6.0.53'] } });
    expect(await addressesOn(host, container, 'eth0')).toEqual(['10.6.0.9/24']);
    expect(await host.ping(container, '10.6.0.1')).toBe('answer');
    succeeded(await host.cni('CHECK', conf({ prevResult: result }), options));
    succeeded(await host.cni('STATUS', conf(), { path }));
    succeeded(await host.cni('DEL', conf(), options));
    succeeded(await host.cni('GC', conf({ 'cni.dev/valid-attachments': [] }), { path }));
    const args = 'IgnoreUnknown=1;A=b';
    expect(await calls(host)).toEqual([
      `ADD c1 eth0 /run/netns/c1 ${args}`,
      `CHECK c1 eth0 /run/netns/c1 ${args}`,
      'STATUS    ',
      `DEL c1 eth0 /run/netns/c1 ${args}`,
      'GC',
    ]);
    expect(JSON.parse(await host.run(['cat', `${log}.ADD`]))).toEqual(conf());
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test("passes the plugin's error on, with its code, and is undone", async ({ host }) => {
    await fake(host, { ADD: fails(11, 'not yet') });
    const container = await host.container();
    const outcome = await host.cni('ADD', conf(), { container, path });
    expectFailure(outcome, 11, /"fake".*not yet/);
    expect(outcome.error?.['details']).toBe('why');
    expect((await calls(host)).map((line) => line.slice(0, 3))).toEqual(expect.arrayContaining(['ADD', 'DEL']));
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test('is undone when something later in ADD fails', async ({ host }) => {
    await fake(host, { ADD: prints(given) });
    const container = await host.container();
    await host.run(['ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'x0'], { where: container });
    expectFailure(await host.cni('ADD', conf(), { container, path }), 102, /already exists/);
    expect((await calls(host)).map((line) => line.slice(0, 3))).toEqual(['ADD', 'DEL']);
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test.for([
    ['no JSON', 'echo hello', 6],
    ['no address', prints({ cniVersion: '1.1.0' }), 7],
    ['nothing', 'true', 6],
    ['a wrong address', prints({ cniVersion: '1.1.0', ips: [{ address: '10.6.0.9' }] }), 6],
    ['another version than that of its shape', prints({ ...given, cniVersion: '0.2.0' }), 7],
    ['no error object when it fails', 'echo dead >&2; exit 3', 100],
  ] as const)('that prints %s is refused, named and undone', async ([, script, code], { host }) => {
    await fake(host, { ADD: script });
    const container = await host.container();
    const outcome = await host.cni('ADD', conf(), { container, path });
    expect(outcome.error).toMatchObject({ msg: expect.stringContaining('fake') });
    expect(outcome.error?.['code']).toBe(code);
    expect((await calls(host)).some((line) => line.startsWith('DEL'))).toBe(true);
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test('is told of the DEL with the conf of the ADD when a GC removes the attachment', async ({ host }) => {
    await fake(host, { ADD: prints(given) });
    const container = await host.container();
    succeeded(await host.cni('ADD', conf(), { container, path }));
    const later = conf({ ipam: { type: 'fake', own: 2 }, 'cni.dev/valid-attachments': [] });
    succeeded(await host.cni('GC', later, { path }));
    expect((await calls(host)).map((line) => line.trim())).toEqual(['ADD c1 eth0 /run/netns/c1', 'DEL c1 eth0', 'GC']);
    expect(JSON.parse(await host.run(['cat', `${log}.DEL`]))['ipam']).toEqual({ type: 'fake', own: 1 });
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test('that fails on DEL is named, the rest is removed, and the record stays for the DEL that is repeated', async ({
    host,
  }) => {
    await fake(host, { ADD: prints(given), DEL: fails(5, 'disk full') });
    const container = await host.container();
    const veth = hostInterfaceIn(succeeded(await host.cni('ADD', conf(), { container, path })));
    expectFailure(await host.cni('DEL', conf(), { container, path, netns: '' }), 5, /"fake".*DEL.*disk full/);
    expect((await host.exec(['ip', 'link', 'show', veth])).code).not.toBe(0);
    expect(await host.run(['nft', 'list', 'ruleset'])).not.toContain('10.6.0.9');
    await fake(host, {});
    succeeded(await host.cni('DEL', conf(), { container, path, netns: '' }));
    expect((await calls(host)).filter((line) => line.startsWith('DEL'))).toHaveLength(2);
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test('that fails on CHECK or STATUS lets them fail with its code', async ({ host }) => {
    await fake(host, { ADD: prints(given), CHECK: fails(103, 'no lease'), STATUS: fails(50, 'no server') });
    const container = await host.container();
    const prevResult = succeeded(await host.cni('ADD', conf(), { container, path }));
    expectFailure(await host.cni('CHECK', conf({ prevResult }), { container, path }), 103, /no lease/);
    expectFailure(await host.cni('STATUS', conf(), { path }), 50, /no server/);
  });

  test.for(['nowhere', '../fake', 'a/b', '..'])(
    'of type %j is refused with code 7, and nothing stays',
    async (type, { host }) => {
      const container = await host.container();
      const outcome = await host.cni('ADD', conf({ ipam: { type } }), { container, path });
      expectFailure(outcome, 7, new RegExp(JSON.stringify(type).replaceAll('.', String.raw`\.`)));
      expect(await host.leftovers()).toEqual([]);
    },
  );

  test('may not be the plugin itself', async ({ host }) => {
    const container = await host.container();
    expectFailure(
      await host.cni('ADD', conf({ ipam: { type: 'drawbridge' } }), { container, path }),
      7,
      /"ipam\.type": it is "drawbridge"/,
    );
    expect(await host.leftovers()).toEqual([]);
  });
});

describe('the reference plugin "static"', () => {
  const addresses = [
    { address: '10.6.0.5/24', gateway: '10.6.0.1' },
    { address: 'fd06::5/64', gateway: 'fd06::1' },
  ];

  test.for(['0.2.0', '0.3.1', '0.4.0', '1.0.0'])(
    'gives both addresses in cniVersion %s',
    async (cniVersion, { host, skip }) => {
      if ((await host.exec(['test', '-x', '/usr/lib/cni/static'])).code !== 0)
        skip('the reference plugins are not installed');
      const container = await host.container();
      const staticConf = { ...interfaceConf({ ipam: { type: 'static', addresses } }), cniVersion };
      const result = succeeded(await host.cni('ADD', staticConf, { container, path }));
      expect(await addressesOn(host, container, 'eth0')).toEqual(['10.6.0.5/24', 'fd06::5/64']);
      expect([await host.ping(container, '10.6.0.1'), await host.ping(container, 'fd06::1')]).toEqual([
        'answer',
        'answer',
      ]);
      if (cniVersion >= '0.4.0') {
        expect(addressesIn(result)).toEqual(['10.6.0.5', 'fd06::5']);
        succeeded(await host.cni('CHECK', { ...staticConf, prevResult: result }, { container, path }));
      }
      succeeded(await host.cni('DEL', staticConf, { container, path, netns: '' }));
      expect(await attachmentsLeft(host)).toEqual([]);
    },
  );
});
