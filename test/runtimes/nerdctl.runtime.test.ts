import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  leftBehind,
  makeContainerdMachine,
  netnsOf,
  shipped,
  writeNetwork,
  type ContainerdMachine,
} from './containerd.ts';
import { imageName } from './image.ts';
import { until } from './machine.ts';
import { client, debian, version, versionOf } from './tools.ts';

const root = debian('containerd');
const server = ['/bin/httpd', '-f', '-h', '/www'];
const hostAddress = '192.0.2.1';

describe.skipIf(root === undefined || client('nerdctl') === undefined)(
  `nerdctl ${version('nerdctl')}, containerd ${versionOf(root, 'bin/containerd')}`,
  () => {
    let machine: ContainerdMachine;
    const nerdctl = async (...args: string[]) => (await machine.run(['nerdctl', ...args])).trim();
    const run = async (name: string, options: string[], command = server) =>
      nerdctl('run', '-d', '--pull=never', '--name', name, ...options, imageName, ...command);
    const inspect = async (name: string, format: string) => nerdctl('inspect', '--format', format, name);
    const netns = async (name: string) => netnsOf(await inspect(name, '{{.State.Pid}}'));
    const page = async (port: number) =>
      machine.host.fetch(machine.outside, hostAddress, port, { send: 'GET / HTTP/1.0\r\n\r\n' });
    const inside = async (name: string) => nerdctl('exec', name, 'ip', 'address');

    /** A container that does not serve yet answers "refused". */
    const served = async (port: number) =>
      until(`port ${port} answers`, async () => (await page(port)).includes('inside'), 5);

    beforeAll(async () => {
      machine = await makeContainerdMachine();
      await writeNetwork(machine, '10-drawbridge.conflist', shipped('10-drawbridge.conflist'));
    });
    // So that one that failed is no burden for the next.
    afterEach(async () => {
      const names = (await machine.run(['nerdctl', 'ps', '-aq'])).split('\n').filter((name) => name !== '');
      if (names.length > 0) await machine.exec(['nerdctl', 'rm', '-f', ...names]);
    });
    afterAll(async () => machine?.[Symbol.asyncDispose]());

    test('`run -p` tcp on the default network of nerdctl, `rm -f`', async () => {
      await run('c1', ['-p', '8081:80']);
      await served(8081);
      expect(await machine.host.fetch(machine.host, '127.0.0.1', 8081, { send: 'GET / HTTP/1.0\r\n\r\n' })).toContain(
        'inside',
      );
      expect(await machine.host.fetch(await netns('c1'), '8.8.8.8', 80)).toBe('hello 192.0.2.1');
      await nerdctl('rm', '-f', 'c1');
      expect(await leftBehind(machine)).toEqual([]);
    });

    test('`run -p` udp, `rm -f`', async () => {
      await run('c1', ['-p', '5353:53/udp']);
      await machine.host.serve(await netns('c1'), { port: 53, proto: 'udp', reply: 'udp {peer}' });
      expect(await machine.host.fetch(machine.outside, hostAddress, 5353, { proto: 'udp' })).toBe('udp 192.0.2.2');
      await nerdctl('rm', '-f', 'c1');
      expect(await leftBehind(machine)).toEqual([]);
    });

    test('`run -p 127.0.0.1:…` is not reached from outside', async () => {
      await run('c1', ['-p', '127.0.0.1:8081:80']);
      await until(
        'it serves',
        async () =>
          (await machine.host.fetch(machine.host, '127.0.0.1', 8081, { send: 'GET / HTTP/1.0\r\n\r\n' })).includes(
            'inside',
          ),
        5,
      );
      expect(await page(8081)).toBe('refused');
      await nerdctl('rm', '-f', 'c1');
      expect(await leftBehind(machine)).toEqual([]);
    });

    test('a port that is published already is refused, and nothing is left of the second container', async () => {
      await run('c1', ['-p', '8081:80']);
      await served(8081);
      const second = await machine.exec([
        'nerdctl',
        'run',
        '-d',
        '--pull=never',
        '--name',
        'c2',
        '-p',
        '8081:80',
        imageName,
      ]);
      expect(second.code).not.toBe(0);
      await machine.exec(['nerdctl', 'rm', '-f', 'c2']);
      await served(8081);
      await nerdctl('rm', '-f', 'c1');
      expect(await leftBehind(machine)).toEqual([]);
    });

    test('`run --net drawbridge -p`: the shipped network with its policy', async () => {
      const { host, outside } = machine;
      await outside.address('10.7.7.7');
      await host.serve(outside, { port: 80, address: '10.7.7.7', reply: 'private' });
      await host.takeBaseline();
      await run('c1', ['--net', 'drawbridge', '-p', '8082:80']);
      await served(8082);
      expect(await host.fetch(await netns('c1'), '8.8.8.8', 80)).toBe('hello 192.0.2.1');
      expect(await host.fetch(await netns('c1'), '10.7.7.7', 80)).toMatch(/refused|unreachable/);
      await nerdctl('rm', '-f', 'c1');
      expect(await leftBehind(machine)).toEqual([]);
    });

    test('`stop`, `start` again, `kill`, `rm`', async () => {
      await run('c1', ['-p', '8081:80']);
      await served(8081);
      await nerdctl('stop', '-t', '1', 'c1');
      expect(await leftBehind(machine)).toEqual([]);
      await nerdctl('start', 'c1');
      await served(8081);
      await nerdctl('kill', 'c1');
      expect(await leftBehind(machine)).toEqual([]);
      await nerdctl('rm', 'c1');
      expect(await leftBehind(machine)).toEqual([]);
    });

    // containerd calls the hook that removes the network when the dead task is deleted, which "start" and "rm" do.
    test('`kill -9` of the process of a container, `start` again, `kill -9`, `rm`', async () => {
      await run('c1', ['-p', '8081:80']);
      await machine.run(['kill', '-9', await inspect('c1', '{{.State.Pid}}')]);
      await until('the container has ended', async () => (await inspect('c1', '{{.State.Status}}')) === 'exited', 5);
      await nerdctl('start', 'c1');
      await served(8081);
      await machine.run(['kill', '-9', await inspect('c1', '{{.State.Pid}}')]);
      await until('the container has ended', async () => (await inspect('c1', '{{.State.Status}}')) === 'exited', 5);
      await nerdctl('rm', 'c1');
      expect(await leftBehind(machine)).toEqual([]);
    });

    test('`network create`, `run --ip`, `run --mac-address`, `network rm`', async () => {
      await nerdctl('network', 'create', '--subnet', '10.61.0.0/24', 'n1');
      await run('c1', ['--net', 'n1', '--ip', '10.61.0.77', '--mac-address', '02:11:22:33:44:55']);
      const shown = await inside('c1');
      expect(shown).toContain('inet 10.61.0.77/24');
      expect(shown).toContain('link/ether 02:11:22:33:44:55');
      expect(await machine.host.fetch(await netns('c1'), '8.8.8.8', 80)).toBe('hello 192.0.2.1');
      await nerdctl('rm', '-f', 'c1');
      await nerdctl('network', 'rm', 'n1');
      expect(await leftBehind(machine)).toEqual([]);
    });

    test('`network create --ipv6`, `run --ip6`', async () => {
      await nerdctl('network', 'create', '--ipv6', '--subnet', 'fd00:61::/64', '--subnet', '10.62.0.0/24', 'n6');
      await run('c1', ['--net', 'n6', '--ip6', 'fd00:61::77']);
      expect(await inside('c1')).toContain('inet6 fd00:61::77/64');
      await nerdctl('rm', '-f', 'c1');
      await nerdctl('network', 'rm', 'n6');
      expect(await leftBehind(machine)).toEqual([]);
    });

    test('two networks of one container, `run --net n1 --net n2 -p`; the bridges are apart', async () => {
      await nerdctl('network', 'create', '--subnet', '10.63.0.0/24', 'n1');
      await nerdctl('network', 'create', '--subnet', '10.64.0.0/24', 'n2');
      await run('both', ['--net', 'n1', '--net', 'n2', '-p', '8081:80']);
      await run('one', ['--net', 'n1']);
      await run('two', ['--net', 'n2']);
      await served(8081);
      const shown = await inside('both');
      expect(shown).toMatch(/inet 10\.63\.0\.2\/24 .*eth0/);
      expect(shown).toMatch(/inet 10\.64\.0\.2\/24 .*eth1/);
      const get = async (from: string, address: string) =>
        machine.host.fetch(await netns(from), address, 80, { send: 'GET / HTTP/1.0\r\n\r\n' });
      await until('it serves', async () => (await get('both', '10.63.0.3')).includes('inside'), 5);
      expect(await get('both', '10.64.0.3')).toContain('inside');
      expect(await get('one', '10.64.0.3')).toBe('timeout');
      await nerdctl('rm', '-f', 'both', 'one', 'two');
      await nerdctl('network', 'rm', 'n1', 'n2');
      expect(await leftBehind(machine)).toEqual([]);
    });

    test('`network create --internal`: no way out', async () => {
      await nerdctl('network', 'create', '--internal', 'closed');
      await run('c1', ['--net', 'closed']);
      expect(await machine.host.fetch(await netns('c1'), '8.8.8.8', 80)).not.toContain('hello');
      await nerdctl('rm', '-f', 'c1');
      await nerdctl('network', 'rm', 'closed');
      expect(await leftBehind(machine)).toEqual([]);
    });

    test('`network create -o com.docker.network.bridge.enable_icc=false`: siblings are apart', async () => {
      await nerdctl(
        'network',
        'create',
        '-o',
        'com.docker.network.bridge.enable_icc=false',
        '--subnet',
        '10.65.0.0/24',
        'apart',
      );
      await run('c1', ['--net', 'apart']);
      await run('c2', ['--net', 'apart']);
      expect(await machine.host.fetch(await netns('c1'), '10.65.0.3', 80)).not.toContain('inside');
      expect(await machine.host.fetch(await netns('c1'), '8.8.8.8', 80)).toBe('hello 192.0.2.1');
      await nerdctl('rm', '-f', 'c1', 'c2');
      await nerdctl('network', 'rm', 'apart');
      expect(await leftBehind(machine)).toEqual([]);
    });

    test('a hundred ports of one container, `-p 9000-9099:…`', async () => {
      await run('c1', ['-p', '9000-9099:9000-9099'], ['/bin/httpd', '-f', '-p', '9099', '-h', '/www']);
      await served(9099);
      await nerdctl('rm', '-f', 'c1');
      expect(await leftBehind(machine)).toEqual([]);
    });
  },
);
