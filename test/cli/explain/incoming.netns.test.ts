/** What "drawbridge explain" says of what comes in, beside what becomes of a real connection. */
import { attach, drawbridge, schemaErrors, shipped, withPolicy } from '../cli.ts';
import { describe, expect, test } from '../../helpers/host.ts';

const published = (hostPort: number, hostIP?: string) => ({
  runtimeConfig: { portMappings: [{ hostPort, containerPort: 80, protocol: 'tcp', ...(hostIP && { hostIP }) }] },
});

describe('drawbridge explain of what comes in', () => {
  test('says who publishes a port and whether a program inside listens, as a client finds it', async ({ host }) => {
    const outside = await host.outside();
    const web = await attach(host, shipped('10-drawbridge'), 'web', published(8080));
    const ask = async (...words: string[]) => {
      const answer = await drawbridge(host, ['explain', ...words, '--json']);
      expect(schemaErrors('explain-incoming', answer.json)).toEqual([]);
      return answer;
    };
    const comesIn = async () => host.fetch(outside, '192.0.2.1', 8080);
    expect(await comesIn()).toBe('refused');
    expect(await ask('--from', '192.0.2.2', ':8080')).toMatchObject({
      code: 1,
      json: { verdict: 'deny', rule: 'listener', ways: [{ containerId: 'web', hostPort: 8080, listens: false }] },
    });
    await host.serve(web, { port: 80, address: '127.0.0.1' });
    expect(await comesIn()).toBe('refused');
    expect(await ask('--from', '192.0.2.2', ':8080')).toMatchObject({ code: 1, json: { rule: 'listener' } });
    const server = await host.serve(web, { port: 80, address: '10.88.0.2', reply: 'web' });
    expect(await comesIn()).toBe('web');
    expect(await ask('--from', '192.0.2.2', ':8080')).toMatchObject({
      code: 0,
      json: { verdict: 'allow', rule: 'published', from: '192.0.2.2', ways: [{ listens: true, verdict: 'allow' }] },
    });
    for (const words of [
      ['internet', 'web:80'],
      ['--from', '192.0.2.2', '192.0.2.1:8080'],
      ['internet', '10.88.0.2:80'],
    ])
      expect(await ask(...words)).toMatchObject({ code: 0, json: { rule: 'published' } });
    const { stdout } = await drawbridge(host, ['explain', 'internet', 'web:80']);
    expect(stdout).toMatch(/^the internet reaches web:80\/tcp\n\n {2}because +web publishes 8080->80\/tcp\n/);
    await server.close();
    await host.sh('nft flush ruleset');
    expect(await comesIn()).not.toBe('web');
    expect(await ask('--from', '192.0.2.2', ':8080')).toMatchObject({
      code: 1,
      json: { rule: 'rules', ways: [{ obstacles: [{ kind: 'rules', remedy: 'drawbridge doctor --fix' }] }] },
    });
  });

  test('tells a port of nobody, of a program of the host, and of one address from one that is open', async ({
    host,
  }) => {
    const outside = await host.outside();
    const web = await attach(host, shipped('10-drawbridge'), 'web', published(8080, '127.0.0.1'));
    await host.serve(web, { port: 80, reply: 'web' });
    await host.serve(host, { port: 9000, reply: 'host' });
    const ask = async (...words: string[]) => drawbridge(host, ['explain', ...words, '--json']);
    expect(await host.fetch(outside, '192.0.2.1', 7000)).toBe('refused');
    expect(await ask('internet', ':7000')).toMatchObject({
      code: 1,
      json: { rule: 'not published', ways: [], advice: expect.stringContaining('port add CONTAINER 7000:PORT') },
    });
    expect(await host.fetch(outside, '192.0.2.1', 9000)).toBe('host');
    expect(await ask('internet', ':9000')).toMatchObject({ code: 1, json: { rule: 'host', advice: null } });
    expect(await host.fetch(outside, '192.0.2.1', 8080)).toBe('refused');
    expect(await ask('--from', '192.0.2.2', ':8080')).toMatchObject({
      code: 1,
      json: { rule: 'published', reason: expect.stringContaining('at 127.0.0.1 alone') },
    });
    expect(await host.fetch(host, '127.0.0.1', 8080)).toBe('web');
    expect(await ask('--from', '127.0.0.1', ':8080')).toMatchObject({ code: 0, json: { rule: 'published' } });
  });

  test("says what a container's own address lets in by its policy's ingress", async ({ host }) => {
    const outside = await host.outside();
    const shut = await attach(host, withPolicy({ mode: 'restricted' }, 'shut'), 'shut');
    await host.serve(shut, { port: 80, reply: 'shut' });
    await host.sh('ip route add 10.90.0.0/16 via 192.0.2.1', { where: outside });
    const ask = async (...words: string[]) => drawbridge(host, ['explain', ...words, '--json']);
    expect(await host.fetch(outside, '10.90.0.2', 80)).toBe('timeout');
    expect(await ask('--from', '192.0.2.2', 'shut:80')).toMatchObject({
      code: 1,
      json: { rule: 'ingress "published"', advice: expect.stringContaining('drawbridge port add shut 80') },
    });
    const open = await attach(host, withPolicy({ mode: 'restricted', ingress: 'open' }, 'shut'), 'open');
    await host.serve(open, { port: 80, reply: 'open' });
    expect(await host.fetch(outside, '10.90.0.3', 80)).toBe('open');
    expect(await ask('--from', '192.0.2.2', 'open:80')).toMatchObject({ code: 0, json: { rule: 'ingress "open"' } });
    expect(await ask('internet', 'open:80')).toMatchObject({ code: 1, json: { rule: 'address' } });
  });

  test('cannot tell of a container that is not there or being added, and refuses what it does not understand', async ({
    host,
  }) => {
    await host.outside();
    await attach(host, shipped('10-drawbridge'), 'web', published(8080));
    const code = async (...words: string[]) => (await drawbridge(host, ['explain', ...words])).code;
    expect(await code('internet', 'nobody:80')).toBe(3);
    for (const words of [
      ['--from', 'somebody', ':80'],
      ['--from', '10.88.0.2', ':80'],
      ['internet', ':0'],
      ['internet', '198.51.100.1:80'],
      ['internet', 'web/icmp'],
      ['--from', '192.0.2.2', 'web', '8.8.8.8'],
      ['web'],
    ])
      expect([words, await code(...words)]).toEqual([words, 2]);
    await host.sh(`sed -i 's/"state": "ready"/"state": "adding"/' /run/drawbridge/attachments/*.json`);
    const answer = await drawbridge(host, ['explain', 'internet', ':8080']);
    expect(answer).toMatchObject({ code: 3, stderr: expect.stringContaining('it is being added') });
  });
});
