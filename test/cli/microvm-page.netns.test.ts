/** What docs/microvm.md tells to type, typed; and what it says that other programs are to be given. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { executable } from '../helpers/executable.ts';
import { ask, guestCommand } from '../helpers/guest.ts';
import { expect, test, type Host } from '../helpers/host.ts';
import { makeWorld, world } from '../plugins/egress-policy/network.ts';
import { drawbridge } from './cli.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/microvm.md'), 'utf8');

/** Commands of a section, in their order. */
function commandsOf(title: string): string[] {
  const [own = ''] = (page.split(`\n## ${title}\n`)[1] ?? '').split('\n## ');
  return [...own.matchAll(/```console\n([^]*?)```/gu)].flatMap(([, block = '']) =>
    [...block.matchAll(/^# (.*)$/gmu)].map(([, command = '']) => command),
  );
}

async function type(host: Host, command: string): Promise<{ code: number; text: string }> {
  const env = { PATH: `${dirname(executable)}:/usr/sbin:/usr/bin:/sbin:/bin`, LC_ALL: 'C.UTF-8' };
  const { code, stdout } = await host.exec(['/bin/sh', '-c', `${command} 2>&1`], { env, timeout: 60_000 });
  return { code, text: stdout };
}

test('the commands for a VM by hand make its tap, explain it, publish a port and leave nothing', async ({ host }) => {
  await makeWorld(host);
  const commands = commandsOf('By hand');
  expect(commands).toHaveLength(4);
  for (const command of commands) {
    const { code, text } = await type(host, command);
    // No name is known here: "explain" may only say that it does not know.
    expect(text).toMatch(/vm1/u);
    expect([0, ...(command.includes('explain') ? [1, 3] : [])], text).toContain(code);
  }
  expect(await host.run(['ip', '-br', 'link', 'show'])).not.toContain('vm1');
});

test('the commands for microvm.nix, Lima and Firecracker make what the configurations beside them name', async ({
  host,
}) => {
  await makeWorld(host);
  const commands = commandsOf('microvm.nix, Lima, Firecracker');
  expect(commands.length).toBeGreaterThan(4);
  const printed: string[] = [];
  for (const command of commands) {
    const { code, text } = await type(host, command);
    expect(code, `${command}: ${text}`).toBe(0);
    printed.push(text);
  }
  const [, nix = ''] = /```nix\n([^]*?)```/u.exec(page) ?? [];
  const [, id = '', mac = ''] = /id = "(\w+)"; mac = "([0-9a-f:]+)"/u.exec(nix) ?? [];
  const listed = (await drawbridge(host, ['list', id, '--json'])).json;
  expect(listed).toMatchObject([{ guest: { tap: id, mac } }]);
  const [, json = ''] = /```json\n([^]*?)```/u.exec(page) ?? [];
  const configuration = JSON.parse(json) as {
    'boot-source': { boot_args: string };
    'network-interfaces': [{ host_dev_name: string }];
  };
  const [card] = configuration['network-interfaces'];
  const { json: told } = await drawbridge(host, ['tap', 'show', card.host_dev_name, '--json']);
  const { guest } = told as { guest: { kernelArgument: string } };
  expect(configuration['boot-source'].boot_args).toContain(guest.kernelArgument);
  expect(printed.at(-1)).toContain(JSON.stringify(card));
  expect(await host.run(['cat', `/sys/class/net/${card.host_dev_name}/tun_flags`])).toMatch(/^0x[0-9a-f]+/u);
});

test('a Unix socket of a VMM is asked for port 52 while the network of the guest is closed', async ({ host }) => {
  const outside = await makeWorld(host);
  await host.serve(outside, { port: 9, proto: 'udp', reply: 'out' });
  const [command = ''] = commandsOf('Without a network: vsock');
  const socket = /UNIX-CONNECT:(\S+)/u.exec(command)?.[1] ?? '';
  // As Firecracker answers; what follows is the agent's own: JSON with its length before it.
  const daemon = await host.spawn([
    'python3',
    '-uc',
    `import socket,struct,sys
s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(1); print("ready")
c,_=s.accept(); line=c.makefile("rb").readline()
if line==b"CONNECT 52\\n": c.sendall(b"OK 1073741824\\n"+struct.pack(">I",2)+b"{}")
c.close()`,
    socket,
  ]);
  await expect.poll(async () => host.run(['cat', daemon.log])).toContain('ready');
  const added = await drawbridge(host, ['tap', 'add', 'vm1', '--preset', 'none', '--json']);
  const { guest } = added.json as { guest: { tap: string; mac: string } };
  const cmd = guestCommand([guest.tap, guest.mac, '172.16.0.2', '172.16.0.1']);
  expect(await ask(host, { cmd }, [{ ask: [world.public4, 9] }])).toEqual([null]);
  const { text } = await type(host, command);
  expect(text).toContain('OK 1073741824');
});

test('"--preset unrestricted" opens the public internet, which "--preset none" does not, and neither what is private', async ({
  host,
}) => {
  const outside = await makeWorld(host);
  await host.serve(outside, { port: 9, proto: 'udp', reply: 'out' });
  for (const [preset, answer] of [
    ['none', null],
    ['unrestricted', 'out'],
  ] as const) {
    const added = await drawbridge(host, ['tap', 'add', preset, '--preset', preset, '--json']);
    expect(added.code, added.stderr).toBe(0);
    const { guest } = added.json as { guest: { tap: string; mac: string; addresses: { address: string }[] } };
    const address = guest.addresses[0]?.address.split('/', 1)[0] ?? '';
    const cmd = guestCommand([guest.tap, guest.mac, address, '172.16.0.1']);
    expect(await ask(host, { cmd }, [{ ask: [world.private4, 9] }])).toEqual([null]);
    expect(await ask(host, { cmd }, [{ ask: [world.public4, 9] }])).toEqual([answer]);
  }
});
