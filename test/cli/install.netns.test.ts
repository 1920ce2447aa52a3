import { readFileSync } from 'node:fs';
import { attach, drawbridge, schemaErrors, shipped } from './cli.ts';
import { describe, expect, test } from '../helpers/host.ts';

const standard = [
  '/opt/cni/bin/drawbridge',
  '/opt/cni/bin/egress-policy',
  '/usr/local/sbin/drawbridge',
  '/etc/cni/net.d/10-drawbridge.conflist',
];

describe('drawbridge install', () => {
  test('puts in place what a runtime needs, and does nothing the second time', async ({ host }) => {
    await host.sh('rm -rf /opt/cni /etc/cni; mkdir -p /etc/systemd/system');
    const first = await drawbridge(host, ['install', '--json']);
    expect(schemaErrors('install', first.json)).toEqual([]);
    expect(first.json).toMatchObject(
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

describe('drawbridge uninstall', () => {
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
    const { executable } = await import('../helpers/executable.ts');
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
