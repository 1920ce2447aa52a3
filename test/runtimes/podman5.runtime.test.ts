import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Json, Place } from '../helpers/host.ts';
import { netnsOf } from './containerd.ts';
import { imageName } from './image.ts';
import { until } from './machine.ts';
import { hasPodman5, makePodman5Machine, podman5Version, type Podman5Machine } from './podman5.ts';

const request = { send: 'GET / HTTP/1.0\r\n\r\n' };

describe.skipIf(!hasPodman5)(`podman ${podman5Version('podman')}, netavark ${podman5Version('netavark')}`, () => {
  let machine: Podman5Machine;
  const run = async (name: string, ...options: string[]): Promise<string> =>
    machine.podman(
      'run',
      '-d',
      '--pull=never',
      '--name',
      name,
      ...options,
      imageName,
      '/bin/httpd',
      '-f',
      '-h',
      '/www',
    );
  const netns = async (name: string): Promise<Place> =>
    netnsOf(await machine.podman('inspect', '--format', '{{.State.Pid}}', name));
  const served = async (port: number): Promise<boolean> =>
    until(
      `port ${port} answers`,
      async () => (await machine.host.fetch(machine.outside, '192.0.2.1', port, request)).includes('inside'),
      5,
    );
  const shown = async (network: string): Promise<Json> =>
    JSON.parse(await machine.podman('network', 'inspect', network))[0];

  beforeAll(async () => {
    machine = await makePodman5Machine();
  });
  afterEach(async () => {
    await machine.podman('rm', '-f', '-t', '0', '-a');
    await machine.podman('network', 'prune', '-f');
  });
  afterAll(async () => machine?.[Symbol.asyncDispose]());

  test('`network create -d drawbridge`: a free subnet, a bridge, the gateway', async () => {
    await machine.podman('network', 'create', '-d', 'drawbridge', 'n1');
    const network = await shown('n1');
    expect(network).toMatchObject({
      driver: 'drawbridge',
      subnets: [{ subnet: '10.89.0.0/24', gateway: '10.89.0.1' }],
    });
    expect(network['network_interface']).toMatch(/^db-[0-9a-f]{10}$/);
    await machine.podman('network', 'create', '-d', 'drawbridge', '--ipv6', 'n2');
    expect((await shown('n2'))['subnets']).toEqual([
      { subnet: '10.89.1.0/24', gateway: '10.89.1.1' },
      { subnet: expect.stringMatching(/^fd[0-9a-f:]+::\/64$/), gateway: expect.stringMatching(/^fd.*::1$/) },
    ]);
  });

  test('`network create -o egress=…` of a policy that is not there is refused', async () => {
    await expect(machine.podman('network', 'create', '-d', 'drawbridge', '-o', 'egress=nosuch', 'n1')).rejects.toThrow(
      'Cannot find policy "nosuch"',
    );
    await expect(machine.podman('network', 'create', '-d', 'drawbridge', '-o', 'egres=x', 'n1')).rejects.toThrow(
      'the nearest one is "egress"',
    );
  });

  test('`run --network -p`: the internet, a published port, `rm`', async () => {
    const { host } = machine;
    await machine.podman('network', 'create', '-d', 'drawbridge', 'n1');
    await run('c1', '--network', 'n1', '-p', '8080:80');
    await served(8080);
    expect(await host.fetch(await netns('c1'), '8.8.8.8', 80)).toBe('hello 192.0.2.1');
    expect(await machine.drawbridge('list')).toContain('n1');
    await machine.podman('rm', '-f', '-t', '0', 'c1');
    expect(await machine.host.fetch(machine.outside, '192.0.2.1', 8080, request)).not.toContain('inside');
    expect(JSON.parse(await machine.drawbridge('list', '--json'))).toEqual([]);
  });

  test('`network create -o preset=none`: a policy in force', async () => {
    const { host } = machine;
    await machine.podman('network', 'create', '-d', 'drawbridge', '-o', 'preset=none', 'n1');
    await machine.podman('network', 'create', '-d', 'drawbridge', 'n2');
    await run('c1', '--network', 'n1');
    await run('c2', '--network', 'n2');
    expect(await host.fetch(await netns('c1'), '8.8.8.8', 80)).toBe('refused');
    expect(await host.fetch(await netns('c2'), '8.8.8.8', 80)).toBe('hello 192.0.2.1');
  });

  test('`run --ip --mac-address`, two networks, `network connect` and `disconnect`', async () => {
    await machine.podman('network', 'create', '-d', 'drawbridge', '--subnet', '10.91.0.0/24', 'n1');
    await machine.podman('network', 'create', '-d', 'drawbridge', '--subnet', '10.92.0.0/24', 'n2');
    await run('c1', '--network', 'n1:ip=10.91.0.9,mac=02:11:22:33:44:66');
    await machine.podman('network', 'connect', '--ip', '10.92.0.9', 'n2', 'c1');
    const both = await machine.podman('exec', 'c1', 'ip', 'address');
    expect(both).toContain('inet 10.91.0.9/24');
    expect(both).toContain('link/ether 02:11:22:33:44:66');
    expect(both).toContain('inet 10.92.0.9/24');
    await machine.podman('network', 'disconnect', 'n2', 'c1');
    expect(await machine.podman('exec', 'c1', 'ip', 'address')).not.toContain('10.92.0.9');
  });

  test('`network reload`, `restart`: the port is published again', async () => {
    await machine.podman('network', 'create', '-d', 'drawbridge', 'n1');
    await run('c1', '--network', 'n1', '-p', '8080:80');
    await machine.podman('network', 'reload', 'c1');
    await served(8080);
    await machine.podman('restart', '-t', '0', 'c1');
    await served(8080);
  });

  test('`network create --ipv6`, `run -p`: both families out, and in over IPv6', async () => {
    const { host, outside } = machine;
    await outside.address('2001:db8:8::8');
    await host.serve(outside, { port: 80, address: '2001:db8:8::8', reply: 'hello {peer}' });
    await machine.podman('network', 'create', '-d', 'drawbridge', '--ipv6', 'n1');
    await run('c1', '--network', 'n1', '-p', '8080:80');
    expect(await host.fetch(await netns('c1'), '8.8.8.8', 80)).toBe('hello 192.0.2.1');
    expect(await host.fetch(await netns('c1'), '2001:db8:8::8', 80)).toBe(`hello ${outside.hostV6}`);
    await until(
      'it answers',
      async () => (await host.fetch(outside, outside.hostV6, 8080, request)).includes('inside'),
      5,
    );
  });

  test('a container that podman starts again after the host lost everything in /run', async () => {
    const { host } = machine;
    await machine.podman('network', 'create', '-d', 'drawbridge', '--subnet', '10.91.0.0/24', 'n1');
    await run('c1', '--network', 'n1:ip=10.91.0.9');
    const lose =
      'rm -rf /run/drawbridge; nft flush ruleset; for bridge in $(ls /sys/class/net | grep ^db-); do ip link delete $bridge; done';
    await machine.inside('sh', '-c', lose);
    await machine.podman('kill', 'c1');
    await machine.podman('start', 'c1');
    expect(await machine.podman('exec', 'c1', 'ip', 'address')).toContain('inet 10.91.0.9/24');
    expect(await host.fetch(await netns('c1'), '8.8.8.8', 80)).toBe('hello 192.0.2.1');
  });

  test('`network create --internal`: no way out', async () => {
    const { host } = machine;
    await machine.podman('network', 'create', '-d', 'drawbridge', '--internal', 'n1');
    await run('c1', '--network', 'n1');
    await run('c2', '--network', 'n1');
    expect(await host.fetch(await netns('c1'), '8.8.8.8', 80)).not.toContain('hello');
    const address = await machine.podman(
      'inspect',
      '--format',
      '{{(index .NetworkSettings.Networks "n1").IPAddress}}',
      'c2',
    );
    expect(await host.fetch(await netns('c1'), address, 80, request)).toContain('inside');
  });
});
