import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { drawbridge, shipped } from '../cli/cli.ts';
import { pluginFolder } from '../helpers/executable.ts';
import { describe, expect, test, type Container, type Host, type Json } from '../helpers/host.ts';
import { addContainer, chain, oneProcess, referencePlugins, writePolicy } from '../plugins/egress-policy/network.ts';

const reference = referencePlugins();
const refreshDriver = fileURLToPath(new URL('../plugins/egress-policy/refresh-driver.ts', import.meta.url));
const network = { cniVersion: '1.0.0', name: 'bw' };
const bridge = { type: 'bridge', bridge: 'cni0', ipam: { type: 'host-local', subnet: '10.46.0.0/24' } };
const limits = { ingressRate: 8_000_000, ingressBurst: 800_000, egressRate: 8_000_000, egressBurst: 800_000 };

/** Puts our executable under the names of the drop-ins that stand in for one reference plugin each. */
async function installBeside(host: Host, ...names: string[]): Promise<string> {
  const folder = '/opt/beside';
  await host.sh(
    `mkdir -p ${folder}\n${names.map((name) => `ln -sf ${join(pluginFolder, 'drawbridge')} ${folder}/${name}`).join('\n')}`,
  );
  return folder;
}

/** Adds a container to a bridge of the reference plugin, and limits it with ours. */
async function addLimited(host: Host): Promise<Container> {
  const folder = await installBeside(host, 'bandwidth');
  const container = await host.container();
  const path = reference ?? '';
  const made = await host.cni('ADD', { ...network, ...bridge }, { path, program: `${path}/bridge`, container });
  const conf = { ...network, type: 'bandwidth', ...limits, prevResult: made.result };
  const limited = await host.cni('ADD', conf, { path, program: `${folder}/bandwidth`, container });
  expect({ code: limited.code, stderr: limited.stderr }).toEqual({ code: 0, stderr: '' });
  return container;
}

const ifbs = async (host: Host): Promise<string[]> =>
  (await host.sh('ip -oneline link show type ifb')).match(/bwp[0-9a-f]{12}/g) ?? [];

const isolated = async (host: Host): Promise<string> =>
  host.sh('for p in /sys/class/net/br0/brif/*; do cat $p/isolated; done');

/** Makes the records as drawbridge 0.1.0 wrote them, as far as the parsed conf goes. */
async function forgetSettings(host: Host): Promise<void> {
  const script = `import json, glob
for file in glob.glob('/run/drawbridge/attachments/*.json'):
    record = json.load(open(file)); del record['link']['settings']; json.dump(record, open(file, 'w'))`;
  await host.run(['python3', '-c', script]);
}

describe.skipIf(reference === undefined)('a limit at an interface of another plugin', () => {
  test('is listed with its bridge', async ({ host }) => {
    await addLimited(host);
    const { stdout } = await drawbridge(host, ['list']);
    expect(stdout).toContain('bw on cni0, 1 attachment');
  });

  test('is listed without a bridge where its record names none', async ({ host }) => {
    await addLimited(host);
    await host.sh(`sed -i '/"ingressInterface"/d' /run/drawbridge/attachments/*.json`);
    const { stdout } = await drawbridge(host, ['list']);
    expect(stdout).toMatch(/^bw on veth[0-9a-f]{8}, 1 attachment$/m);
  });

  test.for([
    ['the queue of what it receives', 'tc qdisc del dev $(ls /sys/class/net/cni0/brif) root'],
    ['the interface of what it sends', 'ip link del $(ls /sys/class/net | grep ^bwp)'],
    ['the way to that interface', 'tc qdisc del dev $(ls /sys/class/net/cni0/brif) ingress'],
  ] as const)('is put back by doctor when somebody took away %s', async ([, take], { host }) => {
    await addLimited(host);
    const troubles = async (): Promise<Json[]> =>
      ((await drawbridge(host, ['doctor', '--json'])).json as Json[]).filter(({ check }) => check === 'links');
    expect(await troubles()).toEqual([]);
    await host.sh(take);
    expect(await troubles()).not.toEqual([]);
    await drawbridge(host, ['doctor', '--fix']);
    expect(await troubles()).toEqual([]);
    const port = (await host.sh('ls /sys/class/net/cni0/brif')).trim();
    expect(await host.sh(`tc qdisc show dev ${port}`)).toMatch(/tbf[^]*ingress|ingress[^]*tbf/);
    expect(await ifbs(host)).toHaveLength(1);
  });

  test('leaves a queue of somebody else that is in its way', async ({ host }) => {
    const folder = await installBeside(host, 'bandwidth');
    const container = await host.container();
    const path = reference ?? '';
    const made = await host.cni('ADD', { ...network, ...bridge }, { path, program: `${path}/bridge`, container });
    const port = (await host.sh('ls /sys/class/net/cni0/brif')).trim();
    await host.sh(
      `tc qdisc add dev ${port} root handle 9: tbf rate 1mbps burst 9000 limit 9000; tc qdisc add dev ${port} handle ffff: ingress`,
    );
    const conf = { ...network, type: 'bandwidth', ...limits, prevResult: made.result };
    const { code } = await host.cni('ADD', conf, { path, program: `${folder}/bandwidth`, container });
    expect(code).not.toBe(0);
    expect(await host.sh(`tc qdisc show dev ${port}`)).toMatch(/qdisc tbf 9: root[^]*qdisc ingress ffff:/);
    expect(await host.sh('ls /run/drawbridge/attachments')).toBe('');
  });

  test('is removed by DEL when somebody took away its queues', async ({ host }) => {
    const container = await addLimited(host);
    const port = (await host.sh('ls /sys/class/net/cni0/brif')).trim();
    await host.sh(`tc qdisc del dev ${port} ingress; tc qdisc del dev ${port} root`);
    const conf = { ...network, type: 'bandwidth', ...limits };
    const deleted = await host.cni('DEL', conf, { container, path: reference ?? '', program: '/opt/beside/bandwidth' });
    expect({ code: deleted.code, stdout: deleted.stdout }).toEqual({ code: 0, stdout: '' });
    expect([await ifbs(host), await host.sh('ls /run/drawbridge/attachments')]).toEqual([[], '']);
  });

  test('is removed by clean with the interface that it made', async ({ host }) => {
    const container = await addLimited(host);
    expect(await ifbs(host)).toHaveLength(1);
    await container.remove();
    await expect.poll(async () => (await host.sh('ip -oneline link show type veth')).trim()).toBe('');
    const { code, json } = await drawbridge(host, ['clean', '--json']);
    expect({ code, json: (json as Json[]).filter(({ kind }) => kind === 'attachment') }).toEqual({
      code: 0,
      json: [expect.objectContaining({ removed: true })],
    });
    expect(await ifbs(host)).toEqual([]);
    expect(await host.sh('ls /run/drawbridge/attachments')).toBe('');
  });
});

/** As the runtimes of Go write a key, and as a person does. */
const spellings = ['portIsolation', 'PortIsolation', 'PORTISOLATION'];

describe('a port that the conf of its network isolates', () => {
  test.for(spellings)('stays isolated when its policy changes, asked for as "%s"', async (key, { host }) => {
    await writePolicy(host, 'web', {});
    await addContainer(host, chain({ policy: 'web' }, { [key]: true }));
    await writePolicy(host, 'web', { isolation: 'bridge' });
    expect(JSON.parse(await host.run([process.execPath, refreshDriver]))).toMatchObject({ changed: [{}] });
    expect(await isolated(host)).toBe('1\n');
  });

  test('stays isolated by a record of an older version, which has the text of the conf alone', async ({ host }) => {
    await writePolicy(host, 'web', {});
    await addContainer(host, oneProcess({ policy: 'web' }, { PortIsolation: true }));
    await forgetSettings(host);
    await writePolicy(host, 'web', { isolation: 'bridge' });
    expect(JSON.parse(await host.run([process.execPath, refreshDriver]))).toMatchObject({ changed: [{}] });
    expect(await isolated(host)).toBe('1\n');
  });

  test('stays isolated when its policy changes, asked for by the firewall after it', async ({ host }) => {
    const folder = await installBeside(host, 'firewall');
    await writePolicy(host, 'web', {});
    const container = await addContainer(host, chain({ policy: 'web' }));
    const prevResult = container.result;
    const conf = { cniVersion: '1.0.0', name: 'net', type: 'firewall', ingressPolicy: 'isolated', prevResult };
    expect(await host.cni('ADD', conf, { container, program: `${folder}/firewall` })).toMatchObject({ code: 0 });
    await writePolicy(host, 'web', { isolation: 'bridge' });
    await host.run([process.execPath, refreshDriver]);
    expect(await isolated(host)).toBe('1\n');
  });
});

describe('a gateway address that was lost', () => {
  test.for(['isDefaultGateway', 'IsDefaultGateway', 'ISGATEWAY'])(
    'is found by doctor where the conf asks for it as "%s"',
    async (key, { host }) => {
      await host.outside();
      const { plugins, ...list } = shipped('20-interface-only');
      const asked = plugins.map((plugin) => ({
        ...Object.fromEntries(Object.entries(plugin).filter(([name]) => name !== 'isDefaultGateway')),
        type: 'drawbridge',
        [key]: true,
      }));
      await addContainer(host, { ...list, plugins: asked });
      await host.sh('ip address del 10.89.0.1/16 dev drawbridge1');
      const { json } = await drawbridge(host, ['doctor', '--json']);
      expect(json).toContainEqual(
        expect.objectContaining({ check: 'bridges', found: expect.stringContaining('10.89.0.1/16 is missing') }),
      );
    },
  );
});

describe('an address that another IPAM plugin gave', () => {
  test('is given back by clean, which is told the conf of ADD and where the plugin is', async ({ host }) => {
    await host.sh(`mkdir -p /opt/other
cat > /opt/other/lender <<'SH'
#!/bin/sh
{ echo "$CNI_COMMAND $CNI_CONTAINERID $CNI_IFNAME"; cat; echo; } >> /run/lender.log
[ "$CNI_COMMAND" != ADD ] || echo '{"cniVersion": "1.0.0", "ips": [{"address": "10.77.0.9/24"}]}'
SH
chmod +x /opt/other/lender`);
    const container = await host.container();
    const conf = { cniVersion: '1.0.0', name: 'lent', type: 'drawbridge', bridge: 'br7', ipam: { type: 'lender' } };
    expect(await host.cni('ADD', conf, { container, path: '/opt/other' })).toMatchObject({ code: 0 });
    await container.remove();
    await host.sh(
      'ip link del br7; ip link show type veth | grep -o "veth[0-9a-f]*" | xargs -rn1 ip link del; : > /run/lender.log',
    );
    await drawbridge(host, ['clean']);
    const [first = '', told = ''] = (await host.sh('cat /run/lender.log')).split('\n');
    expect({ first, told: JSON.parse(told) }).toMatchObject({ first: `DEL ${container.name} eth0`, told: conf });
    expect(await host.sh('ls /run/drawbridge/attachments')).toBe('');
  });
});
