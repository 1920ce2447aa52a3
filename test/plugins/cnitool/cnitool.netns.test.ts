/**
 * Drives the plugins with the public `cnitool`, a runtime that no one here wrote: chains, versions and results are its
 * doing.
 */
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { cnitool } from '../../helpers/cnitool.ts';
import { pluginFolder } from '../../helpers/executable.ts';
import { describe, expect, test, type ExecResult, type Host } from '../../helpers/host.ts';

const tool = cnitool();
const folder = fileURLToPath(new URL('../../../conf', import.meta.url));

/** What stays by design when the last container is gone; cnitool keeps results of its own in /var/lib/cni. */
const kept = [/link drawbridge\d/, /\/run\/drawbridge\/(bridges|listings)\//, /\/var\/lib\/drawbridge\//];

/** Name of a network of ours -> its file, as /etc/cni/net.d has it. */
const networks = ['drawbridge', 'drawbridge-open'];

function run(
  host: Host,
  verb: string,
  network: string,
  netns: string,
  env: Record<string, string> = {},
): Promise<ExecResult> {
  return host.exec([tool.path, verb, network, netns], {
    timeout: 30_000,
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', CNI_PATH: pluginFolder, NETCONFPATH: folder, ...env },
  });
}

function idOf(netns: string): string {
  return `cnitool-${createHash('sha512').update(netns).digest('hex').slice(0, 20)}`;
}

function succeeded({ code, stdout, stderr }: ExecResult): string {
  expect(code, stdout + stderr).toBe(0);
  return stdout;
}

describe.for(networks)('network "%s"', (network) => {
  test('is added, used, checked and removed by cnitool, and leaves nothing', async ({ host }) => {
    const outside = await host.outside();
    await outside.address('8.8.8.8');
    const server = await host.serve(outside, { address: '8.8.8.8' });
    const { netns, ...container } = await host.container();
    const result = JSON.parse(succeeded(await run(host, 'add', network, netns)));
    expect(result).toMatchObject({ interfaces: [{}, {}, { name: 'eth0', sandbox: netns }] });
    expect(result.ips).toHaveLength(2);
    expect(await host.fetch({ netns, ...container }, '8.8.8.8', server.port)).toBe(outside.hostV4);
    succeeded(await run(host, 'check', network, netns));
    succeeded(await run(host, 'del', network, netns));
    succeeded(await run(host, 'del', network, netns));
    expect(await host.leftovers({ allow: kept })).toEqual([]);
  });

  test('is refused a second add by cnitool, which changes nothing', async ({ host }) => {
    const { netns } = await host.container();
    succeeded(await run(host, 'add', network, netns));
    await host.takeBaseline();
    const { code, stdout, stderr } = await run(host, 'add', network, netns);
    expect(code).toBe(1);
    expect(`${stdout}${stderr}`).toContain('already exists');
    expect(await host.leftovers()).toEqual([]);
    succeeded(await run(host, 'check', network, netns));
  });

  test('tells cnitool what check found', async ({ host }) => {
    const container = await host.container();
    succeeded(await run(host, 'add', network, container.netns));
    await host.run(['ip', 'addr', 'flush', 'dev', 'eth0', 'scope', 'global'], { where: container });
    const { code, stdout, stderr } = await run(host, 'check', network, container.netns);
    expect(code).toBe(1);
    expect(`${stdout}${stderr}`).toMatch(/is missing from|address/);
  });

  test('publishes a port that cnitool passes as CAP_ARGS', async ({ host }) => {
    const outside = await host.outside();
    const container = await host.container();
    const env = {
      CAP_ARGS: JSON.stringify({ portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] }),
    };
    succeeded(await run(host, 'add', network, container.netns, env));
    await host.serve(container, { port: 80 });
    expect(await host.fetch(outside, outside.hostV4, 8080)).toBe(outside.v4);
    succeeded(await run(host, 'del', network, container.netns, env));
    expect(await host.leftovers({ allow: kept })).toEqual([]);
  });

  test('gives the address that cnitool passes as CNI_ARGS', async ({ host }) => {
    const { netns } = await host.container();
    const ip = network === 'drawbridge' ? '10.88.7.7' : '10.89.7.7';
    const result = JSON.parse(succeeded(await run(host, 'add', network, netns, { CNI_ARGS: `IP=${ip}` })));
    expect(result.ips[0].address).toBe(`${ip}/16`);
    const lease = await host.run(['cat', `/var/lib/cni/networks/${network}/${ip}`]);
    expect(lease).toBe(`${idOf(netns)}\r\neth0`);
  });

  test.runIf(tool.newest)('answers the status of cnitool', async ({ host }) => {
    const { netns } = await host.container();
    succeeded(await run(host, 'status', network, netns));
  });

  test.runIf(tool.newest)('loses what is dead, and nothing else, to the gc of cnitool', async ({ host }) => {
    const [living, dead] = [await host.container(), await host.container()];
    succeeded(await run(host, 'add', network, living.netns));
    succeeded(await run(host, 'add', network, dead.netns));
    await dead.remove();
    const veths = async () => (await host.run(['ls', '/sys/class/net'])).match(/veth/g)?.length;
    await expect.poll(veths, { timeout: 5000, interval: 20 }).toBe(1);
    succeeded(await run(host, 'gc', network, living.netns));
    succeeded(await run(host, 'del', network, living.netns));
    expect(await host.leftovers({ allow: kept })).toEqual([]);
  });
});

describe('a chain with plugins of the reference', () => {
  const reference = '/usr/lib/cni';

  /** The reference's loopback before us, as Nomad has it, and its tuning behind us, as nerdctl has it. */
  const chain = (cniVersion: string) => ({
    cniVersion,
    name: 'mixed',
    plugins: [
      { type: 'loopback' },
      {
        type: 'drawbridge',
        bridge: 'drawbridge9',
        isGateway: true,
        ipMasq: true,
        forceAddress: true,
        hairpinMode: true,
        ipam: {
          type: 'host-local',
          ranges: [[{ subnet: '172.26.64.0/20' }]],
          routes: [{ dst: '0.0.0.0/0' }],
        },
        capabilities: { portMappings: true },
      },
      { type: 'tuning', mac: '02:00:00:00:00:77', mtu: 1400, sysctl: { 'net.ipv4.conf.eth0.log_martians': '1' } },
    ],
  });

  test.for(['0.4.0', '1.0.0'])('is added, checked and removed in cniVersion %s', async (cniVersion, { host, skip }) => {
    if ((await host.exec(['test', '-x', `${reference}/tuning`])).code !== 0)
      skip('the reference plugins are not installed');
    await host.sh('mkdir -p /run/net.d; cat > /run/net.d/10-mixed.conflist', {
      input: JSON.stringify(chain(cniVersion)),
    });
    const env = { NETCONFPATH: '/run/net.d', CNI_PATH: `${pluginFolder}:${reference}` };
    const container = await host.container();
    const result = JSON.parse(succeeded(await run(host, 'add', 'mixed', container.netns, env)));
    expect(result.interfaces.map(({ name }: { name: string }) => name)).toEqual([
      'lo',
      'drawbridge9',
      expect.any(String),
      'eth0',
    ]);
    expect(await host.ping(container, '172.26.64.1')).toBe('answer');
    succeeded(await run(host, 'check', 'mixed', container.netns, env));
    succeeded(await run(host, 'del', 'mixed', container.netns, env));
    expect(await host.leftovers({ allow: kept })).toEqual([]);
  });
});

describe('network "drawbridge-sandbox"', () => {
  test('answers outsiders on published ports, reaches nobody that its policy does not name, and leaves nothing', async ({
    host,
  }) => {
    const outside = await host.outside();
    await outside.address('8.8.8.8');
    const server = await host.serve(outside, { address: '8.8.8.8' });
    await host.sh('echo nameserver 127.0.0.1 > /etc/resolv.conf');
    const container = await host.container();
    const env = { CAP_ARGS: JSON.stringify({ portMappings: [{ hostPort: 8080, containerPort: 80 }] }) };
    succeeded(await run(host, 'add', 'drawbridge-sandbox', container.netns, env));
    await host.serve(container, { port: 80 });
    expect(await host.fetch(container, '8.8.8.8', server.port)).toBe('refused');
    expect(await host.fetch(outside, outside.hostV4, 8080)).toBe(outside.v4);
    succeeded(await run(host, 'check', 'drawbridge-sandbox', container.netns));
    succeeded(await run(host, 'del', 'drawbridge-sandbox', container.netns));
    expect(await host.leftovers({ allow: kept })).toEqual([]);
  });
});
