import { describe, expect, test } from '../helpers/host.ts';
import { close, foreignRules, inspect, makeNetwork, open } from './network.ts';
import { firewalld, startFirewalld, startUfw, ufw } from './managers.ts';

const passing = { out: ['outside', 'outside'], dns: ['dns', 'dns'], published: ['container', 'container'] };

describe.skipIf(ufw === undefined)('openForeignFirewalls() with ufw', () => {
  test('lets a bridge through, also after a reload when asked again, and takes back exactly that', async ({ host }) => {
    const network = await makeNetwork(host);
    await startUfw(host);
    const rules = await foreignRules(host);
    expect((await network.works(250)).out).not.toContain('outside');

    expect(await open(host)).toEqual([]);
    const after = await network.works();
    expect(after).toMatchObject(passing);
    expect(after.closed).not.toContain('ssh');

    await host.sh('ufw reload');
    await open(host, { again: true });
    expect(await network.works()).toMatchObject(passing);
    await close(host);
    expect(await foreignRules(host)).toBe(rules);
  });
});

describe.skipIf(firewalld === undefined)('openForeignFirewalls() with firewalld', () => {
  test('puts the bridge into the trusted zone, now and for ever, and takes it out again', async ({ host }) => {
    const network = await makeNetwork(host);
    await startFirewalld(host);
    const rules = await foreignRules(host);
    expect((await network.works(250)).out).not.toContain('outside');
    expect(await inspect(host)).toMatchObject([
      { firewall: 'firewalld', state: 'closed', blocker: 'bridge "br0" is in no zone' },
    ]);

    expect(await open(host)).toEqual([]);
    expect(await network.works()).toMatchObject(passing);
    expect(await inspect(host)).toMatchObject([{ firewall: 'firewalld', state: 'open' }]);
    await host.sh('firewall-cmd --reload');
    expect(await network.works()).toMatchObject(passing);

    await close(host);
    expect(await host.run(['firewall-cmd', '--permanent', '--zone=trusted', '--list-interfaces'])).toBe('\n');
    await host.sh('firewall-cmd --reload');
    expect(await foreignRules(host)).toBe(rules);
    expect(await host.run(['find', '/var/lib/drawbridge', '/run/drawbridge/firewall', '-type', 'f'])).toBe('');
  });

  test('takes its permanent entry out although the host was started anew in between', async ({ host }) => {
    await startFirewalld(host);
    await open(host);
    await host.sh('rm -r /run/drawbridge; firewall-cmd --reload');
    await open(host);
    await close(host);
    expect(await host.run(['firewall-cmd', '--zone=trusted', '--list-interfaces'])).toBe('\n');
    expect(await host.run(['firewall-cmd', '--permanent', '--zone=trusted', '--list-interfaces'])).toBe('\n');
  });

  test('leaves a bridge where an administrator has put it', async ({ host }) => {
    await startFirewalld(host);
    await host.sh('for p in "" --permanent; do firewall-cmd $p --zone=trusted --add-interface=br0; done');
    expect(await open(host)).toEqual([]);
    await close(host);
    expect(await host.run(['firewall-cmd', '--zone=trusted', '--list-interfaces'])).toBe('br0\n');
    expect(await host.run(['firewall-cmd', '--permanent', '--zone=trusted', '--list-interfaces'])).toBe('br0\n');
    await host.sh('for p in "" --permanent; do firewall-cmd $p --zone=work --change-interface=br0; done');
    const [warning] = await open(host);
    expect(warning?.message).toBe(
      'Bridge "br0" is in a zone of firewalld that was not chosen by us: what that zone rejects does not pass',
    );
    expect(await host.run(['firewall-cmd', '--get-zone-of-interface=br0'])).toBe('work\n');
  });
});
