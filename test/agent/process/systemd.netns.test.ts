import { existsSync } from 'node:fs';
import { describe, expect, test, type Container, type Host } from '../../helpers/host.ts';
import { until } from './agent.ts';
import { attach } from './network.ts';
import { startSystemd } from './systemd.ts';

async function works(host: Host, container: Container): Promise<boolean> {
  return (await host.fetch(container, '8.8.8.8', 80, { timeout: 60 })) === 'hello';
}

describe.runIf(existsSync('/usr/lib/systemd/systemd'))('the unit of the agent, under systemd', () => {
  test('is ready, says how it is, repairs and sweeps inside of its hardening, and comes back after kill -9', async ({
    host,
  }) => {
    const { container, conflist } = await attach(host, { mode: 'allowlist', allow: ['8.8.8.8:80'] });
    const dies = await host.container();
    expect((await host.addChain(conflist, { container: dies })).error).toBeUndefined();
    await using systemd = await startSystemd(
      host,
      '[Service]\nExecStart=\nExecStart=/opt/cni/bin/drawbridge agent --clean --grace 0\n',
    );
    // The firewall of the boot took all rules away before the agent came.
    expect(await works(host, container)).toBe(true);
    const { MainPID: first = '', ...shown } = await systemd.show('ActiveState', 'StatusText', 'MainPID');
    expect(shown).toEqual({
      ActiveState: 'active',
      StatusText: expect.stringMatching(/^2 attachments, 0 names, \d repairs$/),
    });
    const status = await systemd.run('grep', '-E', '^(NoNewPrivs|Seccomp|CapBnd):', `/proc/${first}/status`);
    expect(status.replaceAll('\t', ' ')).toMatch(/CapBnd: 0+[0-9a-f]{7}\nNoNewPrivs: 1\nSeccomp: 2\n/);
    for (const harm of [
      'nft flush ruleset',
      'nft insert rule inet drawbridge egress_forward drop',
      'ip rule del pref 90; ip link set drawbridge0 down',
      'sysctl -qw net.ipv4.ip_forward=0',
    ]) {
      await host.sh(harm);
      await until(() => works(host, container));
    }
    await dies.remove();
    await systemd.ctl('kill', '--signal=KILL', '--kill-who=main', 'drawbridge-agent');
    await until(async () => {
      const { ActiveState, MainPID } = await systemd.show('ActiveState', 'MainPID');
      return ActiveState === 'active' && MainPID !== first;
    }, 15_000);
    expect((await systemd.show('NRestarts'))['NRestarts']).toBe('1');
    expect((await host.run(['ls', '/run/drawbridge/attachments'])).trim().split('\n')).toHaveLength(1);
    await host.run(['nft', 'flush', 'ruleset']);
    await until(() => works(host, container));
    expect((await systemd.log()).split('\n').filter((line) => /"level":"error"/.test(line))).toEqual([]);
  });

  test('is ended and started again by the watchdog when it hangs', async ({ host }) => {
    await using systemd = await startSystemd(host, '[Service]\nWatchdogSec=2\n');
    const { MainPID: first = '' } = await systemd.show('MainPID');
    // It is alive as long as nothing happens to it.
    await new Promise((resolve) => setTimeout(resolve, 4000));
    expect((await systemd.show('MainPID'))['MainPID']).toBe(first);
    await systemd.ctl('kill', '--signal=STOP', '--kill-who=main', 'drawbridge-agent');
    await until(async () => {
      const { ActiveState, MainPID } = await systemd.show('ActiveState', 'MainPID');
      return ActiveState === 'active' && MainPID !== first;
    }, 20_000);
  });

  test('comes after the firewalls, looks again when they start anew and when they reload, and stops when told to', async ({
    host,
  }) => {
    const { container } = await attach(host, { mode: 'allowlist', allow: ['8.8.8.8:80'] });
    await using systemd = await startSystemd(host);
    const { After = '', Before = '' } = await systemd.show('After', 'Before');
    expect(After.split(' ')).toEqual(expect.arrayContaining(['nftables.service', 'firewalld.service']));
    expect(Before.split(' ')).toContain('containerd.service');
    await systemd.ctl('restart', 'nftables');
    await until(() => works(host, container));
    await systemd.ctl('reload', 'nftables');
    await until(() => works(host, container));
    await until(async () => (await systemd.log()).includes('agent looks at everything'));
    await systemd.ctl('stop', 'drawbridge-agent');
    expect(await systemd.show('ActiveState', 'Result', 'ExecMainStatus')).toEqual({
      ActiveState: 'inactive',
      Result: 'success',
      ExecMainStatus: '0',
    });
    expect(await works(host, container)).toBe(true);
  });
});
