import { attach, drawbridge, schemaErrors, shipped, withPolicy } from './cli.ts';
import { parse } from 'yaml';
import { executable } from '../helpers/executable.ts';
import { describe, expect, test } from '../helpers/host.ts';

const programs = '/usr/sbin:/usr/bin:/sbin:/bin';

const ports = (hostPort: number) => ({
  runtimeConfig: { portMappings: [{ hostPort, containerPort: 80, protocol: 'tcp' }] },
});

describe('drawbridge list', () => {
  test('shows those that a pattern and options mean, and their totals', async ({ host }) => {
    const outside = await host.outside();
    await outside.address('10.7.7.7');
    const web = await attach(host, shipped('10-drawbridge'), 'web-1');
    await attach(host, shipped('10-drawbridge'), 'web-2');
    await attach(host, shipped('20-interface-only'), 'plain');
    expect(await host.fetch(web, '10.7.7.7', 80)).toBe('refused');
    await host.sh('ip -n web-2 link set eth0 down');
    const names = async (...words: string[]) =>
      (await drawbridge(host, ['list', '--names', ...words])).stdout.split('\n').filter((name) => name !== '');
    expect(await names()).toEqual(['web-1', 'web-2', 'plain']);
    expect(await names('web')).toEqual(['web-1', 'web-2']);
    expect(await names('WEB-?')).toEqual(['web-1', 'web-2']);
    expect(await names('w*2')).toEqual(['web-2']);
    expect(await names('eb*')).toEqual([]);
    expect(await names('10.88.0.3')).toEqual(['web-2']);
    expect(await names('--network', 'drawbridge-open')).toEqual(['plain']);
    expect(await names('--denied')).toEqual(['web-1']);
    expect(await names('--stale')).toEqual(['web-2']);
    expect(await names('--no-policy')).toEqual(['plain']);
    expect(await names('--sort', 'name')).toEqual(['plain', 'web-1', 'web-2']);
    expect(await names('--sort', 'denied', 'web')).toEqual(['web-1', 'web-2']);
    const { stdout } = await drawbridge(host, ['list', 'web']);
    expect(stdout.replaceAll('\n', ' ')).toContain(
      ' 2 attachments of 2 containers in 1 network: 0 without a policy, 1 packet denied, 1 not as recorded. ',
    );
    expect((await drawbridge(host, ['list', 'nobody'])).stdout).toBe('No attachment matches, of 3.\n');
    expect((await drawbridge(host, ['list', '--json', 'web-1'])).json).toMatchObject([{ containerId: 'web-1' }]);
    expect(await drawbridge(host, ['list', '--sort', 'size'])).toMatchObject({ code: 2 });
  });

  test('says what is true of many containers once', async ({ host }) => {
    for (const id of ['a1', 'a2', 'a3', 'a4', 'a5', 'a6']) await attach(host, shipped('10-drawbridge'), id);
    await host.sh('ip link set drawbridge0 down');
    const { stdout } = await drawbridge(host, ['list']);
    expect(stdout.match(/its bridge "drawbridge0" is down/g)).toHaveLength(1);
    expect(stdout).toContain('! a1, a2, a3, a4 and 2 more: its bridge "drawbridge0" is down');
  });
});

describe('lists of drawbridge', () => {
  test('are JSON, YAML, wide or names, one of them at a time', async ({ host }) => {
    await attach(host, shipped('10-drawbridge'), 'web', ports(8080));
    await attach(host, shipped('10-drawbridge'), 'true');
    for (const command of ['list', 'graph', 'clean'] as const) {
      const extra = command === 'clean' ? ['--dry-run'] : [];
      const json = await drawbridge(host, [command, '-o', 'json', ...extra]);
      expect(schemaErrors(command, json.json)).toEqual([]);
      const yaml = await drawbridge(host, [command, '--format', 'yaml', ...extra]);
      const timeless = (value: object): object => ({ ...value, time: '' });
      expect(timeless(parse(yaml.stdout) as object)).toEqual(timeless(json.json as object));
      expect(yaml.json === undefined || command === 'clean').toBe(true);
      expect((await drawbridge(host, [command, '-o', 'name', ...extra])).stdout).toBe(
        command === 'clean' ? '' : 'web\ntrue\n',
      );
      expect(await drawbridge(host, [command, '-o', 'yaml', '--json', ...extra])).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('Cannot print "yaml" and "json" at once'),
      });
    }
    expect((await drawbridge(host, ['list', '-o', 'wide'])).stdout).toBe(
      (await drawbridge(host, ['list', '--wide'])).stdout,
    );
  });

  test('are shown again when they changed, and only then', async ({ host }) => {
    await attach(host, shipped('10-drawbridge'), 'first');
    const watching = await host.spawn([executable, 'list', '-o', 'yaml', '--watch'], { env: { PATH: programs } });
    const shown = async () =>
      (await host.run(['cat', watching.log])).split('---\n').map((text) => (parse(text) as unknown[] | null)?.length);
    await expect.poll(shown, { timeout: 10_000 }).toEqual([1]);
    await attach(host, shipped('10-drawbridge'), 'second');
    await expect.poll(shown, { timeout: 10_000 }).toEqual([1, 2]);
    expect(await drawbridge(host, ['clean', '--watch'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('"--watch" goes with "--dry-run"'),
    });
  });

  test('of leftovers and pictures take in what a pattern and options mean, and leave the rest', async ({ host }) => {
    const outside = await host.outside();
    await outside.address('10.7.7.7');
    const tried = await attach(host, shipped('10-drawbridge'), 'ci-1');
    expect(await host.fetch(tried, '10.7.7.7', 80)).toBe('refused');
    const plain = await attach(host, shipped('20-interface-only'), 'plain');
    const others = [await attach(host, shipped('10-drawbridge'), 'ci-2'), plain];
    const pictured = async (...words: string[]) => (await drawbridge(host, ['graph', '-o', 'name', ...words])).stdout;
    expect(await pictured('ci-*')).toBe('ci-1\nci-2\n');
    expect(await pictured('--denied')).toBe('ci-1\n');
    expect(await pictured('--no-policy')).toBe('plain\n');
    expect(await pictured('--sort', 'name', '--network', 'drawbridge')).toBe('ci-1\nci-2\n');
    const { stdout: text } = await drawbridge(host, ['graph', '--format', 'text']);
    expect(text.trimEnd().split('\n').at(-1)).toBe(
      '3 containers in 2 networks: 1 without a policy, 1 packet denied, 0 not as recorded.',
    );
    for (const { remove } of [tried, ...others]) await remove();
    const found = async (...words: string[]) => (await drawbridge(host, ['clean', '--dry-run', ...words])).stdout;
    const names = async (...words: string[]) =>
      (await found('-o', 'name', '--stale', ...words)).split('\n').filter((name) => name.endsWith('/eth0'));
    await expect.poll(async () => (await names()).length, { timeout: 20_000 }).toBe(3);
    expect(await names('ci-*', '--sort', 'name')).toEqual(['ci-1/eth0', 'ci-2/eth0']);
    expect(await names('--no-policy')).toEqual(['plain/eth0']);
    expect(await names('--network', 'drawbridge-open')).toEqual(['plain/eth0']);
    expect(await names('--denied')).toEqual(['ci-1/eth0']);
    expect(await found('ci-2')).toMatch(
      /Would remove [1-9]\d* leftovers?; nothing was changed\.\n[1-9]\d* more leftovers? not meant/,
    );
    await drawbridge(host, ['clean', 'ci-2']);
    expect(await names()).toEqual(expect.arrayContaining(['ci-1/eth0', 'plain/eth0']));
    expect(await names()).not.toContain('ci-2/eth0');
  });
});

describe('drawbridge port list', () => {
  test('shows ports in their order with their containers', async ({ host }) => {
    expect((await drawbridge(host, ['port', 'list'])).stdout).toBe('No port is published.\n');
    await attach(host, shipped('10-drawbridge'), 'web', ports(8080));
    await attach(host, shipped('10-drawbridge'), 'db', ports(5432));
    expect((await drawbridge(host, ['port', 'list'])).stdout).toBe(
      'PORT          CONTAINER  NETWORK\n5432->80/tcp  db         drawbridge\n8080->80/tcp  web        drawbridge\n',
    );
    const { json } = await drawbridge(host, ['port', 'list', '--json']);
    expect(schemaErrors('port-list', json)).toEqual([]);
    expect(json).toMatchObject([{ hostPort: 5432, containerId: 'db' }, { hostPort: 8080 }]);
  });
});

describe('drawbridge policy list', () => {
  test('shows who is under each policy, what waits to be applied and what is invalid', async ({ host }) => {
    expect(await drawbridge(host, ['policy', 'list'])).toMatchObject({
      code: 0,
      stdout: 'There is no named policy.\n',
    });
    const write = async (name: string, text: string) =>
      host.sh(`mkdir -p /etc/drawbridge/policies; echo '${text}' > /etc/drawbridge/policies/${name}.json`);
    await write('work', '{ "allow": ["8.8.8.8"] }');
    await write('idle', '{}');
    await attach(host, withPolicy({ policy: 'work' }), 'job');
    expect(await drawbridge(host, ['policy', 'list'])).toMatchObject({ code: 0 });
    await write('work', '{ "allow": ["8.8.4.4"] }');
    await write('bad', '{ "mode": "wide" }');
    await host.sh('touch -d 2026-03-04T05:06:07Z /etc/drawbridge/policies/idle.json');
    expect((await drawbridge(host, ['policy', 'list'])).stdout).toMatch(/^POLICY .*CHANGED[^]*2026-03-04 \d\d:06:07/);
    const { code, json } = await drawbridge(host, ['policy', 'list', '--json']);
    expect({ code, errors: schemaErrors('policy-list', json) }).toEqual({ code: 1, errors: [] });
    expect(json).toMatchObject([
      { name: 'bad', mode: null, problem: expect.stringContaining('"mode"') },
      {
        name: 'idle',
        mode: 'restricted',
        containers: 0,
        pending: 0,
        problem: null,
        changed: '2026-03-04T05:06:07.000Z',
      },
      { name: 'work', mode: 'allowlist', containers: 1, pending: 1, problem: null },
    ]);
  });
});

describe('drawbridge status', () => {
  test('answers a monitoring system by line and exit status', async ({ host }) => {
    expect(await drawbridge(host, ['status'])).toMatchObject({
      code: 0,
      stdout: 'DRAWBRIDGE OK - 0 attachments, agent does not run | attachments=0 denied=0c problems=0\n',
    });
    await attach(host, shipped('10-drawbridge'), 'web');
    const gone = await attach(host, shipped('10-drawbridge'), 'gone');
    await gone.remove();
    await expect.poll(async () => (await drawbridge(host, ['status'])).code, { timeout: 20_000 }).toBe(1);
    await host.sh('nft flush ruleset');
    const { code, stdout } = await drawbridge(host, ['status']);
    expect({ code, stdout }).toEqual({
      code: 2,
      stdout: expect.stringMatching(/^DRAWBRIDGE CRITICAL - web: its rules are not in force.* \| attachments=2 .*\n$/),
    });
    const { json } = await drawbridge(host, ['status', '--json']);
    expect(schemaErrors('status', json)).toEqual([]);
  });

  test('says with status 3 that it cannot tell, unless something is known to be broken', async ({ host }) => {
    await attach(host, shipped('10-drawbridge'), 'web');
    await host.sh(
      'mkdir -p /run/mute; printf "#!/bin/sh\\necho mute >&2; exit 1\\n" > /run/mute/nft; chmod +x /run/mute/nft',
    );
    const asked = async () => drawbridge(host, ['status'], { env: { PATH: `/run/mute:${programs}` } });
    expect(await asked()).toMatchObject({
      code: 3,
      stdout: expect.stringMatching(/^DRAWBRIDGE UNKNOWN - web: whether its rules are in force cannot be told/),
    });
    await host.sh('ip link set drawbridge0 down');
    expect(await asked()).toMatchObject({ code: 2, stdout: expect.stringContaining('DRAWBRIDGE CRITICAL') });
  });
});
