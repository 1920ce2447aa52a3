import { dirname } from 'node:path';
import { executable } from '../helpers/executable.ts';
import { describe, expect, test, type Container, type Host } from '../helpers/host.ts';
import { firewalld, startFirewalld, startUfw, ufw } from '../firewall/managers.ts';
import { attach, drawbridge, schemaErrors, shipped } from './cli.ts';

interface Diagnosis {
  readonly check: string;
  readonly severity: string;
  readonly found: string;
  readonly remedy: string;
  readonly fixable: boolean;
}

/** What doctor says of other firewalls that is a problem. */
async function problems(host: Host): Promise<Diagnosis[]> {
  const { json } = await drawbridge(host, ['doctor', '--json']);
  expect(schemaErrors('doctor', json)).toEqual([]);
  return (json as Diagnosis[]).filter(({ check, severity }) => check === 'firewalls' && severity === 'problem');
}

async function clean(host: Host, ...words: string[]): Promise<{ kind: string; name: string; removed: boolean }[]> {
  const { code, json } = await drawbridge(host, ['clean', '--json', ...words]);
  expect({ code, errors: schemaErrors('clean', json) }).toEqual({ code: 0, errors: [] });
  return json;
}

/** Takes a container's namespace away; its interface goes a moment later. */
async function end(host: Host, container: Container): Promise<void> {
  await container.remove();
  await expect.poll(async () => (await host.run(['ls', '/sys/class/net'])).includes('veth')).toBe(false);
}

const zones = async (host: Host): Promise<string> =>
  host.sh('for p in "" --permanent; do firewall-cmd $p --zone=trusted --list-interfaces; done');

const paste = async (host: Host, remedy: string): Promise<string> =>
  host.sh(`PATH=${dirname(executable)}:$PATH\n${remedy}`, { timeout: 30_000 });

describe.skipIf(firewalld === undefined)('beside a real firewalld', () => {
  test('doctor finds a bridge that lost its zone, and both the printed command and --fix mend it', async ({ host }) => {
    const outside = await host.outside();
    await outside.address('8.8.8.8');
    await host.serve(outside, { port: 80 });
    await startFirewalld(host);
    const web = await attach(host, shipped('10-drawbridge'), 'web0');
    const reaches = async () => (await host.fetch(web, '8.8.8.8', 80)) === '192.0.2.1';
    expect(await problems(host)).toEqual([]);
    await host.sh('firewall-cmd --reload');
    expect(await problems(host), 'the binding is permanent').toEqual([]);

    const lose = async () =>
      host.sh('for p in "" --permanent; do firewall-cmd $p --zone=trusted --remove-interface=drawbridge0; done');
    await lose();
    expect(await reaches()).toBe(false);
    const [found, ...more] = await problems(host);
    expect(more).toEqual([]);
    expect(found).toMatchObject({
      found: 'firewalld drops traffic of "drawbridge0": bridge "drawbridge0" is in no zone',
      fixable: true,
    });
    expect((await drawbridge(host, ['explain', 'web0', '8.8.8.8:80', '--json'])).json).toMatchObject({
      verdict: 'deny',
      rule: 'firewall',
    });
    await paste(host, found?.remedy ?? '');
    expect(await reaches()).toBe(true);
    expect(await problems(host)).toEqual([]);

    await lose();
    await drawbridge(host, ['doctor', '--fix']);
    expect(await reaches()).toBe(true);
    expect(await zones(host)).toBe('drawbridge0\ndrawbridge0\n');
  });

  test("doctor leaves an administrator's zone as it is, and says how to leave it", async ({ host }) => {
    await host.outside();
    await startFirewalld(host);
    await attach(host, shipped('10-drawbridge'), 'web0');
    await host.sh('for p in "" --permanent; do firewall-cmd $p --zone=work --change-interface=drawbridge0; done');
    const [found] = await problems(host);
    expect(found).toMatchObject({ fixable: false, found: expect.stringContaining('is in zone "work"') });
    await drawbridge(host, ['doctor', '--fix']);
    expect(await host.run(['firewall-cmd', '--get-zone-of-interface=drawbridge0'])).toBe('work\n');
    await paste(host, found?.remedy ?? '');
    expect(await problems(host)).toEqual([]);
    await host.sh(
      'firewall-cmd --permanent --new-zone=containers; firewall-cmd --permanent --zone=containers --set-target=ACCEPT; firewall-cmd --reload; firewall-cmd --zone=containers --change-interface=drawbridge0',
    );
    expect(await problems(host), 'a zone with target ACCEPT lets everything pass').toEqual([]);
  });

  test('clean takes the bindings of bridges without containers away, and no others', async ({ host }) => {
    await host.outside();
    await startFirewalld(host);
    const web = await attach(host, shipped('10-drawbridge'), 'web0');
    await host.sh('for p in "" --permanent; do firewall-cmd $p --zone=trusted --add-interface=admin0; done');
    expect(await clean(host)).toEqual([]);

    await end(host, web);
    const found = await clean(host);
    expect(found).toContainEqual(expect.objectContaining({ kind: 'attachment', removed: true }));
    expect(await zones(host)).toBe('admin0\nadmin0\n');

    // The host was started anew: only the permanent binding is left, and the note that it is ours.
    await end(host, await attach(host, shipped('10-drawbridge'), 'web1'));
    await host.sh(
      'rm -r /run/drawbridge; ip link del drawbridge0; nft delete table inet drawbridge; nft delete table bridge drawbridge; firewall-cmd --reload',
    );
    expect(await zones(host)).toContain('drawbridge0');
    expect(await clean(host, '--orphans', '--dry-run')).toContainEqual(
      expect.objectContaining({ kind: 'firewall', name: 'drawbridge0', removed: false }),
    );
    expect(await zones(host)).toContain('drawbridge0');
    await clean(host, '--orphans');
    expect(await zones(host)).toBe('admin0\nadmin0\n');
    expect((await clean(host)).filter(({ kind }) => kind === 'firewall')).toEqual([]);
  });

  test('clean takes a permanent binding away while firewalld is stopped', async ({ host }) => {
    await host.outside();
    const daemon = await startFirewalld(host);
    const web = await attach(host, shipped('10-drawbridge'), 'web0');
    await daemon.stop();
    await end(host, web);
    await clean(host);
    expect(await host.sh('firewall-offline-cmd --zone=trusted --list-interfaces')).toBe('\n');
    expect(await clean(host)).toEqual([]);
  });
});

describe.skipIf(ufw === undefined)('beside a real ufw', () => {
  test('doctor finds that a reload put its rules before ours, and mends it', async ({ host }) => {
    const outside = await host.outside();
    await outside.address('8.8.8.8');
    await host.serve(outside, { port: 80 });
    await startUfw(host);
    const web = await attach(host, shipped('10-drawbridge'), 'web0');
    const reaches = async () => (await host.fetch(web, '8.8.8.8', 80)) === '192.0.2.1';
    expect(await reaches()).toBe(true);
    expect(await problems(host)).toEqual([]);

    for (const mend of ['command', 'fix'] as const) {
      // What a reload keeps, a stop and a start lose.
      await host.sh('ufw reload; ufw disable; iptables -F; ip6tables -F; ufw --force enable', { timeout: 60_000 });
      expect(await reaches()).toBe(false);
      const found = await problems(host);
      expect(found.length).toBeGreaterThan(0);
      if (mend === 'fix') await drawbridge(host, ['doctor', '--fix']);
      else for (const { remedy } of found) await paste(host, remedy);
      expect(await problems(host), mend).toEqual([]);
      expect(await reaches()).toBe(true);
    }
  });
});
