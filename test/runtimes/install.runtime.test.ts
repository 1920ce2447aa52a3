import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { executable } from '../helpers/executable.ts';
import { leftBehind, makeContainerdMachine, type ContainerdMachine } from './containerd.ts';
import { imageName } from './image.ts';
import { until } from './machine.ts';
import { client, debian, version, versionOf } from './tools.ts';

const root = debian('containerd');
const request = { send: 'GET / HTTP/1.0\r\n\r\n' };

describe.skipIf(root === undefined || client('nerdctl') === undefined)(
  `nerdctl ${version('nerdctl')} on a Debian host with containerd ${versionOf(root, 'bin/containerd')} and nothing else of CNI`,
  () => {
    let machine: ContainerdMachine;
    let files: string;
    const nerdctl = async (...args: string[]) => (await machine.run(['nerdctl', ...args])).trim();
    const run = async (name: string, ...options: string[]) =>
      nerdctl('run', '-d', '--pull=never', '--name', name, ...options, imageName, '/bin/httpd', '-f', '-h', '/www');
    const served = async (port: number) =>
      until(
        `port ${port} answers`,
        async () => (await machine.host.fetch(machine.outside, '192.0.2.1', port, request)).includes('inside'),
        5,
      );
    const list = async () => machine.sh('find /opt /etc /usr/local/sbin /var/lib/drawbridge -not -type d | sort');

    beforeAll(async () => {
      machine = await makeContainerdMachine();
      // Packages are mounted over /usr, for reading; the link for people goes there.
      await machine.sh('rm -rf /opt/cni /etc/cni; mkdir -p /etc/systemd/system; mount -t tmpfs tmpfs /usr/local/sbin');
      await machine.host.takeBaseline();
      files = await list();
    });
    afterAll(async () => machine?.[Symbol.asyncDispose]());

    test('`drawbridge install`, then one `ctr run --cni`; it says what nerdctl needs besides', async () => {
      const { stderr } = await machine.exec([executable, 'install']);
      expect(stderr.replaceAll(/\s+/g, ' ')).toContain(
        '"/opt/cni/bin" has no "bridge": "drawbridge install --drop-in"',
      );
      await expect(run('web', '--net', 'drawbridge')).rejects.toThrow('needs CNI plugin \\"bridge\\"');
      expect(
        await machine.run(['ctr', 'run', '--rm', '--cni', imageName, 'c1', '/bin/ip', 'address', 'show', 'eth0']),
      ).toMatch(/inet 10\.88\.0\.2\/16/);
      expect(await leftBehind(machine, [/\/install\.json$/])).toEqual([]);
    });

    test('`drawbridge install --drop-in`, then one `nerdctl run --net drawbridge -p`, and one without `--net`', async () => {
      // Of pages it speaks: packages are mounted over /usr for reading.
      expect((await machine.exec([executable, 'install', '--drop-in'])).stderr).not.toContain('nerdctl');
      await run('web', '--net', 'drawbridge', '-p', '8080:80');
      await run('plain', '-p', '8081:80');
      await served(8080);
      await served(8081);
      expect(await machine.run(['drawbridge', 'list'])).toMatch(/10\.88\.0\.\d+ +8080->80\/tcp +restricted/);
      await nerdctl('rm', '-f', 'web', 'plain');
      expect(await leftBehind(machine, [/\/install\.json$/])).toEqual([]);
    });

    test('`drawbridge uninstall` leaves what was there before', async () => {
      await machine.run(['drawbridge', 'uninstall']);
      expect(await machine.host.leftovers()).toEqual([]);
      // nerdctl's own: the list of its default network, and its lock.
      const now = (await list()).replaceAll(
        /.*\/etc\/cni\/net\.d\/(?:nerdctl-bridge\.conflist|\.nerdctl\.lock|\.cni-concurrency\.lock)\n/g,
        '',
      );
      expect(now).toBe(files);
    });
  },
);
