import { describe, expect, test, type Host } from '../../helpers/host.ts';
import {
  addressesIn,
  attachmentsLeft,
  expectFailure,
  hostInterfaceIn,
  hostLocal,
  interfaceConf,
  succeeded,
} from './network.ts';

const list = 'cni.dev/valid-attachments';

/** Three attachments: two containers, the first with two interfaces. */
async function attachThree(host: Host) {
  const [c1, c2] = [await host.container('c1'), await host.container('c2')];
  const conf = interfaceConf({ isDefaultGateway: false, isGateway: true });
  const ports = { runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80 }] } };
  const results = [
    succeeded(await host.cni('ADD', { ...conf, ...ports }, { container: c1 })),
    succeeded(await host.cni('ADD', conf, { container: c1, ifname: 'net1' })),
    succeeded(await host.cni('ADD', conf, { container: c2 })),
  ];
  return { conf, c1, c2, results, links: results.map(hostInterfaceIn) };
}

async function linksThere(host: Host, links: readonly string[]): Promise<boolean[]> {
  return Promise.all(links.map(async (link) => (await host.exec(['test', '-e', `/sys/class/net/${link}`])).code === 0));
}

describe('GC', () => {
  test('removes what is not in the list, and leaves what is', async ({ host }) => {
    const { conf, c1, links, results } = await attachThree(host);
    const valid = [{ containerID: 'c1', ifname: 'net1' }];
    succeeded(await host.cni('GC', { ...conf, [list]: valid }));
    expect(await linksThere(host, links)).toEqual([false, true, false]);
    succeeded(await host.cni('CHECK', { ...conf, prevResult: results[1] }, { container: c1, ifname: 'net1' }));
    expect((await host.run(['ls', '/var/lib/cni/networks/net'])).split('\n')).toEqual(
      expect.not.arrayContaining(['10.1.0.2', '10.1.0.4', 'fd01::2', 'fd01::4']),
    );
    succeeded(await host.cni('DEL', conf, { container: c1, ifname: 'net1' }));
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test.for([
    ['an empty list', []],
    ['null', null],
  ] as const)('removes everything for %s', async ([, valid], { host }) => {
    const { conf } = await attachThree(host);
    succeeded(await host.cni('GC', { ...conf, [list]: valid }));
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test('without a list removes only what is provably dead', async ({ host }) => {
    const { conf, c1, c2, links, results } = await attachThree(host);
    await c1.remove();
    await expect.poll(() => linksThere(host, links), { timeout: 5000, interval: 20 }).toEqual([false, false, true]);
    succeeded(await host.cni('GC', conf));
    succeeded(await host.cni('CHECK', { ...conf, prevResult: results[2] }, { container: c2 }));
    succeeded(await host.cni('DEL', conf, { container: c2 }));
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test('understands the older key of the list, and keeps what either names', async ({ host }) => {
    const { conf, links } = await attachThree(host);
    const lists = {
      [list]: [{ containerID: 'c1', ifname: 'eth0' }],
      'cni.dev/attachments': [{ containerID: 'c2', ifname: 'eth0' }],
    };
    succeeded(await host.cni('GC', { ...conf, ...lists }));
    expect(await linksThere(host, links)).toEqual([true, false, true]);
  });

  test('leaves other networks alone', async ({ host }) => {
    const { conf, links } = await attachThree(host);
    succeeded(await host.cni('GC', { ...conf, name: 'other', [list]: [] }));
    expect(await linksThere(host, links)).toEqual([true, true, true]);
  });

  test('removes leases that no attachment has, and none of the files of the reference', async ({ host }) => {
    const { conf } = await attachThree(host);
    const folder = '/var/lib/cni/networks/net';
    await host.sh(`printf 'leaked\r\neth0' > ${folder}/10.1.0.77; touch ${folder}/lock`);
    succeeded(await host.cni('GC', { ...conf, [list]: [{ containerID: 'c2', ifname: 'eth0' }] }));
    const files = (await host.run(['ls', folder])).trim().split('\n');
    expect(files).toEqual(expect.arrayContaining(['10.1.0.4', 'fd01::4', 'lock', 'last_reserved_ip.0']));
    expect(files).not.toContain('10.1.0.77');
  });

  test('refuses a list with an entry that it cannot read, and removes nothing', async ({ host }) => {
    const { conf, links } = await attachThree(host);
    const outcome = await host.cni('GC', { ...conf, [list]: [{ containerID: 'c1' }] });
    expectFailure(outcome, 7, /valid-attachments\[0\]\.ifname/);
    expect(await linksThere(host, links)).toEqual([true, true, true]);
  });

  test('goes on past a failure, names it, and succeeds when it is repeated', async ({ host }) => {
    const { conf, links } = await attachThree(host);
    await host.sh('mkdir /run/broken; printf "#!/bin/sh\\nexit 1\\n" > /run/broken/nft; chmod +x /run/broken/nft');
    const outcome = await host.cni('GC', { ...conf, [list]: [] }, { env: { PATH: '/run/broken:/usr/sbin:/usr/bin' } });
    expectFailure(outcome, 100, /nft|steps failed/);
    expect(await linksThere(host, links)).toEqual([false, false, false]);
    succeeded(await host.cni('GC', { ...conf, [list]: [] }));
    expect(await attachmentsLeft(host)).toEqual([]);
  });
});

describe('STATUS', () => {
  test('succeeds on a fresh host, and makes no rule, link or lease', async ({ host }) => {
    const outcome = await host.cni('STATUS', interfaceConf());
    succeeded(outcome);
    expect(outcome.stdout).toBe('');
    expect(await host.leftovers()).toEqual([]);
  });

  test('needs neither container nor interface', async ({ host }) => {
    const env = { CNI_CONTAINERID: undefined, CNI_NETNS: undefined, CNI_IFNAME: undefined };
    succeeded(await host.cni('STATUS', interfaceConf(), { env }));
  });

  test('is code 50 when a range set has no free address, and names it', async ({ host }) => {
    const conf = interfaceConf({ ipam: hostLocal('10.1.0.0/24', '10.2.0.0/30') });
    const container = await host.container();
    succeeded(await host.cni('STATUS', conf));
    expect(addressesIn(succeeded(await host.cni('ADD', conf, { container })))).toContain('10.2.0.2');
    expectFailure(await host.cni('STATUS', conf), 50, /no address is free in "10\.2\.0\.0\/30": all 1 are leased/);
    succeeded(await host.cni('DEL', conf, { container }));
    succeeded(await host.cni('STATUS', conf));
  });

  test.for([
    ['ip', 'iproute2'],
    ['nsenter', 'util-linux'],
    ['nft', 'nftables'],
  ] as const)('is code 50 when %s is missing, and says which package has it', async ([program, name], { host }) => {
    const found = (
      await host.run([
        'sh',
        '-c',
        `ls /usr/sbin/${program} /usr/bin/${program} /sbin/${program} /bin/${program} 2>/dev/null | xargs -n1 readlink -f | sort -u; true`,
      ])
    )
      .trim()
      .split('\n');
    for (const file of found) await host.sh(`touch /run/none; mount --bind /run/none ${file}`);
    const outcome = await host.cni('STATUS', interfaceConf());
    for (const file of found) await host.sh(`umount ${file}`);
    expectFailure(outcome, 50, new RegExp(`"${program}" is not installed`));
    expect(outcome.error?.['details']).toContain(name);
  });

  test('is code 50 when nft does not take our rules', async ({ host }) => {
    await host.sh(
      'mkdir /run/broken; printf "#!/bin/sh\\necho no netlink >&2; exit 1\\n" > /run/broken/nft; chmod +x /run/broken/nft',
    );
    const outcome = await host.cni('STATUS', interfaceConf(), { env: { PATH: '/run/broken:/usr/sbin:/usr/bin' } });
    expectFailure(outcome, 50, /nft/);
  });

  test('is code 50 when the leases cannot be written', async ({ host }) => {
    await host.sh('mkdir -p /run/ro; mount -t tmpfs -o ro none /run/ro');
    const conf = interfaceConf({ ipam: { ...hostLocal('10.1.0.0/24'), dataDir: '/run/ro' } });
    expectFailure(await host.cni('STATUS', conf), 50, /"\/run\/ro" cannot be written/);
  });

  test('is code 50 when a file stands where the records are to be', async ({ host }) => {
    await host.sh('touch /run/drawbridge');
    expectFailure(await host.cni('STATUS', interfaceConf()), 50, /"\/run\/drawbridge" cannot be written/);
  });

  test('is code 50 when the plugin for addresses is in no folder of CNI_PATH', async ({ host }) => {
    expectFailure(await host.cni('STATUS', interfaceConf({ ipam: { type: 'nowhere' } })), 50, /"nowhere"/);
  });

  test('is code 7 for a conf that no ADD would take', async ({ host }) => {
    expectFailure(await host.cni('STATUS', interfaceConf({ mtu: 3 })), 7, /"mtu"/);
  });
});
