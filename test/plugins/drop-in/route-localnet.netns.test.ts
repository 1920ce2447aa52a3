/** `route_localnet` where ports are published by the drop-in, seen to by the agent, and left by uninstall. */
import { drawbridge } from '../../cli/cli.ts';
import { startAgent } from '../../agent/process/agent.ts';
import { describe, expect, test, type Container, type Host, type Json, type Server } from '../../helpers/host.ts';
import { referencePlugins } from '../egress-policy/network.ts';
import { folder, installDropIns } from './links.ts';

const web = { hostPort: 8080, containerPort: 80, protocol: 'tcp' };
const network = { cniVersion: '1.1.0', name: 'net' };
const bridge = {
  ...network,
  type: 'bridge',
  bridge: 'own0',
  isGateway: true,
  ipam: { type: 'host-local', ranges: [[{ subnet: '10.24.0.0/24' }]] },
};
const portmap = { ...network, type: 'portmap', runtimeConfig: { portMappings: [web] } };

/** A container on a bridge that an operator made, behind the drop-ins, that answers at its port 80. */
async function connect(host: Host): Promise<{ container: Container; server: Server; prevResult: Json }> {
  await installDropIns(host);
  await host.sh(
    'ip link add own0 type bridge; ip link add far0 type veth peer name near0; ip link set near0 master own0',
  );
  const container = await host.container();
  const { error, result } = await host.cni('ADD', bridge, program(container, 'bridge'));
  expect(error).toBeUndefined();
  const server = await host.serve(container, { port: 80, reply: 'inside' });
  return { container, server, prevResult: result ?? {} };
}

function program(container: Container, type: string): { container: Container; path: string; program: string } {
  return { container, path: folder, program: `${folder}/${type}` };
}

async function publish(host: Host, { container, prevResult }: { container: Container; prevResult: Json }) {
  expect((await host.cni('ADD', { ...portmap, prevResult }, program(container, 'portmap'))).error).toBeUndefined();
}

/** Interfaces of the host that take addresses of 127.0.0.0/8. */
async function withRouteLocalnet(host: Host): Promise<string[]> {
  const files = await host.sh(
    'for file in /proc/sys/net/ipv4/conf/*/route_localnet; do test "$(cat $file 2>/dev/null)" != 1 || echo $file; done',
  );
  return [...files.matchAll(/conf\/([^/]+)\//gu)].map(([, name = '']) => name);
}

describe('"route_localnet" of a bridge', () => {
  test('is on from ADD of the drop-in for portmap to its DEL', async ({ host }) => {
    const one = await connect(host);
    expect(await withRouteLocalnet(host)).toEqual([]);
    await publish(host, one);
    expect(await withRouteLocalnet(host)).toEqual(['own0']);
    expect(await host.fetch(host, '127.0.0.1', 8080)).toBe('inside');
    expect((await host.cni('DEL', portmap, program(one.container, 'portmap'))).error).toBeUndefined();
    expect(await withRouteLocalnet(host)).toEqual([]);
  });

  test('is on again when the agent has looked, where somebody turned it off', async ({ host }) => {
    const one = await connect(host);
    await publish(host, one);
    const agent = await startAgent(host);
    await host.sh('echo 0 > /proc/sys/net/ipv4/conf/own0/route_localnet');
    expect(await withRouteLocalnet(host)).toEqual([]);
    await agent.ask('repair');
    expect(await withRouteLocalnet(host)).toEqual(['own0']);
    expect(await host.fetch(host, '127.0.0.1', 8080)).toBe('inside');
    await agent.stop();
  });

  test('is off after uninstall, also where the container went without DEL and the bridge stays', async ({ host }) => {
    const one = await connect(host);
    await publish(host, one);
    await one.server.close();
    await one.container.remove();
    expect(await withRouteLocalnet(host)).toEqual(['own0']);
    // The namespace goes a moment after the last process in it.
    await expect.poll(async () => (await drawbridge(host, ['uninstall'])).code, { timeout: 10_000 }).toBe(0);
    expect(await host.run(['ip', '-brief', 'link', 'show', 'dev', 'own0'])).toContain('own0');
    expect(await withRouteLocalnet(host)).toEqual([]);
  });
});

describe.skipIf(referencePlugins() === undefined)('"route_localnet" of a gateway in a VLAN', () => {
  test('is on while a port is published there, and at nothing else', async ({ host }) => {
    await installDropIns(host);
    const container = await host.container();
    const reference = {
      ...program(container, 'bridge'),
      path: referencePlugins() ?? '',
      program: `${referencePlugins()}/bridge`,
    };
    const conf = { ...bridge, cniVersion: '1.0.0', isGateway: false };
    const { result: prevResult = {} } = await host.cni('ADD', conf, reference);
    // The far end of a pair, as bridge plugins make it where the kernel filters VLANs.
    await host.sh(`
      ip link add own0.7 type veth peer name gw0; ip link set gw0 master own0 up; ip link set own0.7 up
      ip address add 10.24.0.1/24 dev own0.7; sysctl -qw net.ipv4.ip_forward=1`);
    await host.sh('ip route replace default via 10.24.0.1', { where: container });
    await host.serve(container, { port: 80, reply: 'inside' });
    await publish(host, { container, prevResult });
    expect(await withRouteLocalnet(host)).toEqual(['own0.7']);
    expect(await host.fetch(host, '127.0.0.1', 8080)).toBe('inside');
    expect((await host.cni('DEL', portmap, program(container, 'portmap'))).error).toBeUndefined();
    expect(await withRouteLocalnet(host)).toEqual([]);
  });
});
