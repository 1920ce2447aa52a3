import { describe, expect, test } from '../../helpers/host.ts';
import { drawbridge } from '../../cli/cli.ts';
import { startAgent, until } from '../process/agent.ts';
import { hold, makeSites } from './sites.ts';

interface Told {
  readonly rule: string;
  readonly name?: string;
  readonly reason: string;
  readonly destination: string;
  readonly port: number;
}

describe('a connection that asks for a name that is not allowed', () => {
  test('is told of by name in flows and watch, and counted in list', async ({ host }) => {
    const { curl } = await makeSites(host);
    const watching = drawbridge(host, ['watch', '--for', '3', '--json']);
    await curl('https://evil.example.net/');
    const { stdout } = await watching;
    expect(JSON.parse(stdout)).toMatchObject({
      destination: '198.51.100.1',
      port: 443,
      names: ['evil.example.net'],
      rule: 'verifyNames',
      reason: 'it asks for "evil.example.net", which the policy does not allow at port 443',
    });
    const flows = (await drawbridge(host, ['flows', '--denied', '--json'])).stdout.trim().split('\n');
    const told = flows.map((line) => JSON.parse(line) as Told).filter(({ rule }) => rule === 'verifyNames');
    expect(told).toMatchObject([{ name: 'evil.example.net', destination: '198.51.100.1', port: 443 }]);
    const [listed] = (await drawbridge(host, ['list', '--json'])).json as { denied: number }[];
    expect(listed?.denied).toBe(1);
  });

  test('ends at the server too, which keeps no half of it', async ({ host }) => {
    const { curl, outside } = await makeSites(host);
    await curl('https://evil.example.net/');
    const standing = 'ss -Htn state established state syn-recv sport = :443';
    expect(await host.run(['/bin/sh', '-c', standing], { where: outside })).toBe('');
  });

  test('by QUIC is refused at once, as all UDP of a name is', async ({ host }) => {
    const { container } = await makeSites(host, { policy: { allow: ['good.example.org'] } });
    const script = `import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(("198.51.100.1", 443)); s.settimeout(5)
began = time.time(); s.send(b"\\xc0" + bytes(1200))
try: s.recv(1); print("answered")
except TimeoutError: print("silence")
except OSError as error: print(type(error).__name__, time.time() - began < 1)`;
    expect((await container.exec(['python3', '-c', script])).stdout).toMatch(/^\w*(?:Error|Unreachable) True\n$/);
  });
});

/** What a client of OpenSSL says of a connection that ended under it, while it asked or before. */
const ended = /^closed$|ConnectionResetError|SSLEOFError/;

describe('an established connection to a name', () => {
  const conf = (allow: readonly string[], more: object = {}): string =>
    JSON.stringify({ mode: 'allowlist', allow, verifyNames: true, ...more });
  const write = (host: Parameters<typeof makeSites>[0], text: string): Promise<string> =>
    host.run(['/bin/sh', '-c', 'mkdir -p /etc/drawbridge/policies && cat > /etc/drawbridge/policies/web.json'], {
      input: text,
    });
  const named = { mode: undefined, allow: undefined, verifyNames: undefined, policy: 'web' };

  test('goes on when its policy changes and allows its name still, and ends when it does not', async ({ host }) => {
    await write(host, conf(['good.example.org:443', 'also.example.org:443']));
    const { container, agent } = await makeSites(host, { policy: named });
    const [good, also] = [await hold(host, container), await hold(host, container, 'also.example.org')];
    expect([await good(), await also()].map((answer) => answer.includes('200 OK'))).toEqual([true, true]);
    await write(host, conf(['good.example.org:443']));
    await until(async () => (await agent.log()).some(({ msg }) => msg === 'policies changed'));
    expect(await also()).toMatch(ended);
    expect(await good()).toContain('200 OK');
  });

  test('ends when its policy changes after the agent was restarted, since nobody knows its name', async ({ host }) => {
    await write(host, conf(['good.example.org:443']));
    const { container, agent } = await makeSites(host, { policy: named });
    const good = await hold(host, container);
    await agent.kill();
    const next = await startAgent(host);
    expect(await good()).toContain('200 OK');
    await write(host, conf(['good.example.org:443', 'also.example.org:443']));
    await until(async () => (await next.log()).some(({ msg }) => msg === 'policies changed'));
    expect(await good()).toMatch(ended);
  });

  test('from before names were checked ends when they are', async ({ host }) => {
    await write(host, conf(['good.example.org:443'], { verifyNames: false }));
    const { container, agent } = await makeSites(host, { policy: named });
    const good = await hold(host, container);
    expect(await good()).toContain('200 OK');
    await write(host, conf(['good.example.org:443']));
    await until(async () => (await agent.log()).some(({ msg }) => msg === 'policies changed'));
    expect(await good()).toMatch(ended);
  });

  test('that conntrack picks up in the middle is refused', async ({ host }) => {
    const { container } = await makeSites(host);
    const good = await hold(host, container);
    expect(await good()).toContain('200 OK');
    await host.sh('conntrack -D -p tcp --dport 443 >/dev/null 2>&1');
    expect(await good()).toMatch(ended);
  });

  test('whose mark somebody wipes is refused, and not let through', async ({ host }) => {
    const { container, curl } = await makeSites(host);
    const good = await hold(host, container);
    expect(await good()).toContain('200 OK');
    // As rules do that keep the marks of connections for themselves.
    await host.run(['nft', '-f', '-'], {
      input: 'table ip own {\n chain wipe {\n type filter hook prerouting priority -100;\n ct mark set 0\n }\n}\n',
    });
    expect(await good()).toMatch(ended);
    expect(await curl('https://evil.example.net/')).toMatch(/^curl: /);
    await host.run(['nft', 'delete', 'table', 'ip', 'own']);
    expect(await curl('https://good.example.org/')).toBe('good.example.org HTTP/2.0\n');
  });
});

describe('without the rule that leads to the queue', () => {
  test('nothing of a held connection passes, until the agent has put it back', async ({ host }) => {
    const { curl, counter, asked } = await makeSites(host);
    await host.run(['iptables', '-t', 'mangle', '-F']);
    expect(await curl('https://evil.example.net/', '--max-time', '1')).toBe('curl: 28');
    expect(await counter('names_unread')).toBeGreaterThan(0);
    await until(async () => (await host.exec(['iptables', '-t', 'mangle', '-S'])).stdout.includes('NFQUEUE'), 15_000);
    expect(await curl('https://good.example.org/')).toBe('good.example.org HTTP/2.0\n');
    expect(await asked()).toEqual(['good.example.org good.example.org HTTP/2.0']);
  });

  test('and without any way to have it ADD refuses the policy, and STATUS says so', async ({ host }) => {
    const shims = '/run/shims';
    await host.sh(`mkdir -p ${shims}; for one in iptables ip6tables; do
      printf '#!/bin/sh\\necho "Extension NFQUEUE revision 0 not supported, missing kernel module?" >&2\\nexit 4\\n' > ${shims}/$one
      chmod 755 ${shims}/$one; done`);
    const container = await host.container();
    const conflist = {
      cniVersion: '1.1.0',
      name: 'lab',
      plugins: [
        {
          type: 'drawbridge',
          bridge: 'drawbridge0',
          isDefaultGateway: true,
          ipam: { type: 'host-local', ranges: [[{ subnet: '10.88.0.0/16' }]] },
          egress: { mode: 'allowlist', allow: ['good.example.org:443'], verifyNames: true },
        },
      ],
    };
    const env = { PATH: `${shims}:/usr/sbin:/usr/bin:/sbin:/bin` };
    const added = await host.addChain(conflist as never, { container, env });
    expect(added.error).toMatchObject({
      code: 50,
      msg: 'Cannot check names as "verifyNames" asks: this host has neither the queue of nft nor NFQUEUE of iptables',
    });
    expect(await host.run(['ip', '-br', 'link', 'show', 'type', 'bridge'])).toBe('');
  });
});
