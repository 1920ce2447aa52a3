import { describe, expect, test } from '../../helpers/host.ts';
import { drawbridge } from '../../cli/cli.ts';
import { until } from '../process/agent.ts';
import { makeSites, hold, type Sites } from './sites.ts';

const noList = { allow: undefined };
const resolve = async ({ container }: Sites, name: string, server = '8.8.8.8'): Promise<string> =>
  (await container.exec(['dig', '+time=1', '+tries=1', '+noall', '+answer', '+comments', `@${server}`, name])).stdout;

describe.each(['open', 'restricted'])('a name under "deny" in mode %s', (mode) => {
  test('is refused in DNS whatever server is asked, and others are answered', async ({ host }) => {
    const sites = await makeSites(host, {
      policy: { ...noList, mode, verifyNames: false, deny: ['evil.example.net', '*.evil.example.net'] },
    });
    expect(await resolve(sites, 'evil.example.net')).toContain('REFUSED');
    expect(await resolve(sites, 'evil.example.net', '10.88.0.1')).toContain('REFUSED');
    expect(await resolve(sites, 'good.example.org')).toContain('198.51.100.1');
    const { json, code } = await drawbridge(host, ['explain', sites.container.name, 'evil.example.net', '--json']);
    expect({ code, json }).toMatchObject({ code: 1, json: { verdict: 'deny', rule: 'deny "evil.example.net"' } });
  });

  test('is refused in the first bytes at its ports, and another name there passes, as what shows none', async ({
    host,
  }) => {
    const sites = await makeSites(host, {
      policy: { ...noList, mode, deny: ['evil.example.net:443'] },
    });
    const { curl, container, asked, outside } = sites;
    await host.serve(outside, { port: 25, reply: '220 mail' });
    expect(await curl('https://evil.example.net/')).toBe('curl: 35');
    expect(await curl('https://good.example.org/')).toBe('good.example.org HTTP/2.0\n');
    expect(await curl('http://evil.example.net/')).toBe('evil.example.net HTTP/1.1\n');
    const unnamed = await container.exec(['curl', '-sk', '--max-time', '4', 'https://198.51.100.1/']);
    expect(unnamed.code).toBe(0);
    expect((await asked()).filter((line) => line.startsWith('evil'))).toEqual([]);
    // The reader tells refusals together, a moment later.
    const flows = async (): Promise<string> => (await drawbridge(host, ['flows', '--denied', '--json'])).stdout;
    await expect.poll(flows, { timeout: 10_000 }).toContain('which deny \\"evil.example.net:443\\" closes');
  });
});

const statusConf = {
  cniVersion: '1.1.0',
  name: 'lab',
  type: 'egress-policy',
  mode: 'open',
  deny: ['evil.example.net'],
} as const;

describe('names under "deny"', () => {
  test('without ports are looked for at every TCP port, and a server that speaks first is let speak', async ({
    host,
  }) => {
    const { curl, container, outside } = await makeSites(host, {
      policy: { ...noList, mode: 'open', deny: ['evil.example.net'] },
    });
    await host.spawn(['socat', 'TCP-LISTEN:2525,fork,reuseaddr', 'SYSTEM:echo 220 mail; sleep 1'], { where: outside });
    await until(async () => (await host.exec(['nc', '-z', '198.51.100.1', '2525'], { where: outside })).code === 0);
    expect(await curl('http://evil.example.net/')).toBe('curl: 56');
    expect(await curl('http://good.example.org/')).toBe('good.example.org HTTP/1.1\n');
    const mail = await container.exec(['timeout', '3', 'socat', '-u', 'TCP:198.51.100.1:2525', '-']);
    expect(mail.stdout).toBe('220 mail\n');
  });

  test('beat what a wildcard or a literal of "allow" opens', async ({ host }) => {
    const sites = await makeSites(host, {
      policy: { allow: ['*.example.org:443', '198.51.100.1:80'], deny: ['also.example.org', 'evil.example.net'] },
    });
    expect(await resolve(sites, 'good.example.org')).toContain('198.51.100.1');
    expect(await resolve(sites, 'also.example.org')).toContain('REFUSED');
    expect(await sites.curl('https://also.example.org/')).toBe('curl: 35');
    expect(await sites.curl('https://good.example.org/')).toBe('good.example.org HTTP/2.0\n');
    expect(await sites.curl('http://evil.example.net/')).toBe('curl: 56');
    expect(await sites.curl('http://good.example.org/')).toBe('good.example.org HTTP/1.1\n');
  });

  test('leave no DNS at all without an agent, at the gateway or elsewhere, which STATUS says', async ({ host }) => {
    const sites = await makeSites(host, {
      policy: { ...noList, mode: 'open', verifyNames: false, deny: ['evil.example.net'] },
      withoutAgent: true,
    });
    const { outside, container } = sites;
    await host.spawn([
      'dnsmasq',
      '--keep-in-foreground',
      '--no-resolv',
      `--server=${outside.v4}`,
      '--pid-file=',
      '--listen-address=10.88.0.1',
      '--bind-interfaces',
      '--conf-file=/dev/null',
      '--user=root',
    ]);
    await until(
      async () => (await host.exec(['dig', '+time=1', '+tries=1', '@10.88.0.1', 'good.example.org'])).code === 0,
    );
    for (const server of ['10.88.0.1', outside.v4])
      expect((await container.exec(['dig', '+time=1', '+tries=1', `@${server}`, 'good.example.org'])).code).not.toBe(0);
    expect(await sites.curl('http://good.example.org/')).toBe('good.example.org HTTP/1.1\n');
    const status = await host.cni('STATUS', statusConf);
    expect(status.error).toMatchObject({ code: 51, msg: expect.stringContaining('so containers have no DNS') });
  });

  test('that come later end the connections that asked for them, and no other', async ({ host }) => {
    const write = (deny: readonly string[]): Promise<string> =>
      host.run(['/bin/sh', '-c', 'mkdir -p /etc/drawbridge/policies && cat > /etc/drawbridge/policies/web.json'], {
        input: JSON.stringify({ mode: 'open', deny, verifyNames: true }),
      });
    await write(['evil.example.net']);
    const { container, agent } = await makeSites(host, {
      policy: { mode: undefined, allow: undefined, verifyNames: undefined, policy: 'web' },
    });
    const [good, also] = [await hold(host, container), await hold(host, container, 'also.example.org')];
    expect([await good(), await also()].map((answer) => answer.includes('200 OK'))).toEqual([true, true]);
    await write(['evil.example.net', 'also.example.org']);
    await until(async () => (await agent.log()).some(({ msg }) => msg === 'policies changed'));
    expect(await also()).toMatch(/^closed$|ConnectionResetError|SSLEOFError/);
    expect(await good()).toContain('200 OK');
  });
});
