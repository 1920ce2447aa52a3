/** DEL removes what is ours, and spares an interface that merely has the name it was called with. */
import { describe, expect, test, type Container, type Host, type Json } from '../../helpers/host.ts';
import { attachmentsLeft, expectFailure, hostInterfaceIn, hostLocal, interfaceConf, succeeded } from './network.ts';

const conf = interfaceConf();
const other = interfaceConf({ name: 'other', bridge: 'br1', ipam: hostLocal('10.2.0.0/24', 'fd02::/64') });

async function attached(host: Host): Promise<{ container: Container; isWell: () => Promise<boolean> }> {
  const container = await host.container('c1');
  const prevResult = succeeded(await host.cni('ADD', conf, { container }));
  return {
    container,
    isWell: async () =>
      (await host.cni('CHECK', { ...conf, prevResult }, { container })).error === undefined &&
      (await host.ping(container, '10.1.0.1')) === 'answer',
  };
}

describe('DEL spares an interface that has its name and is not its own', () => {
  test('of another network, after an ADD that was refused because of it', async ({ host }) => {
    const { container, isWell } = await attached(host);
    expectFailure(await host.cni('ADD', other, { container }), 102, 'already exists');
    succeeded(await host.cni('DEL', other, { container }));
    expect(await isWell()).toBe(true);
  });

  test('of a container that lives in the namespace that it names', async ({ host }) => {
    const { container, isWell } = await attached(host);
    succeeded(await host.cni('DEL', conf, { containerId: 'nobody', netns: container.netns }));
    expect(await isWell()).toBe(true);
  });

  test.for<[string, string]>([
    ['a veth that somebody moved in', 'ip link add stranger type veth peer name eth0 netns c1'],
    [
      'a veth whose host end has the MAC of ours and leads elsewhere',
      `ip link add stranger type veth peer name eth0 netns c1; ip link add veth1 address $(cat /run/mac) type veth peer name veth2`,
    ],
    ['a bridge', 'ip -n c1 link add eth0 type bridge'],
    ['a tap', 'ip netns exec c1 ip tuntap add dev eth0 mode tap'],
  ])('%s', async ([, make], { host }) => {
    const container = await host.container('c1');
    const result = succeeded(await host.cni('ADD', conf, { container }));
    await host.sh(
      `ip -json link show ${hostInterfaceIn(result)} | grep -o '"address":"[^"]*"' | cut -d'"' -f4 > /run/mac`,
    );
    succeeded(await host.cni('DEL', conf, { container }));
    await host.sh(make);
    succeeded(await host.cni('DEL', conf, { container }));
    expect((await container.exec(['ip', 'link', 'show', 'eth0'])).code).toBe(0);
  });

  test('loopback: CNI_IFNAME=lo is a success, twice', async ({ host }) => {
    const container = await host.container('c1');
    for (let time = 0; time < 2; time += 1) succeeded(await host.cni('DEL', conf, { container, ifname: 'lo' }));
    expect(await container.exec(['ip', '-o', 'link', 'show', 'lo', 'up'])).toMatchObject({
      stdout: expect.stringContaining('LOOPBACK'),
    });
  });
});

describe('DEL removes its own interface', () => {
  const forget = 'rm /run/drawbridge/attachments/*.json';
  test.for<[string, (port: string) => string]>([
    ['without a record', () => forget],
    ['that was renamed on the host', (port) => `ip link set ${port} down; ip link set ${port} name renamed`],
    [
      'that was renamed on the host, without a record',
      (port) => `ip link set ${port} down; ip link set ${port} name renamed; ${forget}`,
    ],
    ['that was taken off its bridge', (port) => `ip link set ${port} nomaster; ${forget}`],
  ])('%s', async ([, change], { host }) => {
    const container = await host.container('c1');
    const result: Json = succeeded(await host.cni('ADD', conf, { container }));
    await host.sh(change(hostInterfaceIn(result)));
    succeeded(await host.cni('DEL', conf, { container }));
    expect((await container.exec(['ip', 'link', 'show', 'eth0'])).code).toBe(1);
    expect((await attachmentsLeft(host)).filter((line) => /link/.test(line))).toEqual([]);
  });

  test.for([
    ['that the reference made, by prevResult', '02:00:5e:00:53:01', 1],
    ['and not one with another MAC than prevResult says', '02:00:5e:00:53:99', 0],
  ] as const)('%s', async ([, told, code], { host }) => {
    const container = await host.container('c1');
    await host.sh(
      `ip link add veththeirs address 02:00:5e:00:53:02 type veth peer name eth0 address 02:00:5e:00:53:01 netns c1`,
    );
    const prevResult = {
      cniVersion: '1.1.0',
      interfaces: [
        { name: 'veththeirs', mac: '02:00:5e:00:53:02' },
        { name: 'eth0', mac: told, sandbox: container.netns },
      ],
      ips: [],
    };
    succeeded(await host.cni('DEL', { ...conf, prevResult }, { container }));
    expect((await container.exec(['ip', 'link', 'show', 'eth0'])).code).toBe(code);
  });
});
