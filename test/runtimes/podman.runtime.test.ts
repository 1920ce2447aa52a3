import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { leftBehind, netnsOf } from './containerd.ts';
import { imageName } from './image.ts';
import { until, type Machine } from './machine.ts';
import { makePodmanMachine } from './podman.ts';
import { debian, versionOf } from './tools.ts';

const root = debian('podman');
const request = { send: 'GET / HTTP/1.0\r\n\r\n' };

describe.skipIf(root === undefined)(
  `podman ${versionOf(root, 'bin/podman')} with CNI, crun ${versionOf(root, 'bin/crun')}`,
  () => {
    let machine: Machine;
    const podman = async (...args: string[]) => (await machine.run(['podman', ...args])).trim();
    const run = async (name: string, ...options: string[]) =>
      podman('run', '-d', '--pull=never', '--name', name, ...options, imageName, '/bin/httpd', '-f', '-h', '/www');
    const netns = async (name: string) => netnsOf(await podman('inspect', '--format', '{{.State.Pid}}', name));
    const served = async (port: number) =>
      until(
        `port ${port} answers`,
        async () => (await machine.host.fetch(machine.outside, '192.0.2.1', port, request)).includes('inside'),
        5,
      );

    beforeAll(async () => {
      machine = await makePodmanMachine();
    });
    afterEach(async () => void (await machine.exec(['podman', 'rm', '-f', '-t', '0', '-a'])));
    afterAll(async () => machine?.[Symbol.asyncDispose]());

    test('`run -p` tcp on the default network of podman, `rm -f`', async () => {
      await run('c1', '-p', '8080:80');
      await served(8080);
      expect(await machine.host.fetch(await netns('c1'), '8.8.8.8', 80)).toBe('hello 192.0.2.1');
      await podman('rm', '-f', '-t', '0', 'c1');
      expect(await leftBehind(machine)).toEqual([]);
    });

    test('`run -p` udp, `rm -f`', async () => {
      await run('c1', '-p', '5353:53/udp');
      await machine.host.serve(await netns('c1'), { port: 53, proto: 'udp', reply: 'udp {peer}' });
      expect(await machine.host.fetch(machine.outside, '192.0.2.1', 5353, { proto: 'udp' })).toBe('udp 192.0.2.2');
      await podman('rm', '-f', '-t', '0', 'c1');
      expect(await leftBehind(machine)).toEqual([]);
    });

    test('`run --network drawbridge -p`: the shipped network with its policy, other addresses', async () => {
      const { host, outside } = machine;
      await outside.address('10.7.7.7');
      await host.serve(outside, { port: 80, address: '10.7.7.7', reply: 'private' });
      await host.takeBaseline();
      await run('c1', '--network', 'drawbridge', '-p', '8081:80');
      await served(8081);
      expect(await host.fetch(await netns('c1'), '8.8.8.8', 80)).toBe('hello 192.0.2.1');
      expect(await host.fetch(await netns('c1'), '10.7.7.7', 80)).toMatch(/refused|unreachable/);
      await podman('rm', '-f', '-t', '0', 'c1');
      expect(await leftBehind(machine)).toEqual([]);
    });

    test('`network create`, `run --ip --mac-address`, `network rm`', async () => {
      await podman('network', 'create', '--subnet', '10.91.0.0/24', 'n1');
      await run('c1', '--network', 'n1', '--ip', '10.91.0.9', '--mac-address', '02:11:22:33:44:66');
      const shown = await podman('exec', 'c1', 'ip', 'address');
      expect(shown).toContain('inet 10.91.0.9/24');
      expect(shown).toContain('link/ether 02:11:22:33:44:66');
      await podman('rm', '-f', '-t', '0', 'c1');
      await podman('network', 'rm', 'n1');
      expect(await leftBehind(machine)).toEqual([]);
    });

    test('`network create --ipv6`, two networks of one container', async () => {
      await podman('network', 'create', '--ipv6', '--subnet', 'fd00:91::/64', '--subnet', '10.92.0.0/24', 'n6');
      await run('c1', '--network', 'n6,podman');
      const shown = await podman('exec', 'c1', 'ip', 'address');
      expect(shown).toContain('inet6 fd00:91::2/64');
      expect(shown).toContain('inet 10.92.0.2/24');
      expect(shown).toMatch(/inet 10\.88\.0\.\d+\/16 .*eth[01]/);
      await podman('rm', '-f', '-t', '0', 'c1');
      await podman('network', 'rm', 'n6');
      expect(await leftBehind(machine)).toEqual([]);
    });

    test('`network disconnect` and `network connect` of a running container with a published port', async () => {
      await podman('network', 'create', '--subnet', '10.93.0.0/24', 'n1');
      await run('c1');
      await podman('network', 'connect', 'n1', 'c1');
      expect(await podman('exec', 'c1', 'ip', 'address')).toContain('inet 10.93.0.2/24');
      await podman('network', 'disconnect', 'n1', 'c1');
      expect(await podman('exec', 'c1', 'ip', 'address')).not.toContain('10.93.0.2');
      await podman('rm', '-f', '-t', '0', 'c1');
      await podman('network', 'rm', 'n1');
      expect(await leftBehind(machine)).toEqual([]);
    });

    test('`pod create -p`, two containers in it, `pod rm`', async () => {
      await podman(
        'pod',
        'create',
        '--name',
        'pod',
        '-p',
        '8082:80',
        '--infra-image',
        imageName,
        '--infra-command',
        '/bin/sleep 1000',
      );
      await podman('run', '-d', '--pull=never', '--pod', 'pod', imageName, '/bin/httpd', '-f', '-h', '/www');
      await podman('run', '-d', '--pull=never', '--pod', 'pod', imageName);
      await served(8082);
      await podman('pod', 'rm', '-f', '-t', '0', 'pod');
      expect(await leftBehind(machine)).toEqual([]);
    });

    test('`stop`, `start` again, `kill -9` of the process, `start` again, `rm`', async () => {
      await run('c1', '-p', '8080:80');
      await served(8080);
      await podman('stop', '-t', '0', 'c1');
      expect(await leftBehind(machine)).toEqual([]);
      await podman('start', 'c1');
      await served(8080);
      await machine.run(['kill', '-9', await podman('inspect', '--format', '{{.State.Pid}}', 'c1')]);
      expect(await leftBehind(machine)).toEqual([]);
      await podman('start', 'c1');
      await served(8080);
      await podman('rm', '-f', '-t', '0', 'c1');
      expect(await leftBehind(machine)).toEqual([]);
    });

    test('`network reload` after `nft flush ruleset`: published ports work again', async () => {
      await run('c1', '-p', '8080:80');
      await served(8080);
      await machine.sh('nft flush ruleset');
      await podman('network', 'reload', 'c1');
      await served(8080);
      await podman('rm', '-f', '-t', '0', 'c1');
      expect(await leftBehind(machine)).toEqual([]);
    });
  },
);
