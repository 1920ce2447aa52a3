import { attach, drawbridge, schemaErrors, shipped } from './cli.ts';
import { describe, expect, test } from '../helpers/host.ts';

const conflist = shipped('10-drawbridge');

const echo = `
import socket, threading
def talk(c):
    try:
        while (d := c.recv(99)): c.sendall(d)
    except OSError: pass
s = socket.create_server(("::", 7000), family=socket.AF_INET6, dualstack_ipv6=True)
while True: threading.Thread(target=talk, args=(s.accept()[0],), daemon=True).start()
`;

/** Holds one connection, and prints a line for each piece that comes back. */
const ball = `
import socket, sys, time
while True:
    try: s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 1); break
    except OSError: time.sleep(0.05)
while True:
    s.sendall(b"ball"); s.recv(99)
    print("alive", flush=True)
    time.sleep(0.02)
`;

describe('drawbridge port', () => {
  test('publishes a port of a container that runs, takes it back, and leaves nothing after DEL', async ({ host }) => {
    const outside = await host.outside();
    const web = await attach(host, conflist, 'web0');
    await host.serve(web, { port: 80, reply: 'web {peer}' });
    expect(await host.fetch(outside, '192.0.2.1', 8080)).toBe('refused');
    const added = await drawbridge(host, ['port', 'add', 'web0', '8080:80', '--json']);
    expect(schemaErrors('port', added.json)).toEqual([]);
    expect(added).toMatchObject({
      code: 0,
      json: { containerId: 'web0', ports: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] },
    });
    expect(await host.fetch(outside, '192.0.2.1', 8080)).toBe('web 192.0.2.2');
    expect(await host.fetch(outside, '2001:db8:ffff::1', 8080)).toBe('web 2001:db8:ffff::2');
    await drawbridge(host, ['port', 'add', 'web0', '9090:80']);
    expect((await drawbridge(host, ['port', 'remove', 'web0', '8080'])).stdout).toBe(
      'web0 is no longer reached at 8080.\n',
    );
    expect(await host.fetch(outside, '192.0.2.1', 8080)).toBe('refused');
    expect(await host.fetch(outside, '192.0.2.1', 9090)).toBe('web 192.0.2.2');
    await host.delChain(conflist, { container: web });
    expect(await host.leftovers({ allow: [/link drawbridge\d/, /bridges\/drawbridge/, /boot\//] })).toEqual([]);
  });

  test('ends the connections of a port that it takes back, and of no other', async ({ host }) => {
    const outside = await host.outside();
    const web = await attach(host, conflist, 'web0');
    await host.spawn(['/usr/bin/python3', '-u', '-c', echo], { where: web });
    for (const port of [8080, 9090]) await drawbridge(host, ['port', 'add', 'web0', `${port}:7000`]);
    const held = await Promise.all(
      ['192.0.2.1', '2001:db8:ffff::1'].flatMap((address) =>
        [8080, 9090].map(async (port) =>
          host.spawn(['/usr/bin/python3', '-u', '-c', ball, address, String(port)], { where: outside }),
        ),
      ),
    );
    const counts = async (): Promise<number[]> =>
      Promise.all(held.map(async ({ log }) => (await host.run(['cat', log])).split('\n').length - 1));
    await expect.poll(async () => Math.min(...(await counts())), { timeout: 5000 }).toBeGreaterThan(1);
    expect(await drawbridge(host, ['port', 'remove', 'web0', '8080'])).toMatchObject({ code: 0, stderr: '' });
    const before = await counts();
    await expect
      .poll(async () => (await counts()).map((now, at) => now > (before[at] ?? 0) + 4), { timeout: 5000 })
      .toEqual([false, true, false, true]);
  });

  test('keeps the port when the rules are written anew', async ({ host }) => {
    const outside = await host.outside();
    const web = await attach(host, conflist, 'web0');
    await host.serve(web, { port: 53, proto: 'udp', reply: 'dns' });
    await drawbridge(host, ['port', 'add', 'web0', '192.0.2.1:5353:53/udp']);
    await host.sh('nft flush ruleset');
    await attach(host, conflist, 'other');
    expect(await host.fetch(outside, '192.0.2.1', 5353, { proto: 'udp' })).toBe('dns');
  });

  test('refuses a port that somebody has, one that is not published, and what is no port', async ({ host }) => {
    await host.outside();
    await attach(host, conflist, 'web0', { runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80 }] } });
    await attach(host, conflist, 'other');
    expect(await drawbridge(host, ['port', 'add', 'other', '8080:80'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('container "web0"'),
    });
    expect(await drawbridge(host, ['port', 'add', 'web0', '8080:81'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('drawbridge port remove web0 8080:80/tcp'),
    });
    expect(await drawbridge(host, ['port', 'remove', 'other', '8080'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('It publishes none'),
    });
    expect(await drawbridge(host, ['port', 'add', 'web0', '80:70000'])).toMatchObject({ code: 2 });
  });

  test('shows the name of a process that steers terminals as text, at the command line and at ADD', async ({
    host,
  }) => {
    await host.outside();
    await attach(host, conflist, 'web0');
    const listener = await host.spawn([
      'python3',
      '-c',
      String.raw`import ctypes, socket, time
ctypes.CDLL(None).prctl(15, b"\x1b[2J\nok\x07")
a = socket.socket(); a.bind(("", 8080)); a.listen()
b = socket.socket(); b.bind(("", 8081)); b.listen()
print("ready", flush=True)
time.sleep(60)`,
    ]);
    await expect.poll(async () => host.sh('ss -Hltn sport = :8081')).toContain('8081');
    const { stderr } = await drawbridge(host, ['port', 'add', 'web0', '8080:80']);
    expect(stderr).toContain(String.raw`\u001b[2J\u000aok\u0007 (pid ${listener.pid}) listens on port 8080/tcp`);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    const added = await host.addChain(conflist, {
      container: await host.container('other'),
      runtimeConfig: { portMappings: [{ hostPort: 8081, containerPort: 80 }] },
    });
    const told = added.steps.map((step) => step.stderr).join('');
    expect(told).toContain(String.raw`\u001b[2J\u000aok\u0007`);
    expect(told).not.toMatch(/[\x00-\x09\x0b-\x1f]/);
  });
});
