/** What others put into their firewalls after our first container: an ADD looks after what it needs. */
import { describe, expect, test, type Host } from '../../helpers/host.ts';
import { attachmentsLeft, hostLocal, interfaceConf, succeeded } from './network.ts';

const verbose = { DRAWBRIDGE_VERBOSE: '1' };

/** Whether an ADD asked for the chains of other firewalls. */
const looked = (stderr: string): boolean => /\[#\] nft -j list chains/.test(stderr);

async function addedReaches(host: Host, conf = interfaceConf()): Promise<{ stderr: string; v4: string; v6: string }> {
  const container = await host.container();
  const added = await host.cni('ADD', conf, { container, env: verbose });
  succeeded(added);
  const [v4, v6] = [
    await host.fetch(container, '8.8.8.8', 80, { timeout: 2000 }),
    await host.fetch(container, '2001:db8:8::8', 80, { timeout: 2000 }),
  ];
  return { stderr: added.stderr, v4, v6 };
}

async function prepare(host: Host): Promise<void> {
  const outside = await host.outside();
  await outside.address('8.8.8.8', '2001:db8:8::8');
  await host.serve(outside, { port: 80, reply: 'out' });
}

describe('a rule of somebody else that stops the bridge', () => {
  test.for([
    ['put first with iptables-nft', 'iptables-nft -P FORWARD DROP', 'iptables-nft -I FORWARD -j REJECT'],
    ['put first with ip6tables-nft', 'ip6tables-nft -P FORWARD DROP', 'ip6tables-nft -I FORWARD -j REJECT'],
    ['put first with iptables-legacy', 'iptables-legacy -P FORWARD DROP', 'iptables-legacy -I FORWARD -j REJECT'],
    ['put first with ip6tables-legacy', 'ip6tables-legacy -P FORWARD DROP', 'ip6tables-legacy -I FORWARD -j REJECT'],
    ['on a host that had no firewall', 'true', 'iptables-nft -P FORWARD DROP; ip6tables-legacy -P FORWARD DROP'],
    [
      'in place of a rule of the same size',
      'iptables-legacy -P FORWARD DROP; iptables-legacy -A INPUT -s 10.99.0.0/16 -j ACCEPT',
      'iptables-legacy -F FORWARD',
    ],
  ] as const)('%s is got past by the next ADD', async ([, before, after], { host }) => {
    await prepare(host);
    await host.sh(before);
    expect(await addedReaches(host)).toMatchObject({ v4: 'out', v6: 'out' });
    await host.sh(after);
    const second = await addedReaches(host);
    expect(second).toMatchObject({ v4: 'out', v6: 'out' });
    expect(looked(second.stderr)).toBe(true);
    const third = await addedReaches(host);
    expect(looked(third.stderr)).toBe(false);
    expect(third).toMatchObject({ v4: 'out', v6: 'out' });
  });

  test('is got past on every bridge, not on the first that looks alone', async ({ host }) => {
    await prepare(host);
    await host.sh('iptables-nft -P FORWARD DROP');
    const other = interfaceConf({ name: 'other', bridge: 'br1', ipam: hostLocal('10.2.0.0/24', 'fd02::/64') });
    for (const conf of [interfaceConf(), other]) await addedReaches(host, conf);
    await host.sh('iptables-nft -I FORWARD -j REJECT');
    for (const conf of [interfaceConf(), other]) expect((await addedReaches(host, conf)).v4).toBe('out');
  });

  test('is looked for once, with a policy too', async ({ host }) => {
    await prepare(host);
    await host.sh('iptables-nft -P FORWARD DROP');
    const conf = interfaceConf({ egress: { mode: 'open' } });
    const looks = [];
    for (const change of ['true', 'true', 'nft add table ip theirs', 'true', 'true']) {
      await host.sh(change);
      looks.push(looked((await addedReaches(host, conf)).stderr));
    }
    expect(looks).toEqual([true, false, true, false, false]);
  });
});

test('what a DEL and a rebuild of ours write is no reason to look', async ({ host }) => {
  await prepare(host);
  const [c1, c2] = [await host.container(), await host.container()];
  succeeded(await host.cni('ADD', interfaceConf(), { container: c1 }));
  succeeded(await host.cni('ADD', interfaceConf(), { container: c2 }));
  succeeded(await host.cni('DEL', interfaceConf(), { container: c2 }));
  expect(looked((await addedReaches(host)).stderr)).toBe(false);
});

test('the note about the ruleset goes with the last container', async ({ host }) => {
  const container = await host.container();
  succeeded(await host.cni('ADD', interfaceConf(), { container }));
  expect(await host.run(['cat', '/run/drawbridge/ruleset.json'])).toContain('"nft"');
  succeeded(await host.cni('DEL', interfaceConf(), { container }));
  expect(await attachmentsLeft(host)).toEqual([]);
});
