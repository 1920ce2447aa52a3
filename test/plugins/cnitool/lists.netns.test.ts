/**
 * What libcni loads is what `drawbridge` expects: the library itself runs each list, and a plugin between ours looks.
 */
import { drawbridge } from '../../cli/cli.ts';
import { cnitool } from '../../helpers/cnitool.ts';
import { pluginFolder } from '../../helpers/executable.ts';
import { expect, test, type ExecResult, type Host, type Json } from '../../helpers/host.ts';

const tool = cnitool();
const own = {
  type: 'drawbridge',
  bridge: 'br0',
  isGateway: true,
  ipam: { type: 'host-local', ranges: [[{ subnet: '10.1.0.0/24' }]] },
};
const probe = { type: 'probe' };
const policy = { type: 'egress-policy', mode: 'restricted' };
const list = (...plugins: Json[]): string => JSON.stringify({ cniVersion: '1.0.0', name: 'net', plugins });
const inlinedOnly = (text: string): string => text.replace('{', '{"loadOnlyInlinedPlugins":true,');
const single = (plugin: Json): string => JSON.stringify({ cniVersion: '1.0.0', name: 'net', ...plugin });

const etc = '/etc/cni/net.d';

/** Keeps the records as they are between the two plugins of ours, and passes the result on. */
async function installProbe(host: Host): Promise<void> {
  await host.sh(
    `mkdir -p /run/plugins /run/probe
    cat > /run/plugins/probe <<'END'
#!/bin/sh
[ "$CNI_COMMAND" = ADD ] || exit 0
cp /run/drawbridge/attachments/* /run/probe/
exec /usr/bin/python3 -c 'import json, sys; print(json.dumps(json.load(sys.stdin)["prevResult"]))'
END
    chmod +x /run/plugins/probe`,
  );
}

async function run(host: Host, verb: string, netns: string, env: Record<string, string>): Promise<ExecResult> {
  const outcome = await host.exec([tool.path, verb, 'net', netns], {
    timeout: 30_000,
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', CNI_PATH: `${pluginFolder}:/run/plugins`, ...env },
  });
  expect(outcome.code, outcome.stdout + outcome.stderr).toBe(0);
  return outcome;
}

/** Files, NETCONFPATH, and whether the list that libcni takes has a policy. */
const rows: readonly [string, Record<string, string>, Record<string, string>, boolean][] = [
  ['a list', { [`${etc}/10.conflist`]: list(own, probe, policy) }, {}, true],
  ['an empty NETCONFPATH', { [`${etc}/10.conflist`]: list(own, probe, policy) }, { NETCONFPATH: '' }, true],
  [
    'NETCONFPATH elsewhere',
    { '/run/lists/10.conflist': list(own, probe, policy), [`${etc}/10.conflist`]: list({ ...own, mtu: 1400 }, probe) },
    { NETCONFPATH: '/run/lists' },
    true,
  ],
  [
    'NETCONFPATH elsewhere without a policy',
    { '/run/lists/10.conflist': list(own, probe), [`${etc}/10.conflist`]: list({ ...own, mtu: 1400 }, probe, policy) },
    { NETCONFPATH: '/run/lists' },
    false,
  ],
  [
    'the policy in the folder of the network',
    { [`${etc}/10.conflist`]: list(own, probe), [`${etc}/net/20.conf`]: single(policy) },
    {},
    true,
  ],
  [
    'the policy in the folder of the network, which is not loaded',
    { [`${etc}/10.conflist`]: inlinedOnly(list(own, probe)), [`${etc}/net/20.conf`]: single(policy) },
    {},
    false,
  ],
  [
    'all plugins in the folder of the network',
    {
      [`${etc}/10.conflist`]: JSON.stringify({ cniVersion: '1.0.0', name: 'net' }),
      [`${etc}/net/10.conf`]: single(own),
      [`${etc}/net/20.conf`]: single(probe),
      [`${etc}/net/30.conf`]: single(policy),
    },
    {},
    true,
  ],
  [
    'two lists of one name',
    { [`${etc}/10.conflist`]: list(own, probe), [`${etc}/20.conflist`]: list(own, probe, policy) },
    {},
    false,
  ],
  [
    'a backup in a folder inside',
    { [`${etc}/10.conflist`]: list(own, probe), [`${etc}/old/10.conflist`]: list(own, probe, policy) },
    {},
    false,
  ],
  [
    'a namespace folder with a folder of the network',
    { [`${etc}/space/10.conflist`]: list(own, probe), [`${etc}/space/net/20.conf`]: single(policy) },
    { NETCONFPATH: `${etc}/space` },
    true,
  ],
];

test.for(rows.filter(([title]) => tool.newest || !title.includes('folder of the network')))(
  'libcni and drawbridge agree on the list: %s',
  async ([, files, env, chains], { host }) => {
    await host.outside();
    await installProbe(host);
    for (const [file, text] of Object.entries(files))
      await host.sh(`mkdir -p "$(dirname ${file})"; cat > ${file}`, { input: text });
    const { netns } = await host.container();
    await run(host, 'add', netns, env);
    const between = JSON.parse(await host.sh('cat /run/probe/*')) as { link: { enforced: boolean } };
    const after = JSON.parse(await host.sh('cat /run/drawbridge/attachments/*')) as { egress?: object };
    expect({ expected: between.link.enforced, came: after.egress !== undefined }).toEqual({
      expected: chains,
      came: chains,
    });
    await run(host, 'check', netns, env);
    await run(host, 'del', netns, env);
  },
);

test('a list that is in no folder any more is known from the notes of libcni, and without them is not', async ({
  host,
}) => {
  await host.outside();
  await installProbe(host);
  await host.sh('mkdir -p /run/lists; cat > /run/lists/10.conflist', { input: list(own, probe, policy) });
  const { netns } = await host.container();
  await run(host, 'add', netns, { NETCONFPATH: '/run/lists' });
  // Our own records would tell it, too.
  await host.sh('rm -r /run/lists /run/drawbridge/attachments/*');
  const expected = async (): Promise<boolean> => {
    const conf = { cniVersion: '1.0.0', name: 'net', ...own };
    const container = await host.container();
    expect((await host.cni('ADD', conf, { container })).error).toBeUndefined();
    const { link } = JSON.parse(await host.sh('cat /run/drawbridge/attachments/*')) as { link: { enforced: boolean } };
    await host.sh('rm /run/drawbridge/attachments/*');
    return link.enforced;
  };
  expect(await expected()).toBe(true);
  await host.sh('rm -r /var/lib/cni/results');
  expect(await expected()).toBe(false);
});

test('a container whose policy never comes is told by CHECK, list, explain and doctor, which lets it out again', async ({
  host,
}) => {
  const outside = await host.outside();
  await outside.address('8.8.8.8');
  const server = await host.serve(outside, { address: '8.8.8.8' });
  await host.sh(`cat > ${etc}/10.conflist`, { input: list({ ...own, isDefaultGateway: true, ipMasq: true }, policy) });
  const conf = { cniVersion: '1.0.0', name: 'net', ...own, isDefaultGateway: true, ipMasq: true };
  const container = await host.container('waiting');
  const added = await host.cni('ADD', conf, { container });
  expect(added.error).toBeUndefined();
  expect(await host.fetch(container, '8.8.8.8', server.port)).not.toBe(outside.hostV4);
  const checked = await host.cni('CHECK', { ...conf, prevResult: added.result }, { container });
  expect(checked.error).toMatchObject({
    code: 103,
    msg: expect.stringContaining('waits for a policy that never came'),
  });
  // Ten seconds are given to the second plugin; the record is made older, so that nobody has to wait for them.
  await host.sh(`sed -i 's/"createdUptime": *[0-9.]*/"createdUptime":1/' /run/drawbridge/attachments/*`);
  const listed = await drawbridge(host, ['list']);
  expect(listed.stdout).toMatch(/awaited/);
  expect(listed.stdout.replaceAll(/\s+/g, ' ')).toContain('it waits for a policy that never came, and reaches nothing');
  expect((await drawbridge(host, ['explain', 'waiting', '8.8.8.8:80', '--json'])).json).toMatchObject({
    verdict: 'deny',
    rule: 'awaited policy',
  });
  const found = async (): Promise<Json[]> =>
    (await drawbridge(host, ['doctor', '--json'])).json.filter(({ found: text }: { found: string }) =>
      text.includes('waits for a policy'),
    );
  expect(await found()).toMatchObject([{ severity: 'problem', fixable: false }]);
  await host.sh(`rm ${etc}/10.conflist`);
  expect(await found()).toMatchObject([{ severity: 'problem', fixable: true }]);
  await drawbridge(host, ['doctor', '--fix']);
  expect(await found()).toEqual([]);
  expect(await host.fetch(container, '8.8.8.8', server.port)).toBe(outside.hostV4);
  expect((await host.cni('CHECK', { ...conf, prevResult: added.result }, { container })).error).toBeUndefined();
});
