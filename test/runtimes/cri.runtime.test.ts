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
import { client, debian, version, versionOf } from './tools.ts';
import { until } from './machine.ts';

const root = debian('containerd');

/** Debian's knows no cniVersion after 1.0.0; the new one asks for STATUS. */
const containerds = [
  { isNew: false, version: versionOf(root, 'bin/containerd'), isHere: root !== undefined },
  { isNew: true, version: version('containerd'), isHere: root !== undefined && client('containerd') !== undefined },
];

for (const { isNew, version: containerdVersion, isHere } of containerds)
  describe.skipIf(!isHere || client('crictl') === undefined)(
    `CRI of containerd ${containerdVersion} by crictl ${version('crictl')}`,
    () => {
      let machine: ContainerdMachine;
      const crictl = async (...args: string[]) => (await machine.run(['crictl', ...args])).trim();
      let pods = 0;
      /** The shipped list, with a policy to choose; and bandwidth last, for pods that ask for it. */
      const network = shipped('10-drawbridge.conflist', (plugins) => {
        plugins[1]!['selectable'] = ['sealed'];
        plugins.push({ type: 'bandwidth', capabilities: { bandwidth: true } });
      });

      /** Starts a pod of two containers, the first of which serves a page on port 80. */
      async function startPod({
        annotations = {},
        hostPort = 8080,
      }: { annotations?: Record<string, string>; hostPort?: number } = {}) {
        const name = `pod${++pods}`;
        const pod = {
          metadata: { name, namespace: 'default', uid: name, attempt: 1 },
          annotations,
          log_directory: '/run/logs',
          port_mappings: [{ protocol: 0, container_port: 80, host_port: hostPort }],
          linux: {},
        };
        const container = (which: string, command: string[]) => ({
          metadata: { name: which },
          image: { image: imageName },
          command,
          log_path: `${which}.log`,
          linux: {},
        });
        await machine.run(['tee', '/run/pod.json'], { input: JSON.stringify(pod) });
        const id = await crictl('runp', '/run/pod.json');
        for (const one of [
          container('web', ['/bin/httpd', '-f', '-h', '/www']),
          container('other', ['/bin/sleep', '1000']),
        ]) {
          await machine.run(['tee', '/run/container.json'], { input: JSON.stringify(one) });
          await crictl('start', await crictl('create', id, '/run/container.json', '/run/pod.json'));
        }
        const { info } = JSON.parse(await crictl('inspectp', id)) as { info: { pid: number } };
        return { id, netns: netnsOf(info.pid) };
      }

      const page = async (address: string, port: number) =>
        machine.host.fetch(machine.outside, address, port, { send: 'GET / HTTP/1.0\r\n\r\n' });

      beforeAll(async () => {
        machine = await makeContainerdMachine({ isNew });
        await machine.sh(
          `mkdir -p /etc/drawbridge/policies; echo '{"mode":"allowlist","preset":"none"}' > /etc/drawbridge/policies/sealed.json`,
        );
        await writeNetwork(machine, '10-drawbridge.conflist', network);
        await until('the CRI plugin has read the network', async () =>
          /"lastCNILoadStatus": "OK"/.test(await crictl('info')),
        );
      });
      afterAll(async () => machine?.[Symbol.asyncDispose]());

      test('`runp` with hostPort, two containers, `stopp`, `rmp`', async () => {
        const { host } = machine;
        const { id, netns } = await startPod();
        expect(await page('192.0.2.1', 8080)).toContain('inside');
        expect(await host.fetch(netns, '8.8.8.8', 80)).toBe('hello 192.0.2.1');
        expect(JSON.parse(await crictl('inspectp', id))).toMatchObject({
          status: {
            network: {
              ip: expect.stringMatching(/^10\.88\./) as string,
              additionalIps: [{ ip: expect.stringMatching(/^fd00:88:/) as string }],
            },
          },
        });
        await crictl('stopp', id);
        expect(await leftBehind(machine)).toEqual([]);
        await crictl('rmp', id);
        expect(await leftBehind(machine)).toEqual([]);
      });

      test('pod annotation `drawbridge/egress-policy` chooses a policy of the network', async () => {
        const { id, netns } = await startPod({ annotations: { 'drawbridge/egress-policy': 'sealed' } });
        expect(await machine.host.fetch(netns, '8.8.8.8', 80)).toMatch(/refused|unreachable/);
        await crictl('rmp', '-f', id);
        expect(await leftBehind(machine)).toEqual([]);
      });

      test('pod annotations `kubernetes.io/ingress-bandwidth` and `egress-bandwidth`, with the drop-in `bandwidth` last', async () => {
        const bandwidth = { 'kubernetes.io/ingress-bandwidth': '8M', 'kubernetes.io/egress-bandwidth': '16M' };
        const { id, netns } = await startPod({ annotations: bandwidth });
        const queues = await machine.sh('tc qdisc show');
        expect(queues).toMatch(/tbf 1: dev veth\w+ root .*rate 8Mbit/);
        expect(queues).toMatch(/tbf 1: dev bwp\w+ root .*rate 16Mbit/);
        expect(await machine.host.fetch(netns, '8.8.8.8', 80)).toBe('hello 192.0.2.1');
        await crictl('rmp', '-f', id);
        expect(await leftBehind(machine)).toEqual([]);
      });

      if (isNew)
        test('`info` says when the network is not ready: no address is free (STATUS)', async () => {
          const ready = async () => {
            const { status } = JSON.parse(await crictl('info')) as {
              status: { conditions: { type: string; status: boolean; message: string }[] };
            };
            return status.conditions.find(({ type }) => type === 'NetworkReady');
          };
          expect(await ready()).toMatchObject({ status: true });
          const tiny = structuredClone(network);
          tiny.plugins[0]!['bridge'] = 'br8';
          tiny.plugins[0]!['ipam'] = { type: 'host-local', ranges: [[{ subnet: '10.79.0.0/30' }]] };
          await writeNetwork(machine, '10-drawbridge.conflist', { ...tiny, name: 'tiny' });
          await until('the CRI plugin has read the network', async () =>
            (await crictl('info')).includes('10.79.0.0/30'),
          );
          const { id } = await startPod();
          const refused = { status: false, message: expect.stringContaining('no address is free in') as string };
          expect(await ready()).toMatchObject(refused);
          await crictl('rmp', '-f', id);
          expect(await ready()).toMatchObject({ status: true });
          await writeNetwork(machine, '10-drawbridge.conflist', network);
          await until(
            'the CRI plugin has read the network',
            async () => !(await crictl('info')).includes('10.79.0.0/30'),
          );
          await machine.sh('ip link del br8');
          expect(await leftBehind(machine)).toEqual([]);
        });

      test('a policy that the network does not offer fails the pod and leaves nothing', async () => {
        await expect(startPod({ annotations: { 'drawbridge/egress-policy': 'open' } })).rejects.toThrow(
          /not selectable/,
        );
        expect(await leftBehind(machine)).toEqual([]);
      });

      test('a hostPort that is taken fails the pod, names the holder and leaves nothing', async () => {
        const { id } = await startPod();
        const before = await machine.host.leftovers();
        await expect(startPod()).rejects.toThrow(/Cannot publish port .*8080\/tcp/);
        expect(await machine.host.leftovers()).toEqual(before);
        await crictl('rmp', '-f', id);
        expect(await leftBehind(machine)).toEqual([]);
      });

      test('containerd killed with -9 while pods run: traffic goes on, and `rmp` after its restart leaves nothing', async () => {
        const { id, netns } = await startPod();
        await machine.kill();
        expect(await page('192.0.2.1', 8080)).toContain('inside');
        expect(await machine.host.fetch(netns, '8.8.8.8', 80)).toBe('hello 192.0.2.1');
        await machine.start();
        await until('the CRI plugin is back', async () => (await machine.exec(['crictl', 'pods'])).code === 0);
        await crictl('stopp', id);
        await crictl('rmp', id);
        expect(await leftBehind(machine)).toEqual([]);
      });

      test('containerd killed with -9 in the middle of `runp`: `rmp -fa` leaves nothing, and the next pod of the same port works', async () => {
        for (const pause of [60, 120, 180, 240, 320]) {
          await machine.run(['tee', '/run/pod.json'], {
            input: JSON.stringify({
              metadata: { name: `killed${pause}`, namespace: 'default', uid: `killed${pause}`, attempt: 1 },
              log_directory: '/run/logs',
              port_mappings: [{ protocol: 0, container_port: 80, host_port: 8080 }],
              linux: {},
            }),
          });
          const begun = machine.exec(['crictl', 'runp', '/run/pod.json']);
          await new Promise((resolve) => setTimeout(resolve, pause));
          await machine.crash();
          await begun;
          await until('the CRI plugin is back', async () => (await machine.exec(['crictl', 'pods'])).code === 0);
          await machine.exec(['crictl', 'rmp', '-fa']);
        }
        // Who held a lock when it was killed is noted until the next one takes it.
        expect(await leftBehind(machine, [/\/locks\/[a-z-]+\.holder$/])).toEqual([]);
        const { id } = await startPod();
        expect(await page('192.0.2.1', 8080)).toContain('inside');
        await crictl('rmp', '-f', id);
        expect(await leftBehind(machine)).toEqual([]);
      });
    },
  );
