import { attach, drawbridge, schemaErrors, shipped, withPolicy } from './cli.ts';
import { describe, expect, test } from '../helpers/host.ts';

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
    const { code, json } = await drawbridge(host, ['policy', 'list', '--json']);
    expect({ code, errors: schemaErrors('policy-list', json) }).toEqual({ code: 1, errors: [] });
    expect(json).toMatchObject([
      { name: 'bad', mode: null, problem: expect.stringContaining('"mode"') },
      { name: 'idle', mode: 'restricted', containers: 0, pending: 0, problem: null },
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
    await expect.poll(async () => (await drawbridge(host, ['status'])).code).toBe(1);
    await host.sh('nft flush ruleset');
    const { code, stdout } = await drawbridge(host, ['status']);
    expect({ code, stdout }).toEqual({
      code: 2,
      stdout: expect.stringMatching(/^DRAWBRIDGE CRITICAL - web: its rules are not in force.* \| attachments=2 .*\n$/),
    });
    const { json } = await drawbridge(host, ['status', '--json']);
    expect(schemaErrors('status', json)).toEqual([]);
  });
});
