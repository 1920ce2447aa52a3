import { readFileSync } from 'node:fs';
import { attach, drawbridge, schemaErrors, shipped, listRules } from './cli.ts';
import { executable, pluginFolder } from '../helpers/executable.ts';
import { describe, expect, test, type Container, type Host } from '../helpers/host.ts';
import { interfaceConf, succeeded } from '../plugins/drawbridge/network.ts';
import type { CniResult, Conflist } from '../helpers/runtime.ts';

const standard = [
  '/opt/cni/bin/drawbridge',
  '/opt/cni/bin/egress-policy',
  '/usr/local/sbin/drawbridge',
  '/etc/cni/net.d/10-drawbridge.conflist',
];

/** Manual pages and completions are many. */
function withoutPages(json: { path: string }[]): { path: string }[] {
  return json.filter(({ path }) => !path.startsWith('/usr/local/share/'));
}

describe('drawbridge install', () => {
  test('puts in place what a runtime needs, and does nothing the second time', async ({ host }) => {
    await host.sh('rm -rf /opt/cni /etc/cni; mkdir -p /etc/systemd/system');
    const first = await drawbridge(host, ['install', '--json']);
    expect(schemaErrors('install', first.json)).toEqual([]);
    expect(withoutPages(first.json)).toMatchObject(
      [...standard, '/etc/systemd/system/drawbridge-agent.service'].map((path) => ({ path, action: 'new' })),
    );
    expect(await host.run(['cat', '/etc/cni/net.d/10-drawbridge.conflist'])).toBe(
      readFileSync(new URL('../../conf/10-drawbridge.conflist', import.meta.url), 'utf8'),
    );
    const container = await host.container('c');
    const added = await host.addChain(shipped('10-drawbridge'), { container, path: '/opt/cni/bin' });
    expect(added.error).toBeUndefined();
    expect(await host.run(['drawbridge', '--version'])).toMatch(/^drawbridge \d/);
    expect(
      (await drawbridge(host, ['install', '--json'])).json.every(({ action }: { action: string }) => action === 'same'),
    ).toBe(true);
  });

  test('puts manual pages and completions where man and shells look, and takes them away', async ({ host }) => {
    const { stdout } = await drawbridge(host, ['install']);
    expect(stdout).toMatch(/\/usr\/local\/share\/man\/man8\/\s+\d+ manual pages/);
    const shared = '/usr/local/share';
    const files = [
      `${shared}/man/man8/drawbridge.8`,
      `${shared}/man/man8/drawbridge-policy-check.8`,
      `${shared}/man/man8/egress-policy.8`,
      `${shared}/bash-completion/completions/drawbridge`,
      `${shared}/fish/vendor_completions.d/drawbridge.fish`,
      `${shared}/zsh/site-functions/_drawbridge`,
    ];
    await host.run(['ls', ...files]);
    expect(await host.run(['cat', files[1] ?? ''])).toBe(await host.run([executable, 'man', 'policy', 'check']));
    expect(await host.run(['cat', files[3] ?? ''])).toBe(await host.run([executable, 'completion', 'bash']));
    expect((await drawbridge(host, ['uninstall'])).code).toBe(0);
    for (const file of files) expect((await host.exec(['ls', file])).code, file).not.toBe(0);
  });

  test('goes on without pages where /usr is for reading alone, and says so', async ({ host }) => {
    await host.sh('rm -rf /opt/cni /etc/cni; mkdir -p /usr/local/share; mount -t tmpfs -o ro tmpfs /usr/local/share');
    const { code, stderr } = await drawbridge(host, ['install']);
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringMatching(/Without manual pages and completions: .*read-only/s),
    });
    expect(await host.sh('test -x /opt/cni/bin/drawbridge && ls /etc/cni/net.d')).toBe('10-drawbridge.conflist\n');
  });

  test('leaves what is there when its copy does not answer VERSION, and says why', async ({ host }) => {
    await host.sh(
      'mkdir -p /opt/still; mount -t tmpfs -o noexec tmpfs /opt/still; echo theirs > /opt/still/drawbridge',
    );
    const refused = await drawbridge(host, ['install', '--replace', '--bin-dir', '/opt/still']);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('"/opt/still/drawbridge": the copy does not answer VERSION as a CNI plugin');
    expect(await host.run(['ls', '-A', '/opt/still'])).toBe('drawbridge\n');
    expect(await host.run(['cat', '/opt/still/drawbridge'])).toBe('theirs\n');
  });

  test('refuses to write over a foreign file, and keeps it when told to', async ({ host }) => {
    await host.sh('rm -rf /opt/cni /etc/cni; mkdir -p /opt/cni/bin; echo theirs > /opt/cni/bin/bridge');
    const refused = await drawbridge(host, ['install', '--drop-in']);
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('"/opt/cni/bin/bridge" is there already'),
    });
    expect(await host.run(['ls', '/opt/cni/bin'])).toBe('bridge\n');
    const replaced = await drawbridge(host, ['install', '--drop-in', '--replace']);
    expect(replaced).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('kept as "/opt/cni/bin/bridge.before-drawbridge"'),
    });
    expect(await host.run(['readlink', '/opt/cni/bin/bridge', '/opt/cni/bin/portmap'])).toBe(
      'drawbridge\ndrawbridge\n',
    );
    expect((await drawbridge(host, ['uninstall'])).code).toBe(0);
    expect(await host.run(['cat', '/opt/cni/bin/bridge'])).toBe('theirs\n');
  });

  test('installs into the folders that it is told, and takes no relative one', async ({ host }) => {
    await drawbridge(host, ['install', '--bin-dir', '/opt/plugins/', '--conf-dir', '/opt/networks']);
    await host.sh('test -x /opt/plugins/drawbridge; test -e /opt/networks/10-drawbridge.conflist');
    expect(await drawbridge(host, ['install', '--bin-dir', 'plugins'])).toMatchObject({ code: 2 });
  });
});

describe('an upgrade by drawbridge install', () => {
  const conflist = '/etc/cni/net.d/10-drawbridge.conflist';
  const edit = `sed -i 's/10.88.0.0/10.99.0.0/' ${conflist}`;
  /** What an earlier version left: its executable is another one. */
  const older = 'printf older >> /opt/cni/bin/drawbridge';

  test.for([
    ['', []],
    [' with --replace while its containers run', ['--replace']],
  ] as const)('keeps the network that the operator edited, and puts ours beside it%s', async ([, words], { host }) => {
    await host.sh('rm -rf /opt/cni /etc/cni; mkdir -p /etc/systemd/system');
    await drawbridge(host, ['install']);
    await host.sh(`${edit}; ${older}`);
    const edited = JSON.parse(await host.run(['cat', conflist])) as Conflist;
    const container = await host.container('c1');
    expect((await host.addChain(edited, { container })).error).toBeUndefined();
    const upgraded = await drawbridge(host, ['install', '--json', ...words]);
    expect(schemaErrors('install', upgraded.json)).toEqual([]);
    expect(withoutPages(upgraded.json)).toMatchObject([
      { path: '/opt/cni/bin/drawbridge', action: 'update' },
      { action: 'same' },
      { action: 'same' },
      { path: conflist, action: 'keep' },
      { action: 'same' },
    ]);
    expect(await host.run(['cat', conflist])).toContain('10.99.0.0');
    expect(await host.run(['cat', `${conflist}.new`])).toContain('10.88.0.0');
    expect(await host.run(['cmp', '/opt/cni/bin/drawbridge', executable])).toBe('');
    expect((await drawbridge(host, ['install', ...words])).stderr).toContain(`ours is beside it, in "${conflist}.new"`);
    expect((await host.checkChain(edited, { container })).error).toBeUndefined();
    await host.delChain(edited, { container });
    await drawbridge(host, ['uninstall']);
    await host.sh(`test ! -e ${conflist}.new; test -e ${conflist}; test ! -e /opt/cni/bin/drawbridge`);
  });

  test('replaces the edited network when it is told to and no container runs', async ({ host }) => {
    await host.sh('rm -rf /opt/cni /etc/cni');
    await drawbridge(host, ['install']);
    await host.sh(edit);
    await drawbridge(host, ['install', '--replace']);
    expect(await host.run(['cat', conflist])).toContain('10.88.0.0');
    expect(await host.run(['cat', `${conflist}.before-drawbridge`])).toContain('10.99.0.0');
  });

  test('goes on after the memory of the first install was lost, as in a container that installs onto its host', async ({
    host,
  }) => {
    await host.sh('rm -rf /opt/cni /etc/cni');
    await drawbridge(host, ['install']);
    await host.sh(`${edit}; ${older}; rm -rf /var/lib/drawbridge`);
    const { code, json } = await drawbridge(host, ['install', '--json']);
    expect({ code, json }).toMatchObject({
      code: 0,
      json: expect.arrayContaining([
        expect.objectContaining({ path: '/opt/cni/bin/drawbridge', action: 'update' }),
        expect.objectContaining({ path: conflist, action: 'keep' }),
      ]),
    });
    expect(await host.run(['cat', conflist])).toContain('10.99.0.0');
  });
});

describe('in a root of its own with the network of the host', () => {
  /** A container image that has /run and /var/lib to itself: a debug pod, a pod that installs. */
  const inside = (words: string): string =>
    `mount -t tmpfs none /run/drawbridge && mount -t tmpfs none /var/lib/drawbridge && exec ${executable} ${words}`;

  test.for(['clean', 'clean --orphans', 'uninstall', 'doctor --fix', 'install --replace'])(
    '"%s" takes nothing from the containers of the host',
    async (words, { host }) => {
      const web = await attach(host, shipped('10-drawbridge'), 'web0');
      await host.sh(`rm -rf /etc/cni; ${executable} install; echo >> /etc/cni/net.d/10-drawbridge.conflist`);
      const state = `ip rule; ip -o link show type veth; ${listRules}; find /var/lib/cni /run/drawbridge/attachments -type f; cat /etc/cni/net.d/*.conflist`;
      const before = await host.sh(state);
      await host.exec(['unshare', '-m', 'sh', '-c', inside(words)], { timeout: 30_000 });
      expect(await host.sh(state)).toBe(before);
      expect(await host.ping(web, '10.88.0.1')).toBe('answer');
    },
  );

  test('"uninstall" says why it does not, and "clean" what it leaves', async ({ host }) => {
    await attach(host, shipped('10-drawbridge'), 'web0');
    await host.sh('mkdir -p /var/lib/drawbridge');
    const run = async (words: string) => host.exec(['unshare', '-m', 'sh', '-c', inside(words)], { timeout: 30_000 });
    expect(await run('uninstall')).toMatchObject({ code: 1, stderr: expect.stringContaining('of this root') });
    expect((await run('clean')).stdout).toMatch(
      /Left the table inet drawbridge: the records of its containers are not in/,
    );
  });

  test('"uninstall" removes what was installed in that root', async ({ host }) => {
    await host.sh('mkdir -p /var/lib/drawbridge /run/drawbridge; rm -rf /opt/cni /etc/cni');
    const { stdout, stderr } = await host.exec(
      [
        'unshare',
        '-m',
        'sh',
        '-c',
        `${inside('install >&2').replace('exec ', '')} && ${executable} uninstall; echo left: $(ls -A /opt/cni/bin /etc/cni/net.d)`,
      ],
      { timeout: 30_000 },
    );
    expect(stderr).not.toContain('Cannot');
    expect(stdout).toMatch(/removed +file \/opt\/cni\/bin\/drawbridge/);
    expect(stdout).toContain('left: /etc/cni/net.d: /opt/cni/bin:\n');
  });
});

describe('drawbridge uninstall', () => {
  test('leaves a bridge that somebody else made, and says so; one that we made goes', async ({ host }) => {
    await host.sh('ip link add drawbridge0 type bridge; ip link set drawbridge0 up');
    const theirs = shipped('10-drawbridge');
    const ours = interfaceConf({ bridge: 'br7', name: 'ours' });
    const container = await host.container();
    succeeded(await host.addChain(theirs, { container }));
    succeeded(await host.cni('ADD', ours, { container, ifname: 'eth1' }));
    succeeded(await host.cni('DEL', ours, { container, ifname: 'eth1' }));
    await host.delChain(theirs, { container });
    const { code, json } = await drawbridge(host, ['uninstall', '--json']);
    expect(code).toBe(0);
    expect(json.kept).toContainEqual(expect.stringContaining('bridge drawbridge0: it was there before us'));
    expect(json.removed).toContain('bridge br7');
    expect(await host.sh('ls /sys/class/net')).toContain('drawbridge0');
    expect(await host.sh('ls /sys/class/net')).not.toContain('br7');
  });

  test('leaves nothing: no rule, no link, no lease, no file', async ({ host }) => {
    await host.outside();
    await host.sh('mkdir -p /etc/systemd/system /opt/cni/bin /etc/cni/net.d; iptables-nft -P FORWARD DROP');
    await host.takeBaseline();
    const before = await host.sh('find /etc /opt /run /usr/local/sbin /var/lib | sort');
    await drawbridge(host, ['install']);
    const web = await attach(host, shipped('10-drawbridge'), 'web0', {
      runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80 }] },
    });
    const gone = await attach(host, shipped('30-one-process'), 'gone');
    await gone.remove();
    const refused = await drawbridge(host, ['uninstall']);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('1 container is attached (web0)') });
    await host.delChain(shipped('10-drawbridge'), { container: web });
    const { code, json } = await drawbridge(host, ['uninstall', '--json']);
    expect(schemaErrors('uninstall', json)).toEqual([]);
    expect({ code, errors: json.errors, left: json.left }).toEqual({ code: 0, errors: [], left: [] });
    expect(await host.leftovers()).toEqual([]);
    await web.remove();
    expect(
      (await host.sh('find /etc /opt /run /usr/local/sbin /var/lib | sort'))
        .split('\n')
        .filter((line) => !before.split('\n').includes(line)),
    ).toEqual([]);
    expect(await host.run(['iptables-nft', '-S'])).not.toContain('drawbridge');
  });

  test('refuses while the agent runs, which would put things back', async ({ host }) => {
    await host.outside();
    await attach(host, shipped('10-drawbridge'), 'web0');
    const agent = await host.spawn([executable, 'agent']);
    await expect.poll(async () => (await drawbridge(host, ['uninstall'])).stderr).toContain('the agent is running');
    await agent.stop();
  });

  test('cuts off what is attached when it is forced, and proves that nothing is left', async ({ host }) => {
    await host.outside();
    await attach(host, shipped('10-drawbridge'), 'web0');
    const { code, stdout } = await drawbridge(host, ['uninstall', '--force']);
    expect(stdout).toContain('Nothing of drawbridge is left');
    expect(code).toBe(0);
    expect(await host.leftovers()).toEqual([]);
  });

  describe('beside a DEL that takes its time', () => {
    const path = `${pluginFolder}:/run/plugins`;
    const conf = interfaceConf({ ipam: { type: 'slow' } });

    /** An IPAM plugin whose DEL waits until it is told to go on. */
    async function waitingDel(host: Host, container: Container): Promise<{ go: () => Promise<CniResult> }> {
      await host.sh(`mkdir -p /run/plugins; cat > /run/plugins/slow <<'END'
#!/bin/sh
echo "$CNI_COMMAND" >> /run/slow.log
case $CNI_COMMAND in
ADD) echo '{"cniVersion":"1.1.0","ips":[{"address":"10.6.0.9/24","gateway":"10.6.0.1"}]}' ;;
DEL) while ! [ -e /run/go ]; do sleep 0.05; done ;;
esac
END
chmod +x /run/plugins/slow`);
      succeeded(await host.cni('ADD', conf, { container, path }));
      const deleted = host.cni('DEL', conf, { container, path });
      await expect.poll(async () => host.sh('cat /run/slow.log'), { timeout: 10_000 }).toContain('DEL');
      return {
        go: async () => {
          await host.sh('touch /run/go');
          return deleted;
        },
      };
    }

    const waiting = async (host: Host): Promise<number> =>
      Number(await host.sh('find /run/drawbridge/locks -path "*/attachment-*.queue/*" | wc -l'));

    test('waits for it, and does not do its work again', async ({ host }) => {
      const del = await waitingDel(host, await host.container());
      const uninstalled = drawbridge(host, ['uninstall', '--force']);
      await expect.poll(async () => waiting(host), { timeout: 10_000 }).toBe(1);
      expect(succeeded(await del.go())).toBeDefined();
      expect(await uninstalled).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('Nothing of drawbridge is left'),
      });
      expect((await host.sh('cat /run/slow.log')).trim().split('\n')).toEqual(['ADD', 'DEL']);
      expect(await host.leftovers()).toEqual([]);
    });

    test('leaves the container that was added again meanwhile, and its rules', async ({ host }) => {
      const gone = await host.container('gone');
      const del = await waitingDel(host, gone);
      await gone.remove();
      const container = await host.container('again');
      const again = host.cni('ADD', conf, { container, containerId: 'gone', path });
      await expect.poll(async () => waiting(host), { timeout: 10_000 }).toBe(1);
      const uninstalled = drawbridge(host, ['uninstall']);
      await expect.poll(async () => waiting(host), { timeout: 10_000 }).toBe(2);
      await del.go();
      succeeded(await again);
      expect(await uninstalled).toMatchObject({ code: 1, stderr: expect.stringContaining('1 container is attached') });
      expect(await host.ping(container, '10.6.0.1')).toBe('answer');
      expect(await host.run(['nft', 'list', 'set', 'inet', 'drawbridge', 'bridges'])).toContain('"br0"');
    });
  });

  test('keeps what was changed, what others use, and policies', async ({ host }) => {
    await host.outside();
    await host.sh('rm -rf /opt/cni /etc/cni');
    await drawbridge(host, ['install']);
    const web = await attach(host, shipped('10-drawbridge'), 'web0');
    await host.delChain(shipped('10-drawbridge'), { container: web });
    await host.sh(
      'echo >> /etc/cni/net.d/10-drawbridge.conflist; mkdir -p /etc/drawbridge/policies; ip link add theirs type veth peer name t2; ip link set theirs master drawbridge0',
    );
    const { json } = await drawbridge(host, ['uninstall', '--json']);
    expect(json.kept).toEqual([
      expect.stringContaining('bridge drawbridge0: theirs is on it'),
      expect.stringContaining('10-drawbridge.conflist: it was changed'),
      '/etc/drawbridge: policies are yours',
    ]);
    await host.sh('test -e /etc/cni/net.d/10-drawbridge.conflist; ip link show drawbridge0');
  });

  test('has nothing to do on a host where nothing is installed', async ({ host }) => {
    expect(await drawbridge(host, ['uninstall'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('Nothing of drawbridge is left'),
    });
  });
});
