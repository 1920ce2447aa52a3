import { fileURLToPath } from 'node:url';
import { describe, expect, type Host, type Json } from '../../helpers/host.ts';
import { startDns } from '../../helpers/dns.ts';
import { expectFailure } from '../drawbridge/network.ts';
import { addContainer, chain, oneProcess, policyConf, ways, writePolicy } from './network.ts';
import { test } from './world.ts';

const driver = fileURLToPath(new URL('refresh-driver.ts', import.meta.url));

interface Report {
  changed: { containerId: string; policyName: string }[];
  ended: number;
  problems: string[];
}

async function refresh(host: Host, force = false): Promise<Report> {
  return JSON.parse(await host.run([process.execPath, driver, ...(force ? ['force'] : [])])) as Report;
}

/** A connection that stays: says one line, and says what comes back to each line after it. */
const talker = `
import socket, sys, select, time
s = socket.create_connection((sys.argv[1], 7000), 2)
print("connected", flush=True)
while True:
    time.sleep(0.1)
    try:
        s.sendall(b"x"); s.settimeout(2)
        if not s.recv(1): break
        print("alive", flush=True)
    except OSError as error:
        print("ended", error.errno, flush=True)
        break
`;
const echo = `
import socket, threading
def talk(c):
    try:
        while (d := c.recv(99)): c.sendall(d)
    except OSError: pass
s = socket.create_server(("::", 7000), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
while True: threading.Thread(target=talk, args=(s.accept()[0],), daemon=True).start()
`;

async function waitFor(what: () => Promise<boolean>, milliseconds = 4000): Promise<boolean> {
  for (const end = Date.now() + milliseconds; Date.now() < end;) {
    if (await what()) return true;
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  return false;
}

async function hold(
  host: Host,
  where: { netns: string },
  address: string,
): Promise<{ says(word: string): Promise<boolean>; lines(): Promise<number> }> {
  const daemon = await host.spawn(['/usr/bin/python3', '-u', '-c', talker, address], { where });
  const text = async (): Promise<string> => host.run(['cat', daemon.log]);
  expect(await waitFor(async () => (await text()).includes('alive'))).toBe(true);
  return {
    says: async (word) => waitFor(async () => (await text()).includes(word), 2500),
    lines: async () => (await text()).split('\n').length,
  };
}

describe.for(Object.entries(ways))('in %s', ([, conflist]) => {
  test('a named policy is read from its file', async ({ host, world }) => {
    await writePolicy(host, 'web', { allow: [`${world.public4}:80`] });
    const container = await addContainer(host, conflist({ policy: 'web' }));
    expect(await world.reaches(container, ['public4', 'other4'])).toEqual({ public4: 'outside', other4: 'refused' });
  });

  test.for([
    ['CNI_ARGS', { args: 'EGRESS_POLICY=wide' }, undefined],
    [
      'an annotation of the pod',
      { runtimeConfig: { 'io.kubernetes.cri.pod-annotations': { 'drawbridge/egress-policy': 'wide' } } },
      undefined,
    ],
    ['a label', {}, { cni: { labels: [{ key: 'drawbridge/egress-policy', value: 'wide' }] } }],
  ] as const)('a container chooses a selectable policy by %s', async ([, options, args], { host, world }) => {
    await writePolicy(host, 'wide', { mode: 'open' });
    const list = conflist({ preset: 'none', selectable: ['wide'] });
    const plugins = args === undefined ? list.plugins : list.plugins.map((plugin) => ({ ...plugin, args }));
    const container = await addContainer(host, { ...list, plugins }, options);
    expect(await world.reaches(container, ['public4', 'private4'])).toEqual({
      public4: 'outside',
      private4: 'outside',
    });
  });

  test.for([
    [
      'a policy that is not selectable',
      { selectable: ['wide'] },
      { args: 'EGRESS_POLICY=root' },
      /it is not selectable/,
    ],
    ['any policy where none is selectable', {}, { args: 'EGRESS_POLICY=wide' }, /it is not selectable/],
    ['a path', { selectable: ['wide'] }, { args: 'EGRESS_POLICY=../../tmp/wide' }, /it is not selectable/],
    [
      'two policies at once',
      { selectable: ['wide', 'narrow'] },
      {
        args: 'EGRESS_POLICY=wide',
        runtimeConfig: { 'io.kubernetes.cri.pod-annotations': { 'drawbridge/egress-policy': 'narrow' } },
      },
      /asks for "wide", the annotation .* for "narrow"/,
    ],
    ['an empty name', { selectable: ['wide'] }, { args: 'EGRESS_POLICY=' }, /it is not selectable/],
  ] as const)(
    'a container that asks for %s is refused, and nothing of it stays',
    async ([, policy, options, text], { host }) => {
      await writePolicy(host, 'wide', { mode: 'open' });
      const list = conflist({ ...policy });
      const container = await host.container();
      expectFailure(await host.addChain(list, { container, ...options }), 7, text);
      await host.delChain(list, { container });
      expect(await host.leftovers({ allow: [/link br0$/, /drawbridge\/(bridges|boot)/] })).toEqual([]);
    },
  );

  test('a policy that is missing makes ADD and STATUS fail', async ({ host }) => {
    await writePolicy(host, 'web', {});
    const list = conflist({ policy: 'wbe' });
    const container = await host.container();
    const added = await host.addChain(list, { container });
    expectFailure(added, 7, /^Cannot find policy "wbe": there is no \/etc\/drawbridge\/policies\/wbe\.json$/);
    expect(added.error?.['details']).toBe('There are "web"');
    const { cniVersion, name, plugins } = list;
    expectFailure(await host.cni('STATUS', { ...plugins.at(-1), cniVersion, name }), 50, 'Cannot find policy "wbe"');
  });
});

describe('a file that is not valid', () => {
  test.for([
    ['a comma too many', '{\n  "mode": "open",\n}', /line 2, column 17: the comma before "\}" is one too many/],
    ['a key twice', '{ "deny": ["8.8.8.8"],\n  "deny": [] }', /line 2, column 3: /],
    ['nothing', '', /line 1, column 1: /],
    ['a list', '[]', /Cannot use policy "web"/],
    ['an unknown key', '{ "alow": [] }', /"alow"/],
    ['a name in "allowPrivate"', '{ "allowPrivate": ["example.org"] }', /"example\.org" is a name/],
    ['a policy in a policy', '{ "policy": "other" }', /"policy"/],
    ['an entry that is not one', '{ "allow": ["10.0.0.0/33"] }', /10\.0\.0\.0\/33/],
  ] as const)('with %s is refused with its name and the place', async ([, text, message], { host }) => {
    await writePolicy(host, 'web', text);
    const container = await host.container();
    await host.sh('ip link add veth7 type veth peer name eth0 netns c1');
    const prevResult = {
      cniVersion: '1.1.0',
      interfaces: [{ name: 'eth0', sandbox: container.netns }],
      ips: [{ address: '10.1.0.2/24', interface: 0 }],
    };
    const answer = await host.cni('ADD', policyConf({ policy: 'web' }, prevResult), { container });
    expectFailure(answer, 7, message);
    expect(answer.error?.['msg']).toContain('Cannot use policy "web" (/etc/drawbridge/policies/web.json)');
  });
});

describe('STATUS', () => {
  const conf = policyConf({ policy: 'web', selectable: ['wide'] }, undefined);
  const files = async (host: Host): Promise<void> => {
    await writePolicy(host, 'web', {});
    await writePolicy(host, 'wide', { mode: 'open' });
  };

  test('says nothing when all is well', async ({ host }) => {
    await files(host);
    expect(await host.cni('STATUS', conf)).toMatchObject({ code: 0, stdout: '' });
  });

  test('fails with 50 when a selectable policy is invalid', async ({ host }) => {
    await files(host);
    await writePolicy(host, 'wide', '{');
    expectFailure(await host.cni('STATUS', conf), 50, 'Cannot use policy "wide"');
  });

  test('fails with 51 when containers run under what an invalid file said before', async ({ host }) => {
    await files(host);
    await addContainer(host, chain({ policy: 'web' }));
    await writePolicy(host, 'web', '{ "mode": "oppen" }');
    expectFailure(
      await host.cni('STATUS', conf),
      51,
      /Cannot use policy "web".*1 running container is still under the policy as it was before/,
    );
  });

  test('fails with 50 without nft', async ({ host }) => {
    await host.sh('mount --bind /dev/null /usr/sbin/nft');
    expectFailure(await host.cni('STATUS', policyConf({}, undefined)), 50, '"nft" is not installed');
  });

  test('of one process fails with 51 too', async ({ host }) => {
    await files(host);
    const list = oneProcess({ policy: 'web' });
    await addContainer(host, list);
    await writePolicy(host, 'web', '{');
    expectFailure(
      await host.cni('STATUS', { ...list.plugins[0], cniVersion: '1.1.0', name: 'net' }),
      51,
      'Cannot use policy "web"',
    );
  });
});

describe('refresh()', () => {
  test('applies a changed file to all its containers in one transaction, and to no other', async ({ host, world }) => {
    await writePolicy(host, 'web', { allow: [world.public4] });
    await writePolicy(host, 'fixed', { allow: [world.public4] });
    const list = chain({ policy: 'web' });
    const [first, second] = [
      await addContainer(host, list),
      await addContainer(
        host,
        oneProcess(
          { policy: 'web' },
          { name: 'net2', bridge: 'br1', ipam: { type: 'host-local', subnet: '10.2.0.0/24' } },
        ),
      ),
    ];
    const other = await addContainer(host, chain({ policy: 'fixed' }));
    await writePolicy(host, 'web', { allow: [world.other4] });
    await host.sh('cat > /usr/local/sbin/nft; chmod +x /usr/local/sbin/nft', {
      input: '#!/bin/sh\necho "$*" >> /run/nft.log\nexec /usr/sbin/nft "$@"\n',
    });
    const report = await refresh(host);
    expect(report.changed.map(({ containerId }) => containerId).toSorted()).toEqual([first.name, second.name]);
    expect((await host.run(['cat', '/run/nft.log'])).match(/^-f -$/gmu)).toHaveLength(1);
    await host.sh('rm /usr/local/sbin/nft');
    expect(report.problems).toEqual([]);
    for (const one of [first, second])
      expect(await world.reaches(one, ['public4', 'other4'])).toEqual({ public4: 'refused', other4: 'outside' });
    expect(await world.reaches(other, ['public4', 'other4'])).toEqual({ public4: 'outside', other4: 'refused' });
    expect((await host.checkChain(list, { container: first })).error).toBeUndefined();
    expect((await refresh(host)).changed).toEqual([]);
  });

  test.for([
    ['public4', 'with conntrack'],
    ['public6', 'with conntrack'],
    ['public4', 'without conntrack'],
  ] as const)(
    'lets a connection go on that stays allowed, and ends at once one that is denied: %s, %s',
    async ([kept, conntrack], { host, world }) => {
      if (conntrack === 'without conntrack') await host.sh('mount --bind /dev/null /usr/sbin/conntrack');
      const { outside } = world;
      await host.spawn(['/usr/bin/python3', '-u', '-c', echo], { where: outside });
      const ended = kept === 'public4' ? 'other4' : 'other6';
      await writePolicy(host, 'web', { allow: [world[kept], world[ended]] });
      const container = await addContainer(host, chain({ policy: 'web' }));
      expect(
        await waitFor(async () => (await host.fetch(outside, '127.0.0.1', 7000, { timeout: 20 })) === 'timeout'),
      ).toBe(true);
      const [staying, going] = [await hold(host, container, world[kept]), await hold(host, container, world[ended])];
      await writePolicy(host, 'web', { allow: [world[kept]] });
      const report = await refresh(host);
      expect(report.changed).toHaveLength(1);
      expect(await going.says('ended')).toBe(true);
      const before = await staying.lines();
      expect(await waitFor(async () => (await staying.lines()) > before + 2)).toBe(true);
    },
  );

  test('keeps the policy as it was while its file is not valid, and says so', async ({ host, world }) => {
    await writePolicy(host, 'web', { allow: [world.public4] });
    const container = await addContainer(host, chain({ policy: 'web' }));
    await writePolicy(host, 'web', `{ "allow": ["${world.other4}" }`);
    const report = await refresh(host);
    expect(report.changed).toEqual([]);
    expect(report.problems).toEqual([
      expect.stringMatching(/Cannot use policy "web".*line 1, column \d+: .*; the policy as it was stays in force/),
    ]);
    expect(await world.reaches(container, ['public4', 'other4'])).toEqual({ public4: 'outside', other4: 'refused' });
    await host.sh('rm /etc/drawbridge/policies/web.json');
    expect((await refresh(host)).problems).toEqual([expect.stringContaining('Cannot find policy "web"')]);
    expect(await world.reaches(container, ['public4', 'other4'])).toEqual({ public4: 'outside', other4: 'refused' });
  });

  test('opens new addresses of a name, and keeps the old', async ({ host, world }) => {
    const server = await startDns(host, { 'api.example.org': { A: [world.public4] } });
    const container = await addContainer(
      host,
      chain({ allow: ['api.example.org'], dns: { upstream: [server.upstream] } }),
    );
    await server.say({ 'api.example.org': { A: [world.other4] } });
    await refresh(host, true);
    expect(await world.reaches(container, ['public4', 'other4'])).toEqual({ public4: 'outside', other4: 'outside' });
  });

  test('opens and closes the port of the bridge with the isolation of the policy', async ({ host }) => {
    const isolated = async (): Promise<string> =>
      host.sh(`for p in /sys/class/net/br0/brif/*; do cat $p/isolated; done`);
    await writePolicy(host, 'web', {});
    await addContainer(host, chain({ policy: 'web' }));
    expect(await isolated()).toBe('1\n');
    await writePolicy(host, 'web', { isolation: 'bridge' });
    await refresh(host);
    expect(await isolated()).toBe('0\n');
  });

  test('changes nothing when the rules cannot be written', async ({ host, world }) => {
    await writePolicy(host, 'web', { allow: [world.public4] });
    const container = await addContainer(host, chain({ policy: 'web' }));
    const records = await host.sh('cat /run/drawbridge/attachments/*');
    await writePolicy(host, 'web', { allow: [world.other4] });
    await host.sh(
      'printf "#!/bin/sh\\necho broken >&2; exit 1\\n" > /usr/local/sbin/nft; chmod +x /usr/local/sbin/nft',
    );
    expect((await host.exec([process.execPath, driver])).code).not.toBe(0);
    await host.sh('rm /usr/local/sbin/nft');
    expect(await host.sh('cat /run/drawbridge/attachments/*')).toBe(records);
    expect(await world.reaches(container, ['public4', 'other4'])).toEqual({ public4: 'outside', other4: 'refused' });
  });
});

test('a policy file is judged as text of the host: what a container says does not reach the rules', async ({
  host,
}) => {
  const list = chain({ selectable: ['wide'] });
  const container = await host.container();
  const answer = await host.addChain(list, { container, args: 'EGRESS_POLICY=wide" ; flush ruleset' as string });
  expect((answer.error as Json)['code']).not.toBe(0);
});
