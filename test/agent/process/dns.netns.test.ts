/** Whose DNS the agent answers, from when on, and what it says. */
import { describe, expect, test, type Container, type Host } from '../../helpers/host.ts';
import { executable } from '../../helpers/executable.ts';
import { startAgent, until } from './agent.ts';
import { makeNamesLab, writeHosts } from './names-lab.ts';

async function asked(container: Container, name: string, server = '10.88.0.1'): Promise<string> {
  return (await container.exec(['dig', '+time=2', '+tries=1', `@${server}`, name, 'A'])).stdout;
}

/** Adds one more container under this policy. */
async function addWith(
  host: Host,
  conflist: { readonly name?: string; readonly plugins: readonly object[] },
  policy: object,
): Promise<Container> {
  const container = await host.container();
  const [plugin] = conflist.plugins;
  const added = await host.addChain({ ...conflist, plugins: [plugin, { type: 'egress-policy', ...policy }] } as never, {
    container,
  });
  expect(added.error, added.stderr).toBeUndefined();
  return container;
}

test('the first question after ADD is answered, whatever server it asks, each time', async ({ host }) => {
  const { conflist } = await makeNamesLab(host);
  await startAgent(host);
  for (let index = 0; index < 5; index += 1) {
    const container = await host.container();
    const added = await host.addChain(conflist, { container });
    expect(added.error, added.stderr).toBeUndefined();
    expect(await asked(container, 'x.example.net', index % 2 === 0 ? '8.8.8.8' : '10.88.0.1')).toContain(
      '198.51.100.2',
    );
  }
});

test('an ADD goes on without an agent that does not answer', async ({ host }) => {
  const { conflist } = await makeNamesLab(host);
  const agent = await startAgent(host);
  await host.run(['kill', '-STOP', String(agent.pid)]);
  const container = await host.container();
  const added = await host.addChain(conflist, { container });
  expect(added.error, added.stderr).toBeUndefined();
  expect(await host.fetch(container, '198.51.100.1', 80)).toBe('hello');
  await host.run(['kill', '-CONT', String(agent.pid)]);
});

describe('a list without names', () => {
  test('has no DNS while the agent answers, by no server and no protocol, and has it without', async ({ host }) => {
    const { conflist, outside } = await makeNamesLab(host);
    await host.spawn([
      'dnsmasq',
      '--keep-in-foreground',
      '--conf-file=/dev/null',
      '--pid-file=',
      '--user=root',
      '--no-resolv',
      '--bind-interfaces',
      '--interface=drawbridge0',
      `--server=${outside.v4}`,
    ]);
    const agent = await startAgent(host);
    const container = await addWith(host, conflist, { preset: 'none' });
    for (const server of ['10.88.0.1', '8.8.8.8']) {
      expect(await asked(container, 'secret.example.com', server)).toContain('REFUSED');
      expect((await container.exec(['dig', '+tcp', '+time=2', `@${server}`, 'secret.example.com'])).stdout).toContain(
        'REFUSED',
      );
    }
    expect(await host.run(['cat', '/run/dnsmasq.log'])).not.toContain('secret');
    await agent.stop();
    expect((await host.run([executable, 'list'])).replaceAll(/\s+/g, ' ')).toContain(
      'it can send data out in the names that it asks for',
    );
  });

  test('is told the names of its own network, by no other network, and nothing else', async ({ host }) => {
    const { conflist } = await makeNamesLab(host);
    await startAgent(host);
    const [asker, web] = [
      await addWith(host, conflist, { preset: 'none' }),
      await addWith(host, conflist, { preset: 'none' }),
    ];
    const apart = { name: 'apart', bridge: 'drawbridge1', ipam: { type: 'host-local', subnet: '10.99.0.0/16' } };
    const { plugins, ...rest } = conflist;
    const other = await addWith(
      host,
      { ...rest, name: 'apart', plugins: [{ ...plugins[0], ...apart }] },
      { preset: 'none' },
    );
    const names = [web, other].map(({ name }, index) => ({ id: name, names: [['web', 'secret'][index]] }));
    const folder = '/var/lib/containers/storage/overlay-containers';
    await host.run(['sh', '-c', `mkdir -p ${folder}; cat > ${folder}/containers.json`], {
      input: JSON.stringify(names),
    });
    await until(async () => (await asked(asker, 'web')).includes('10.88.0.3'));
    expect(await asked(asker, web.name, '8.8.8.8')).toContain('10.88.0.3');
    expect(await asked(other, other.name, '10.99.0.1')).toContain('10.99.0.2');
    for (const name of ['secret', other.name, 'secret.example.com'])
      expect(await asked(asker, name)).toContain('REFUSED');
    expect(await asked(other, 'web', '10.99.0.1')).toContain('REFUSED');
  });

  test('that writes port 53 of the host out has DNS, so many names a minute', async ({ host }) => {
    const { conflist } = await makeNamesLab(host);
    await startAgent(host);
    const container = await addWith(host, conflist, {
      preset: 'none',
      hostPorts: ['53/udp', '53/tcp'],
      dns: { maxQueriesPerMinute: 3 },
    });
    expect(await asked(container, 'secret.example.com')).toContain('8.8.8.8');
    for (const name of ['a.test', 'b.test']) await asked(container, name);
    expect(await asked(container, 'c.test')).toContain('REFUSED');
    expect(await host.fetch(container, '8.8.8.8', 80)).toBe('refused');
  });
});

test('a flow to a resolver that the policy allows, from before the agent, is taken over when it starts', async ({
  host,
}) => {
  const { container, outside, add } = await makeNamesLab(host, {
    allow: ['api.example.org:80'],
    // The host is on that network.
    allowPrivate: ['192.0.2.2'],
  });
  await add();
  const script = `
import socket, time
def query(number, name):
    labels = b"".join(bytes([len(one)]) + one.encode() for one in name.split(".")) + b"\\0"
    return number.to_bytes(2, "big") + b"\\1\\0\\0\\1" + b"\\0" * 6 + labels + b"\\0\\1\\0\\1"
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.connect(("${outside.v4}", 53)); one.settimeout(0.3)
for number in range(200):
    one.send(query(number, "secret%d.example.com" % number))
    try: print(number, one.recv(512)[3] & 15, flush=True)
    except OSError: print(number, "silence", flush=True)
    time.sleep(0.1)
`;
  const daemon = await host.spawn(['/usr/bin/python3', '-c', script], { where: container });
  const codes = async () =>
    (await host.run(['cat', daemon.log]))
      .trim()
      .split('\n')
      .map((line) => line.split(' ')[1]);
  // NXDOMAIN by dnsmasq.
  await until(async () => (await codes()).includes('3'));
  await startAgent(host);
  // REFUSED by the agent.
  await until(async () => (await codes()).includes('5'));
  const last = (await codes()).length;
  await until(async () => (await codes()).length > last + 5);
  expect(new Set((await codes()).slice(last))).toEqual(new Set(['5']));
});

test('names that DNS refused are told by list, watch, learn, explain, the log and the metrics', async ({ host }) => {
  const { container, ask, add, forced } = await makeNamesLab(host);
  const agent = await startAgent(host);
  await add();
  await until(forced);
  const watching = await host.spawn([executable, 'watch', '--json', '--for', '20']);
  // It tells of what comes after its first look.
  await new Promise((resolve) => setTimeout(resolve, 1500));
  for (let index = 0; index < 3; index += 1) await ask('secret.example.com');
  await ask('other.example.com');
  await until(async () =>
    (await host.run([executable, 'list'])).includes('DNS refused it secret.example.com, other.example.com'),
  );
  const again = JSON.parse(await host.run([executable, 'list', '--json'])) as { refusedNames: unknown }[];
  expect(again[0]?.refusedNames).toEqual([
    { name: 'secret.example.com', count: 3 },
    { name: 'other.example.com', count: 1 },
  ]);
  await until(async () => (await host.run(['cat', watching.log])).includes('other.example.com'));
  expect(await host.run(['cat', watching.log])).toMatch(
    /"destination":"secret.example.com","protocol":"dns","port":53/,
  );
  const learnt = await host.exec([executable, 'learn', container.name, '--json']);
  expect(learnt.stdout).toContain('"secret.example.com"');
  // Its address is one that a listed name has too.
  await host.run(['/bin/sh', '-c', 'echo "198.51.100.1 near.example.com" >> /run/hosts && kill -HUP $(pidof dnsmasq)']);
  const explained = await host.exec([executable, 'explain', container.name, 'near.example.com:80']);
  expect(explained.code).toBe(1);
  expect(explained.stdout).toContain('its lookup is refused');
  const { text } = (await agent.ask<{ text: string }>('metrics')).result;
  expect(text).toMatch(/drawbridge_refused_names\{[^}]*\} 4/);
  expect((await agent.log()).filter(({ msg }) => msg === 'name refused')).toHaveLength(2);
});

test('an address of NAT64 is open by a name for the IPv4 address inside, and a private one behind it is not', async ({
  host,
}) => {
  const { container, add, outside } = await makeNamesLab(host, { deny: ['198.51.100.3'] });
  const behind = (last: string): string => `64:ff9b::${last}`;
  const [open, denied, inside] = ['c633:6402', 'c633:6403', 'a07:707'].map(behind);
  await outside.address(open ?? '', denied ?? '', inside ?? '');
  await writeHosts(host, [`${open} six.example.net`, `${denied} no.example.net`, `${inside} in.example.net`]);
  await startAgent(host);
  await add();
  const ask = async (name: string): Promise<string> =>
    (await container.exec(['dig', '+short', '+time=2', '+tries=1', '@10.88.0.1', name, 'AAAA'])).stdout.trim();
  expect(await host.fetch(container, open ?? '', 80)).toBe('refused');
  expect(await ask('six.example.net')).toBe(open);
  expect(await host.fetch(container, open ?? '', 80)).toBe('hello');
  await ask('no.example.net');
  expect(await host.fetch(container, denied ?? '', 80)).toBe('refused');
  expect(await ask('in.example.net')).toBe('');
  expect(await host.fetch(container, inside ?? '', 80)).toBe('refused');
});
