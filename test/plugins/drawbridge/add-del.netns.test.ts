import { describe, expect, test, type Container, type Host } from '../../helpers/host.ts';
import {
  addressesIn,
  attachmentsLeft,
  expectFailure,
  hostInterfaceIn,
  hostLocal,
  interfaceConf,
  succeeded,
} from './network.ts';

const usualPath = '/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * PATH with a program before all others that fails when its arguments or its input match, and else runs the real one.
 */
async function failing(host: Host, program: string, pattern: string): Promise<{ env: { PATH: string } }> {
  await host.sh(`
    mkdir -p /run/broken
    cat > /run/broken/${program} <<'END'
#!/bin/sh
input=/run/broken/input.$$
cat > "$input"
if echo "$* $(cat "$input")" | grep -Eq '${pattern}'; then echo "${program} is broken today" >&2; exit 1; fi
exec /usr/sbin/${program} "$@" < "$input"
END
    chmod +x /run/broken/${program}`);
  return { env: { PATH: `/run/broken:${usualPath}` } };
}

async function hasInterface(container: Container, name = 'eth0'): Promise<boolean> {
  return (
    (await container.exec(['ls', `/sys/class/net`])).code === 0 &&
    (await container.exec(['ip', 'link', 'show', name])).code === 0
  );
}

describe('ADD', () => {
  test('connects containers with each other, with the host and with the outside, in both families, at once', async ({
    host,
  }) => {
    const outside = await host.outside();
    const [c1, c2] = [await host.container(), await host.container()];
    succeeded(await host.cni('ADD', interfaceConf(), { container: c1 }));
    const server = await host.serve(c1);
    const upstream = await host.serve(outside);
    succeeded(await host.cni('ADD', interfaceConf(), { container: c2 }));
    expect(
      await Promise.all([
        host.fetch(c2, '10.1.0.2', server.port),
        host.fetch(c2, 'fd01::2', server.port),
        host.fetch(host, '10.1.0.2', server.port),
        host.fetch(host, 'fd01::2', server.port),
        host.fetch(c2, outside.v4, upstream.port),
        host.fetch(c2, outside.v6, upstream.port),
      ]),
    ).toEqual(['10.1.0.3', 'fd01::3', '10.1.0.1', 'fd01::1', outside.hostV4, outside.hostV6]);
  });

  test('gives a container several interfaces on one network', async ({ host }) => {
    const container = await host.container();
    const conf = interfaceConf({ isDefaultGateway: false, isGateway: true });
    succeeded(await host.cni('ADD', conf, { container, ifname: 'eth0' }));
    const second = succeeded(await host.cni('ADD', conf, { container, ifname: 'net1' }));
    expect(addressesIn(second)).toEqual(['10.1.0.3', 'fd01::3']);
    succeeded(await host.cni('DEL', conf, { container, ifname: 'eth0', netns: '' }));
    expect([await hasInterface(container), await hasInterface(container, 'net1')]).toEqual([false, true]);
    expect(await host.ping(container, '10.1.0.1')).toBe('answer');
    succeeded(await host.cni('DEL', conf, { container, ifname: 'net1', netns: '' }));
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test('gives a container an interface on each of two networks', async ({ host }) => {
    const container = await host.container();
    const other = interfaceConf({
      name: 'other',
      bridge: 'br1',
      isDefaultGateway: false,
      isGateway: true,
      ipam: hostLocal('10.2.0.0/24'),
    });
    succeeded(await host.cni('ADD', interfaceConf(), { container }));
    succeeded(await host.cni('ADD', other, { container, ifname: 'eth1' }));
    expect(await Promise.all([host.ping(container, '10.1.0.1'), host.ping(container, '10.2.0.1')])).toEqual([
      'answer',
      'answer',
    ]);
  });

  test('is refused with code 102 the second time, and changes nothing', async ({ host }) => {
    const container = await host.container();
    const first = succeeded(await host.cni('ADD', interfaceConf(), { container }));
    await host.takeBaseline();
    const outcome = await host.cni('ADD', interfaceConf(), { container });
    expectFailure(outcome, 102, /"eth0".*already exists/);
    expect(await host.leftovers()).toEqual([]);
    expect(await host.ping(container, '10.1.0.1')).toBe('answer');
    succeeded(await host.cni('CHECK', interfaceConf({ prevResult: first }), { container }));
  });

  test('is refused when another program made an interface of that name, which stays', async ({ host }) => {
    const container = await host.container();
    await host.run(['ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'x0'], { where: container });
    const outcome = await host.cni('ADD', interfaceConf(), { container });
    expectFailure(outcome, 102, /"eth0".*already exists/);
    expect(await attachmentsLeft(host)).toEqual([]);
    expect(await hasInterface(container)).toBe(true);
  });

  test('leaves nothing when the namespace is not there', async ({ host }) => {
    const outcome = await host.cni('ADD', interfaceConf(), { containerId: 'c', netns: '/run/netns/nowhere' });
    expectFailure(outcome, 8, /"\/run\/netns\/nowhere".*does not exist/);
    expect(await host.leftovers()).toEqual([]);
  });

  test('leaves nothing when the path leads to another kind of file', async ({ host }) => {
    const outcome = await host.cni('ADD', interfaceConf(), { containerId: 'c', netns: '/etc/passwd' });
    expectFailure(outcome, 8, /"\/etc\/passwd"/);
    expect(await host.leftovers()).toEqual([]);
  });

  test("is refused with code 8 for the host's own namespace before anything is touched", async ({ host }) => {
    const outcome = await host.cni('ADD', interfaceConf(), { containerId: 'c', netns: '/proc/self/ns/net' });
    expectFailure(outcome, 8, "plugin's netns and netns from CNI_NETNS should not be the same");
    expect(await host.leftovers()).toEqual([]);
  });

  test.for([
    ['nft', 'add element', 'the rules cannot be written'],
    ['nft', '.', 'nft never works'],
    ['ip', 'type veth', 'the pair cannot be made'],
    ['ip', 'type bridge', 'the bridge cannot be made'],
    ['ip', 'address replace 10\\.1\\.0\\.2', 'an address cannot be given'],
    ['ip', 'route add', 'a route cannot be made'],
  ] as const)('leaves nothing when %s fails at "%s": %s', async ([program, pattern], { host }) => {
    const container = await host.container();
    const conf = interfaceConf({
      runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80 }] },
      macspoofchk: true,
    });
    const { env, ...rest } = await failing(host, program, pattern);
    // What the plugin asks of the kernel itself cannot be broken so: test/host/netlink.netns.test.ts.
    const outcome = await host.cni('ADD', conf, { container, ...rest, env: { ...env, DRAWBRIDGE_CHILDREN: '1' } });
    expectFailure(outcome, 100, new RegExp(program === 'nft' ? 'nft|is broken' : 'is broken'));
    expect(await attachmentsLeft(host)).toEqual([]);
    expect(await hasInterface(container)).toBe(false);
    succeeded(await host.cni('ADD', conf, { container }));
    expect(await host.ping(container, '10.1.0.1')).toBe('answer');
  });

  test.for([
    ['records', '/run/drawbridge', 'ro'],
    ['leases', '/var/lib/cni', 'ro'],
    ['records, for want of space,', '/run/drawbridge', 'nr_inodes=3'],
    ['leases, for want of space,', '/var/lib/cni', 'nr_inodes=4'],
  ] as const)('leaves nothing when its %s cannot be written', async ([, folder, option], { host }) => {
    const container = await host.container();
    await host.sh(`mkdir -p ${folder}; mount -t tmpfs -o ${option} none ${folder}`);
    const outcome = await host.cni('ADD', interfaceConf(), { container });
    expectFailure(outcome, 5, new RegExp(`"${folder}`));
    await host.sh(`umount ${folder}`);
    expect(await attachmentsLeft(host)).toEqual([]);
    expect(await hasInterface(container)).toBe(false);
    succeeded(await host.cni('ADD', interfaceConf(), { container }));
  });

  test('says what to install when nft is missing, and leaves nothing', async ({ host }) => {
    const container = await host.container();
    await host.sh('mount --bind /dev/null /usr/sbin/nft');
    const outcome = await host.cni('ADD', interfaceConf(), { container });
    await host.sh('umount /usr/sbin/nft');
    expectFailure(outcome, 100, /"nft"/);
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test('succeeds after a DEL that was lost, when the namespace was replaced', async ({ host }) => {
    const conf = interfaceConf({ runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80 }] } });
    const before = await host.container('app');
    succeeded(await host.cni('ADD', conf, { container: before }));
    await before.remove();
    const after = await host.container('app');
    succeeded(await host.cni('ADD', conf, { container: after }));
    await host.serve(after, { port: 80, reply: 'new' });
    expect(await host.fetch(host, '10.1.0.1', 8080)).toBe('new');
    succeeded(await host.cni('DEL', conf, { container: after }));
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test('succeeds after an ADD that was killed at any moment', async ({ host }) => {
    const container = await host.container();
    for (const after of [20, 40, 60, 80, 100, 130]) {
      await host.cni('ADD', interfaceConf(), { container, timeout: after });
      const outcome = await host.cni('ADD', interfaceConf(), { container });
      if (outcome.code !== 0) expectFailure(outcome, 102, /already exists/);
      expect(await host.ping(container, '10.1.0.1')).toBe('answer');
      succeeded(await host.cni('DEL', interfaceConf(), { container, netns: '' }));
      expect(await attachmentsLeft(host)).toEqual([]);
    }
  });

  test('needs no PATH and no HOME', async ({ host }) => {
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf(), { container, env: { PATH: '' } }));
    expect(await host.ping(container, '10.1.0.1')).toBe('answer');
  });
});

describe('DEL', () => {
  const ports = { runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80 }] } };

  test('leaves nothing when it is given no namespace, no prevResult and no runtimeConfig, as nerdctl does', async ({
    host,
  }) => {
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf({ ...ports, macspoofchk: true }), { container }));
    succeeded(await host.cni('DEL', interfaceConf(), { container, netns: '' }));
    expect(await attachmentsLeft(host)).toEqual([]);
    expect(await hasInterface(container)).toBe(false);
  });

  test('leaves nothing when CNI_NETNS is not even set', async ({ host }) => {
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf(ports), { container }));
    succeeded(await host.cni('DEL', interfaceConf(), { container, env: { CNI_NETNS: undefined } }));
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test('succeeds when the namespace is gone', async ({ host }) => {
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf(ports), { container }));
    await container.remove();
    succeeded(await host.cni('DEL', interfaceConf(), { container }));
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test('succeeds for what was never added', async ({ host }) => {
    const container = await host.container();
    succeeded(await host.cni('DEL', interfaceConf(), { container }));
    succeeded(await host.cni('DEL', interfaceConf(), { containerId: 'nobody', netns: '' }));
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test('succeeds when interface, rules and lease were taken away behind its back', async ({ host }) => {
    const container = await host.container();
    const result = succeeded(await host.cni('ADD', interfaceConf(ports), { container }));
    await host.sh(`ip link del ${hostInterfaceIn(result)}; nft flush ruleset; rm -r /var/lib/cni/networks/net`);
    succeeded(await host.cni('DEL', interfaceConf(), { container }));
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test('succeeds when the conf no longer says how addresses are given', async ({ host }) => {
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf(ports), { container }));
    succeeded(
      await host.cni(
        'DEL',
        { ...interfaceConf(), ipam: { type: 'host-local', ranges: [[{ subnet: 'x' }]] }, mtu: -1 },
        { container },
      ),
    );
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test('succeeds, and leaves no lease, when the record is lost', async ({ host }) => {
    const container = await host.container();
    succeeded(await host.cni('ADD', interfaceConf(), { container }));
    await host.sh('rm /run/drawbridge/attachments/*');
    succeeded(await host.cni('DEL', interfaceConf(), { container }));
    expect(await host.leftovers({ allow: [/nft table|file|link br0/] })).toEqual([]);
    expect(await hasInterface(container)).toBe(false);
  });

  test('leaves other containers as they are', async ({ host }) => {
    const [c1, c2] = [await host.container(), await host.container()];
    succeeded(await host.cni('ADD', interfaceConf(ports), { container: c1 }));
    const second = succeeded(await host.cni('ADD', interfaceConf(), { container: c2 }));
    succeeded(await host.cni('DEL', interfaceConf(), { container: c1, netns: '' }));
    succeeded(await host.cni('CHECK', interfaceConf({ prevResult: second }), { container: c2 }));
    expect(await host.ping(c2, '10.1.0.1')).toBe('answer');
  });

  test('that comes late leaves the rules of the next owner of the address', async ({ host }) => {
    const outside = await host.outside({ v6: false });
    const server = await host.serve(outside);
    const conf = interfaceConf({ ipam: hostLocal('10.1.0.0/30') });
    const [c1, c2] = [await host.container(), await host.container()];
    succeeded(await host.cni('ADD', conf, { container: c1 }));
    await c1.remove();
    await host.sh('rm /var/lib/cni/networks/net/10.1.0.2');
    expect(addressesIn(succeeded(await host.cni('ADD', conf, { container: c2 })))).toEqual(['10.1.0.2']);
    succeeded(await host.cni('DEL', conf, { container: c1, netns: '' }));
    expect(await host.fetch(c2, outside.v4, server.port)).toBe(outside.hostV4);
    succeeded(await host.cni('DEL', conf, { container: c2, netns: '' }));
    expect(await attachmentsLeft(host)).toEqual([]);
  });

  test('names what failed, goes on with the rest, and finishes when it is repeated', async ({ host }) => {
    const container = await host.container();
    const result = succeeded(await host.cni('ADD', interfaceConf(), { container }));
    const outcome = await host.cni('DEL', interfaceConf(), { container, ...(await failing(host, 'nft', '.')) });
    expectFailure(outcome, 100, /nft/);
    expect((await host.exec(['ip', 'link', 'show', hostInterfaceIn(result)])).code).not.toBe(0);
    succeeded(await host.cni('DEL', interfaceConf(), { container, netns: '' }));
    expect(await attachmentsLeft(host)).toEqual([]);
  });
});
