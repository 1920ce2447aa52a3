import { afterAll, beforeAll, describe, expect, test } from 'vitest';
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
import { debian, versionOf } from './tools.ts';

const root = debian('containerd');

describe.skipIf(root === undefined)(
  `ctr of containerd ${versionOf(root, 'bin/containerd')}, runc ${versionOf(root, 'sbin/runc')}`,
  () => {
    let machine: ContainerdMachine;
    beforeAll(async () => {
      machine = await makeContainerdMachine();
      await writeNetwork(machine, '10-drawbridge.conflist', shipped('10-drawbridge.conflist'));
    });
    afterAll(async () => machine?.[Symbol.asyncDispose]());

    test('`run --rm --cni`: addresses of both families and a default route', async () => {
      const printed = await machine.run([
        'ctr',
        'run',
        '--rm',
        '--cni',
        imageName,
        'c1',
        '/bin/sh',
        '-c',
        'ip address show eth0; ip route',
      ]);
      expect(printed).toMatch(/inet 10\.88\.0\.\d+\/16/);
      expect(printed).toMatch(/inet6 fd00:88::\d+\/64/);
      expect(printed).toMatch(/default via 10\.88\.0\.1/);
      expect(await leftBehind(machine)).toEqual([]);
    });

    test('`run --rm --cni`, `task kill`: reaches the internet, and no private address', async () => {
      const { host, outside } = machine;
      await outside.address('10.7.7.7');
      await host.serve(outside, { port: 80, address: '10.7.7.7', reply: 'private' });
      await host.takeBaseline();
      const client = await machine.spawn(['ctr', 'run', '--rm', '--cni', imageName, 'c2']);
      const pid = await until(
        'c2 runs',
        async () => /^c2\s+(\d+)\s+RUNNING/m.exec(await machine.run(['ctr', 'task', 'ls']))?.[1],
      );
      expect(await host.fetch(netnsOf(pid), '8.8.8.8', 80)).toBe('hello 192.0.2.1');
      expect(await host.fetch(netnsOf(pid), '10.7.7.7', 80)).toMatch(/refused|unreachable/);
      await machine.run(['ctr', 'task', 'kill', '-s', 'KILL', 'c2']);
      await until('ctr ends', async () => !(await client.running()));
      expect(await leftBehind(machine)).toEqual([]);
    });
  },
);
