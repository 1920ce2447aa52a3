import { ask as askGuest, guestCommand } from '../helpers/guest.ts';
import { expect, test, type Host, type Json } from '../helpers/host.ts';
import { addContainer, makeWorld, oneProcess, world } from '../plugins/egress-policy/network.ts';
import { attachmentsLeft } from '../plugins/drawbridge/network.ts';
import { drawbridge, schemaErrors } from './cli.ts';

interface Tap {
  readonly containerId: string;
  readonly guest: {
    readonly tap: string;
    readonly mac: string;
    readonly addresses: { address: string; gateway: string }[];
  };
}

async function addTap(host: Host, ...words: string[]): Promise<Tap> {
  const { code, json, stderr } = await drawbridge(host, ['tap', 'add', ...words, '--json']);
  expect(code, stderr).toBe(0);
  expect(schemaErrors('tap', json)).toEqual([]);
  return json as Tap;
}

/** What stands for a VM: a program that holds the tap. */
function commandOf({ guest: { tap, mac, addresses } }: Tap): string[] {
  const [first] = addresses;
  return guestCommand([tap, mac, first?.address.split('/')[0] ?? '', first?.gateway ?? '']);
}

async function ask(host: Host, tap: Tap, orders: readonly Json[]): Promise<unknown[]> {
  return askGuest(host, { cmd: commandOf(tap) }, orders);
}

test('"tap add" makes a guest that reaches what its policy lets it, with what its kernel and VMM are to be told', async ({
  host,
}) => {
  const outside = await makeWorld(host);
  await host.serve(outside, { port: 9, proto: 'udp', reply: '{peer}' });
  const tap = await addTap(host, 'vm1', '--allow', `${world.public4}:9/udp`, '--dns', '9.9.9.9');
  expect(tap).toMatchObject({
    network: 'taps',
    containerId: 'vm1',
    policy: expect.stringContaining('allowlist'),
    guest: {
      tap: 'vm1',
      addresses: [{ address: '172.16.0.2/32', gateway: '172.16.0.1' }],
      nameservers: ['9.9.9.9'],
      kernelArgument: 'ip=172.16.0.2::172.16.0.1:255.255.0.0::eth0:off:9.9.9.9',
    },
  });
  expect(await ask(host, tap, [{ ask: [world.public4, 9] }, { ask: [world.other4, 9] }])).toEqual(['192.0.2.1', null]);
  const allowed = await drawbridge(host, ['explain', 'vm1', `${world.public4}:9/udp`]);
  expect(allowed.code, allowed.stdout).toBe(0);
  const denied = await drawbridge(host, ['explain', 'vm1', `${world.other4}:9/udp`]);
  expect(denied.code, denied.stdout).toBe(1);
});

test('"tap show" tells again what "tap add" told, also of a guest of a runtime, and nothing of a container', async ({
  host,
}) => {
  await makeWorld(host);
  const words = ['--subnet', '172.16.0.0/30', '--subnet', 'fd00:16::/64', '--dns', '9.9.9.9', '-p', '8080:80'];
  const added = await drawbridge(host, ['tap', 'add', 'vm1', ...words, '--ip', 'fd00:16::7', '--ip', '172.16.0.2']);
  expect(added.code, added.stderr).toBe(0);
  const shown = await drawbridge(host, ['tap', 'show', 'vm1']);
  expect(shown.stdout).toBe(added.stdout);
  expect(shown.stdout).toContain('ip=172.16.0.2::172.16.0.1:255.255.255.252::eth0:off:9.9.9.9');
  expect(shown.stdout).toContain('drawbridge.ipv6=fd00:16::7/');
  await addContainer(host, oneProcess({}, { tap: true }), { name: 'pod' });
  const { json } = await drawbridge(host, ['tap', 'show', 'pod', '--json']);
  expect(schemaErrors('tap', json)).toEqual([]);
  expect(json).toMatchObject({
    containerId: 'pod',
    guest: { tap: 'tap0', kernelArgument: 'ip=10.1.0.2::10.1.0.1:255.255.255.0::eth0:off' },
  });
  await addContainer(host, oneProcess({}), { name: 'web' });
  const none = await drawbridge(host, ['tap', 'show', 'web']);
  expect(none).toMatchObject({ code: 1, stderr: expect.stringContaining('no tap of ours') });
});

test('"explain" and "graph" say of a guest that its vsock passes no firewall, and of a container nothing', async ({
  host,
}) => {
  await makeWorld(host);
  await addTap(host, 'vm1');
  await addContainer(host, oneProcess({}), { name: 'web' });
  const said = async (who: string): Promise<string> =>
    (await drawbridge(host, ['explain', who, '8.8.8.8'])).stdout.replaceAll(/\s+/gu, ' ');
  expect(await said('vm1')).toMatch(
    /no process holds its tap "vm1".*vsock, shared folders and devices of its VM pass no firewall/u,
  );
  expect(await said('web')).not.toContain('vsock');
  for (const format of ['text', 'dot', 'mermaid', 'svg'])
    expect((await drawbridge(host, ['graph', '--format', format])).stdout).toContain('vsock passes no rule');
  const { json } = await drawbridge(host, ['graph', '--json']);
  expect(schemaErrors('graph', json)).toEqual([]);
  const traced = await drawbridge(host, ['explain', 'vm1', '8.8.8.8', '--trace']);
  expect(traced.stderr).toContain('a guest behind the tap "vm1" sends it itself');
});

test('"tap add" without a policy makes a restricted guest, and with a list of the host one of its network', async ({
  host,
}) => {
  await makeWorld(host);
  expect(await addTap(host, 'vm1')).toMatchObject({ policy: 'restricted' });
  const list = {
    cniVersion: '1.1.0',
    name: 'lab',
    plugins: [
      {
        type: 'drawbridge',
        bridge: 'br7',
        isDefaultGateway: true,
        ipMasq: true,
        ipam: { type: 'host-local', subnet: '10.7.0.0/24' },
      },
      { type: 'bandwidth' },
      { type: 'egress-policy', mode: 'open', isolation: 'container', capabilities: { x: true } },
    ],
  };
  await host.run(['sh', '-ec', 'mkdir -p /etc/cni/net.d; cat > /etc/cni/net.d/10-lab.conflist'], {
    input: JSON.stringify(list),
  });
  const { json, stderr } = await drawbridge(host, ['tap', 'add', 'vm2', '--network', 'lab', '--json']);
  expect(json).toMatchObject({ network: 'lab', policy: 'open', guest: { addresses: [{ address: '10.7.0.2/24' }] } });
  expect(stderr).toContain('"bandwidth" of the list "lab" is not run');
  expect(await host.run(['ip', '-br', 'link', 'show', 'master', 'br7'])).toContain('vm2');
  const unknown = await drawbridge(host, ['tap', 'add', 'vm3', '--network', 'nosuch']);
  expect(unknown).toMatchObject({ code: 1, stderr: expect.stringContaining('no list of that name') });
});

test('ports of "tap add -p" and of "port add" lead to the guest', async ({ host }) => {
  const outside = await makeWorld(host);
  const tap = await addTap(host, 'vm1', '-p', '8080:80/udp', '-p', '127.0.0.1:9090:90', '--subnet', '172.16.9.0/30');
  expect(tap).toMatchObject({ ports: [{ hostPort: 8080 }, { hostIp: '127.0.0.1', hostPort: 9090 }] });
  const orders = [{ serve: [80, 'first'] }, { serve: [81, 'second'] }].map((order) => JSON.stringify(order)).join('\n');
  const vm = await host.spawn(['sh', '-c', `(echo '${orders}'; sleep 60) | exec "$@"`, 'sh', ...commandOf(tap)]);
  const fetch = async (port: number): Promise<string> =>
    host.fetch(outside, '192.0.2.1', port, { proto: 'udp', timeout: 1000 });
  await expect.poll(async () => fetch(8080), { timeout: 8000 }).toBe('first');
  expect((await drawbridge(host, ['port', 'add', 'vm1', '8081:81/udp'])).code).toBe(0);
  expect(await fetch(8081)).toBe('second');
  const held = await drawbridge(host, ['tap', 'remove', 'vm1']);
  expect(held).toMatchObject({ code: 1, stderr: expect.stringContaining('a process holds its tap') });
  await vm.stop();
  const gone = await drawbridge(host, ['tap', 'remove', 'vm1']);
  expect(gone.code, gone.stderr).toBe(0);
  expect(await attachmentsLeft(host)).toEqual([]);
});

test('a tap that no process holds is listed as unused, is well by "status", and "clean" and GC leave it', async ({
  host,
}) => {
  await makeWorld(host);
  await addTap(host, 'vm1', '--ephemeral');
  const { json } = await drawbridge(host, ['list', '--json']);
  expect(json).toMatchObject([{ alive: true, stale: ['no process holds its tap "vm1"'] }]);
  const doctor = await drawbridge(host, ['doctor']);
  expect(doctor.stdout).toContain('drawbridge tap remove vm1');
  expect((await drawbridge(host, ['clean'])).stdout).not.toContain('vm1');
  const conf = { cniVersion: '1.1.0', name: 'taps', type: 'drawbridge', 'cni.dev/valid-attachments': [] };
  const collected = await host.cni('GC', conf);
  expect(collected.error, collected.stderr).toBeUndefined();
  expect(await host.run(['ip', '-br', 'link', 'show'])).toContain('vm1');
});

test('an agent removes an ephemeral tap that no process held for the grace, and no other one', async ({ host }) => {
  await makeWorld(host);
  const held = await addTap(host, 'held', '--ephemeral');
  const vm = await host.spawn(['sh', '-c', '(sleep 100) | exec "$@"', 'sh', ...commandOf(held)]);
  await addTap(host, 'unheld', '--ephemeral');
  await addTap(host, 'kept');
  const agent = await host.spawn([
    (await import('../helpers/executable.ts')).executable,
    'agent',
    '--clean',
    '--grace',
    '1',
  ]);
  const names = async (): Promise<string[]> =>
    ((await drawbridge(host, ['list', '--json'])).json as { containerId: string }[]).map(
      ({ containerId }) => containerId,
    );
  await expect.poll(names, { timeout: 75_000, interval: 2000 }).toEqual(expect.not.arrayContaining(['unheld']));
  expect((await names()).toSorted()).toEqual(['held', 'kept']);
  await agent.stop();
  await vm.stop();
});

test('"tap remove" leaves containers, and takes a tap whose record was lost', async ({ host }) => {
  await makeWorld(host);
  await addTap(host, 'vm1');
  await host.sh('rm /run/drawbridge/attachments/*.json');
  const again = await drawbridge(host, ['tap', 'add', 'vm1']);
  expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('the host has an interface of that name') });
  expect((await drawbridge(host, ['tap', 'remove', 'vm1'])).code).toBe(0);
  expect(await host.run(['ip', '-br', 'link', 'show'])).not.toContain('vm1');
  const unknown = await drawbridge(host, ['tap', 'remove', 'eth0']);
  expect(unknown.code).toBe(1);
  expect(await host.run(['ip', '-br', 'link', 'show'])).toContain('eth0');
});

test.for([
  ['a name that is too long', ['a-name-of-16-char'], /name of an interface/],
  ['a name with a slash', ['a/b'], /name of an interface/],
  ['a port that is none', ['vm1', '-p', 'x'], /Cannot read the port/],
  ['an owner that is a name', ['vm1', '--owner', 'root'], /it is a number/],
  ['a bridge beside a network', ['vm1', '--network', 'n', '--bridge', 'b'], /--bridge/],
  ['a preset beside a policy', ['vm1', '--policy', 'p', '--preset', 'dev'], /--preset/],
] as const)('"tap add" with %s is refused as not understood', async ([, words, text], { host }) => {
  const { code, stderr } = await drawbridge(host, ['tap', 'add', ...words]);
  expect(code, stderr).toBe(2);
  expect(stderr).toMatch(text);
});
