import { join } from 'node:path';
import xterm from '@xterm/headless';
import { executable } from '../helpers/executable.ts';
import { makeHost } from '../helpers/private-host.ts';
import { attach, drawbridge, schemaErrors, shipped, steady, withPolicy } from './cli.ts';
import { describe, expect, test } from '../helpers/host.ts';

const terminal = join(import.meta.dirname, '../helpers/terminal.py');

/** Names of registries stand in preset data alone. */
const nameless = (text: string): string => text.replaceAll(/\b[a-z]+(?:\.[a-z]+)+\b/gu, '<name>');

describe('drawbridge list', () => {
  test('shows attachments by network, with ports, policies and denials', async ({ host }) => {
    const outside = await host.outside();
    await outside.address('10.7.7.7');
    const ports = [
      { hostPort: 8080, containerPort: 80 },
      { hostPort: 5353, containerPort: 53, protocol: 'udp', hostIP: '127.0.0.1' },
    ];
    const web = await attach(host, shipped('10-drawbridge'), 'web0', { runtimeConfig: { portMappings: ports } });
    await attach(host, shipped('20-interface-only'), 'plain');
    await attach(host, shipped('30-one-process'), 'ci-runner');
    expect(await host.fetch(web, '10.7.7.7', 80)).toBe('refused');
    const { code, stdout, stderr } = await drawbridge(host, ['list']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    await expect(nameless(stdout)).toMatchFileSnapshot('golden/list.txt');
    await expect(nameless(steady((await drawbridge(host, ['list', '--wide'])).stdout))).toMatchFileSnapshot(
      'golden/list-wide.txt',
    );
    const { json } = await drawbridge(host, ['list', '--json']);
    expect(schemaErrors('list', json)).toEqual([]);
    expect(json).toMatchObject([
      {
        network: 'drawbridge',
        containerId: 'web0',
        ifname: 'eth0',
        netns: web.netns,
        ips: ['10.88.0.2/16', 'fd00:88::2/64'],
        ports: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }, { hostIp: '127.0.0.1' }],
        policy: 'restricted',
        mode: 'restricted',
        denied: 1,
        stale: [],
      },
      { network: 'drawbridge-open', policy: null, mode: null, denied: 0 },
      { network: 'drawbridge-sandbox', policy: 'allowlist: registries', mode: 'allowlist' },
    ]);
  });

  test('names what a policy names and what opens nothing', async ({ host }) => {
    await attach(host, withPolicy({ mode: 'allowlist', allow: ['nowhere.example.org:443'] }), 'web0');
    const { stdout } = await drawbridge(host, ['list']);
    expect(stdout).toContain('! web0: 1 name of its policy opens nothing now: nowhere.example.org');
    const { json } = await drawbridge(host, ['list', '--json']);
    expect(json).toMatchObject([{ closedNames: ['nowhere.example.org'] }]);
  });

  test('fits 80 columns whatever it shows', async ({ host }) => {
    const id = 'f'.repeat(64);
    const ports = Array.from({ length: 3 }, (_, index) => ({
      hostPort: 40_000 + index,
      containerPort: 50_000,
      hostIP: '2001:db8:ffff:1234:5678:9abc:def0:1',
    }));
    await attach(
      host,
      withPolicy({ mode: 'allowlist', preset: ['dev', 'container-registries', 'os-packages'], allow: ['203.0.113.9'] }),
      id,
      { runtimeConfig: { portMappings: ports } },
    );
    const { stdout } = await drawbridge(host, ['list']);
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect(stdout).toContain('ffffffffffff');
  });

  test.each([60, 80, 200])('is on a colour terminal of %i columns what it is without colour', async (columns) => {
    await using host = await makeHost();
    await attach(host, shipped('30-one-process'), 'f'.repeat(64));
    await attach(host, shipped('20-interface-only'), 'plain');
    const plain = await drawbridge(host, ['list'], { env: { COLUMNS: String(columns) } });
    const typed = await host.run(['python3', terminal, String(columns), '[]', 'env', 'TERM=xterm', executable, 'list']);
    expect(typed).toContain('\u001b[');
    const screen = new xterm.Terminal({ cols: columns, rows: 50, allowProposedApi: true });
    await new Promise<void>((resolve) => screen.write(typed, resolve));
    const { active } = screen.buffer;
    const lines = Array.from({ length: 50 }, (_, row) => active.getLine(row)?.translateToString(true) ?? '');
    expect(lines.join('\n').trimEnd()).toBe(plain.stdout.trimEnd());
  });

  test('calls containers as their runtime does, and finds them so', async ({ host }) => {
    await host.outside();
    const [web, db, other] = ['a', 'b', 'c'].map((letter) => `default-${letter.repeat(64)}`) as [
      string,
      string,
      string,
    ];
    for (const id of [web, db, other]) await attach(host, shipped('10-drawbridge'), id);
    await host.sh(
      `mkdir -p /var/lib/nerdctl/1935db59/names/default /run/containerd/io.containerd.runtime.v2.task/default/${'c'.repeat(64)}
      cd /var/lib/nerdctl/1935db59/names/default; printf ${'a'.repeat(64)} > web; printf ${'b'.repeat(64)} > db
      echo '{"annotations":{"nerdctl/name":"web"}}' > /run/containerd/io.containerd.runtime.v2.task/default/${'c'.repeat(64)}/config.json`,
    );
    const { stdout } = await drawbridge(host, ['list']);
    expect(stdout).toMatch(/^db /m);
    expect(stdout).toMatch(/^web \(aaaaaaaaaaaa\) /m);
    expect(stdout).toMatch(/^web \(cccccccccccc\) /m);
    const { json } = await drawbridge(host, ['explain', 'db', '10.88.0.2:80', '--json']);
    expect(json).toMatchObject({ container: { containerId: db } });
    expect(await drawbridge(host, ['explain', 'web', '8.8.8.8'])).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('web (aaaaaaaaaaaa): default-aaaa'),
    });
    await host.sh(`cd /run/containerd/io.containerd.runtime.v2.task; rm -r *; mkdir -p k8s.io/${other}
      echo '{"annotations":{"io.kubernetes.cri.container-type":"sandbox","io.kubernetes.cri.sandbox-name":"api","io.kubernetes.cri.sandbox-namespace":"shop"}}' > k8s.io/${other}/config.json`);
    expect((await drawbridge(host, ['explain', 'db', 'shop/api:80', '--json'])).json).toMatchObject({
      destination: 'shop/api:80/tcp',
      addresses: [{ address: '10.88.0.4' }, { address: 'fd00:88::4' }],
    });
    expect(await drawbridge(host, ['explain', 'db', 'shop/nosuch:80'])).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('"shop/nosuch"'),
    });
    await host.sh(`rm -r /run/containerd/io.containerd.runtime.v2.task`);
    expect((await drawbridge(host, ['explain', 'web', 'db:80', '--json'])).json).toMatchObject({
      container: { containerId: web },
      addresses: [{ address: '10.88.0.3' }, { address: 'fd00:88::3' }],
    });
    expect((await drawbridge(host, ['list', '--json'])).json[0]).toMatchObject({ name: 'web', namespace: null });
  });

  test('marks what is stale and says why', async ({ host }) => {
    await attach(host, shipped('10-drawbridge'), 'gone');
    const down = await attach(host, shipped('10-drawbridge'), 'down');
    const [{ hostInterface }, { hostInterface: port }] = (await drawbridge(host, ['list', '--json'])).json;
    await host.sh(`ip link del ${hostInterface}; ip link set ${port} nomaster; nft flush ruleset`);
    const { json } = await drawbridge(host, ['list', '--json']);
    expect(json).toMatchObject([
      { containerId: 'gone', alive: true, stale: [`its interface "${hostInterface}" is gone`, expect.anything()] },
      {
        containerId: down.name,
        alive: true,
        stale: [`its interface "${port}" is on no bridge`, expect.stringContaining('its rules are not in force')],
      },
    ]);
    const { stdout } = await drawbridge(host, ['list']);
    expect(stdout).toMatch(/^gone ! /m);
    expect(stdout).toMatch(/^! gone: its interface/m);
  });

  test('reports a record that cannot be read and goes on', async ({ host }) => {
    await attach(host, shipped('10-drawbridge'), 'web0');
    await host.sh('echo "{" > /run/drawbridge/attachments/0123456789abcdef.json');
    const { code, json, stderr } = await drawbridge(host, ['list', '--json']);
    expect({ code, ids: json.map(({ containerId }: { containerId: string }) => containerId) }).toEqual({
      code: 0,
      ids: ['web0'],
    });
    expect(stderr).toContain('/run/drawbridge/attachments/0123456789abcdef.json');
  });

  test('shows nothing on a host where nothing was added', async ({ host }) => {
    expect(await drawbridge(host, ['list'])).toMatchObject({
      code: 0,
      stdout: 'No container is attached.\n',
      stderr: '',
    });
    expect((await drawbridge(host, ['list', '--json'])).json).toEqual([]);
  });
});

describe('drawbridge', () => {
  test('says that root is needed, and how to get it', async ({ host }) => {
    const { code, stderr } = await host.exec([
      'setpriv',
      '--reuid',
      '65534',
      '--clear-groups',
      '/bin/sh',
      '-c',
      'exec "$0" list',
      executable,
    ]);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr:
        'drawbridge: Cannot run "drawbridge list": root is needed to look into the host\'s network\n  Run "sudo drawbridge list"\n',
    });
  });

  test('answers what it does not understand with status 2, the nearest word and the usage', async ({ host }) => {
    expect(await drawbridge(host, ['lsit'])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('the nearest one is "list"'),
    });
    expect(await drawbridge(host, ['list', '--jsn'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Usage: drawbridge list [PATTERN]'),
    });
  });
});
