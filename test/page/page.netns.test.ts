import { describe, expect, test, type Host } from '../helpers/host.ts';
import { startAgent } from '../agent/process/agent.ts';
import { attach, drawbridge, withPolicy } from '../cli/cli.ts';
import { isUnpacked, provide } from '../firewall/packages.ts';
import { executable } from '../helpers/executable.ts';
import type { Container } from '../helpers/private-host.ts';
import { until } from '../runtimes/machine.ts';
import { chromium, path, startUi, visit } from './open.ts';

/** Status of what the page's server answers; the first word may be another path. */
async function fetchPage(host: Host, address: string, ...given: string[]): Promise<string> {
  const { port } = new URL(address);
  const [path, words] = given[0]?.startsWith('/') === true ? [given[0], given.slice(1)] : ['/api/list', given];
  return host.run(['curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', ...words, `http://127.0.0.1:${port}${path}`]);
}

interface Scene {
  /** Reaches 9.9.9.9:443 and nothing else. */
  readonly job: Container;
  readonly address: string;
}

/** A host with an agent, one container under an allowlist, one that may go anywhere, and the page. */
const page = test.extend<{ scene: Scene }>({
  scene: async ({ host }, use) => {
    await provide(host, chromium);
    const outside = await host.outside();
    await outside.address('8.8.8.8', '9.9.9.9');
    await host.serve(outside, { port: 443, reply: 'hello' });
    await startAgent(host);
    const job = await attach(host, withPolicy({ mode: 'allowlist', allow: ['9.9.9.9:443'] }), 'job');
    await attach(host, withPolicy({ mode: 'open' }), 'free');
    await use({ job, address: await startUi(host) });
  },
});

describe('the server of the page', () => {
  test('gives nothing of the host to who lacks the token, has another name for it, or comes from another page', async ({
    host,
  }) => {
    const address = await startUi(host);
    const { port, hash } = new URL(address);
    const own = ['-H', `Authorization: Bearer ${hash.replace('#token=', '')}`];
    expect(await fetchPage(host, address, ...own)).toBe('200');
    expect(await fetchPage(host, address)).toBe('401');
    expect(await fetchPage(host, address, '-H', 'Authorization: Bearer 00')).toBe('401');
    expect(await fetchPage(host, address, ...own, '-H', `Host: evil.example:${port}`)).toBe('421');
    expect(await fetchPage(host, address, ...own, '-H', 'Origin: http://evil.example')).toBe('403');
    expect(await fetchPage(host, address, ...own, '-X', 'POST')).toBe('405');
  });

  test('changes nothing without "--write", and with it only for its own page that has the token', async ({ host }) => {
    const outside = await host.outside();
    await outside.address('8.8.8.8');
    await host.serve(outside, { port: 443, reply: 'hello' });
    const job = await attach(host, withPolicy({ mode: 'allowlist', allow: ['9.9.9.9:443'] }), 'job');
    const grant = '/api/allow?container=job&destination=8.8.8.8:443';
    const ask = async (
      address: string,
      { origin = '', token = '' },
      path = grant,
      method = 'POST',
    ): Promise<string> => {
      const { hash, port } = new URL(address);
      return fetchPage(
        host,
        address,
        path,
        '-X',
        method,
        '-H',
        `Authorization: Bearer ${token === '' ? hash.replace('#token=', '') : token}`,
        ...(origin === 'none' ? [] : ['-H', `Origin: ${origin === '' ? `http://127.0.0.1:${port}` : origin}`]),
      );
    };
    expect(await ask(await startUi(host), {})).toBe('405');
    const address = await startUi(host, '--write', '--listen', '127.0.0.1:9442');
    expect({
      reading: await ask(address, {}, grant, 'GET'),
      writing: await ask(address, {}, '/api/list'),
      nobody: await ask(address, { origin: 'none' }),
      other: await ask(address, { origin: 'http://evil.example' }),
      guess: await ask(address, { token: '00' }),
      option: await ask(address, {}, '/api/allow?container=job&destination=--help'),
    }).toEqual({ reading: '405', writing: '405', nobody: '403', other: '403', guess: '401', option: '400' });
    expect(await host.fetch(job, '8.8.8.8', 443)).toBe('refused');
    expect(await ask(address, {})).toBe('200');
    expect(await host.fetch(job, '8.8.8.8', 443)).toBe('hello');
  });

  test('takes no option of a command for a parameter', async ({ host }) => {
    const address = await startUi(host);
    const own = `Authorization: Bearer ${new URL(address).hash.replace('#token=', '')}`;
    const { port } = new URL(address);
    const said = await host.run(['curl', '-s', '-H', own, `http://127.0.0.1:${port}/api/policy?name=--help`]);
    expect(JSON.parse(said)).toEqual({ error: 'A parameter is missing' });
  });
});

describe('the server of the page beside an agent', () => {
  test('is the agent itself, from which records come as they are made, until the command ends', async ({ host }) => {
    const outside = await host.outside();
    await outside.address('8.8.8.8');
    const agent = await startAgent(host);
    const job = await attach(host, withPolicy({ mode: 'allowlist', allow: ['9.9.9.9:443'] }), 'job');
    const daemon = await host.spawn([executable, 'ui'], { env: { PATH: path, LC_ALL: 'C' } });
    const address = await until('it is served', async () => /http:\S+/.exec(await host.run(['cat', daemon.log]))?.[0]);
    const { hash, port } = new URL(address);
    const holder = await host.sh(`ss -Htlnp sport = :${port}`);
    expect(holder).toContain(`pid=${agent.pid},`);
    const key = `Authorization: Bearer ${hash.replace('#token=', '')}`;
    const stream = await host.spawn(['curl', '-sN', '-H', key, `http://127.0.0.1:${port}/api/follow`]);
    await until('a record is told', async () => {
      await host.fetch(job, '8.8.8.8', 443);
      return /event: flows\ndata: .*"8\.8\.8\.8"/.test(await host.run(['cat', stream.log])) || undefined;
    });
    expect(await fetchPage(host, address, '-H', key)).toBe('200');
    await daemon.stop();
    await until('nobody listens', async () => (await host.sh(`ss -Htln sport = :${port}`)) === '' || undefined);
    expect(await agent.running()).toBe(true);
  });
});

describe.skipIf(!isUnpacked('chromium'))('the page in Chromium', () => {
  page(
    'says why a container does not reach a destination, and what would open it',
    async ({ host, scene: { job, address } }) => {
      expect(await host.fetch(job, '8.8.8.8', 443)).toBe('refused');
      expect(await host.fetch(job, '9.9.9.9', 443)).toBe('hello');
      const { told, errors, elsewhere } = await visit(host, address, [
        ['see', '.picture'],
        ['see', 'tr.deny'],
        ['text', 'tr.deny'],
        ['click', 'tr.deny a'],
        ['click', 'text=Why, and what would open it'],
        ['see', '.answer.deny'],
        ['text', '.answer'],
        ['count', '.answer button, .command button'],
      ]);
      expect(told[0]).toMatch(/denied\s+job\s+8\.8\.8\.8:443\/tcp/);
      expect(told[1]).toContain('8.8.8.8');
      expect(told[1]).toContain('is not reached');
      expect(told[2]).toBeGreaterThan(0);
      expect({ errors, elsewhere }).toEqual({ errors: [], elsewhere: [] });
    },
  );

  page(
    'tells the command that opens a destination, and has no button for it without "--write"',
    async ({ host, scene }) => {
      await host.fetch(scene.job, '8.8.8.8', 443);
      const { told } = await visit(host, scene.address, [
        ['click', 'tr.deny a'],
        ['click', 'text=Why, and what would open it'],
        ['see', 'text=drawbridge allow job'],
        ['count', '.opening'],
        ['text', '.command code >> nth=0'],
      ]);
      expect(told).toEqual([0, 'drawbridge allow job 8.8.8.8:443/tcp --for 1h']);
    },
  );

  page('grants a destination for an hour with one press, where it may write', async ({ host, scene: { job } }) => {
    const address = await startUi(host, '--write', '--listen', '127.0.0.1:9442');
    expect(await host.fetch(job, '8.8.8.8', 443)).toBe('refused');
    const { told, errors } = await visit(host, address, [
      ['click', 'tr.deny a'],
      ['click', 'text=Why, and what would open it'],
      ['click', 'text=Open it for an hour'],
      ['see', '.answer.allow'],
      ['text', '.answer.allow'],
    ]);
    expect({ told, errors }).toEqual({ told: [expect.stringContaining('8.8.8.8:443/tcp is reached')], errors: [] });
    expect(await host.fetch(job, '8.8.8.8', 443)).toBe('hello');
    const { json } = await drawbridge(host, ['list', '--json']);
    const [granted] = json.filter(({ containerId }: { containerId: string }) => containerId === 'job');
    expect(granted.grants).toMatchObject([{ entry: '8.8.8.8:443/tcp' }]);
  });

  page('puts a destination into the policy once the difference was shown', async ({ host, scene }) => {
    const before = '{\n  // resolvers\n  "mode": "allowlist",\n  "allow": ["9.9.9.9:443"]\n}\n';
    await host.sh('mkdir -p /etc/drawbridge/policies; cat > /etc/drawbridge/policies/work.json', { input: before });
    const worker = await attach(host, withPolicy({ policy: 'work' }), 'worker');
    expect(await host.fetch(worker, '8.8.8.8', 443)).toBe('refused');
    const address = await startUi(host, '--write', '--listen', '127.0.0.1:9442');
    const look = ['cat', '/etc/drawbridge/policies/work.json'];
    const { told, errors } = await visit(host, address, [
      ['click', 'tr.deny a'],
      ['click', 'text=Why, and what would open it'],
      ['click', 'text=Put it into policy work'],
      ['see', '.change'],
      ['text', '.change'],
      ['axe'],
      ['click', 'text=Write it into the policy'],
      ['see', '.answer.allow'],
    ]);
    expect(errors).toEqual([]);
    expect(told).toEqual([expect.stringMatching(/allow\n\+ 8\.8\.8\.8:443[^]*It holds for worker\./), []]);
    expect(await host.fetch(worker, '8.8.8.8', 443)).toBe('hello');
    expect(await host.run(look)).toBe(before.replace('["9.9.9.9:443"]', '["9.9.9.9:443", "8.8.8.8:443"]'));
    // Nobody else is under it.
    expect(await host.fetch(scene.job, '8.8.8.8', 443)).toBe('refused');
  });

  page('shows a denial while it is looked at', async ({ host, scene: { job, address } }) => {
    const looking = visit(host, address, [
      ['see', '.live'],
      ['see', 'tr.deny'],
      ['text', 'tr.deny'],
    ]);
    let isSeen = false;
    const seen = looking.finally(() => (isSeen = true));
    while (!isSeen) await host.fetch(job, '8.8.8.8', 443);
    expect((await seen).told[0]).toContain('8.8.8.8:443/tcp');
  });

  page('keeps filters in the address, and the token out of it', async ({ host, scene: { job, address } }) => {
    await host.fetch(job, '8.8.8.8', 443);
    const { told } = await visit(host, address, [
      ['see', '.picture'],
      ['click', 'nav a[href="#/flows"]'],
      ['see', 'tr.deny'],
      ['fill', 'input >> nth=1', '8.8.8.8'],
      ['choose', 'select', 'deny'],
      ['address'],
      ['count', 'tr.deny'],
      ['choose', 'select', 'allow'],
      ['count', 'tr.deny'],
    ]);
    expect(told).toEqual(['#/flows?to=8.8.8.8&verdict=deny', 1, 0]);
  });

  for (const scheme of ['light', 'dark'])
    page(`passes an accessibility check in each view, ${scheme}`, async ({ host, scene: { job, address } }) => {
      await host.fetch(job, '8.8.8.8', 443);
      const { told, errors } = await visit(
        host,
        address,
        [
          ['see', 'tr.deny'],
          ['axe'],
          ['picture', `/tmp/overview-${scheme}.png`],
          ['click', 'nav a[href="#/flows"]'],
          ['see', 'tr.deny'],
          ['axe'],
          ['click', 'nav a[href="#/policies"]'],
          ['see', '#policies'],
          ['axe'],
          ['click', 'nav a[href="#/findings"]'],
          ['see', '.findings li, .findings ~ p, section p'],
          ['axe'],
          ['click', 'nav a[href="#/overview"]'],
          ['click', 'tr.deny a'],
          ['see', 'dl'],
          ['axe'],
          ['picture', `/tmp/container-${scheme}.png`],
        ],
        scheme,
      );
      expect({ told, errors }).toEqual({ told: [[], [], [], [], []], errors: [] });
    });

  page(
    'is written by "graph --html" as a file that shows the same and asks nobody',
    async ({ host, scene: { job } }) => {
      await host.fetch(job, '8.8.8.8', 443);
      await host.run([executable, 'graph', '--html', '--output', '/tmp/host.html'], {
        env: { PATH: path, LC_ALL: 'C' },
      });
      const { told, errors, elsewhere } = await visit(host, 'file:///tmp/host.html', [
        ['see', 'tr.deny'],
        ['text', 'tr.deny'],
        ['text', 'header [role=status]'],
        ['click', 'tr.deny a'],
        ['see', 'dl'],
      ]);
      expect(told).toEqual([expect.stringContaining('8.8.8.8:443/tcp'), expect.stringMatching(/^as of 20/)]);
      expect({ errors, elsewhere }).toEqual({ errors: [], elsewhere: [] });
    },
  );

  page('is worked with keys alone, and on a narrow screen', async ({ host, scene: { address } }) => {
    const { told } = await visit(
      host,
      address,
      [
        ['see', '.picture'],
        ['press', 'Tab'],
        ['focus'],
        ['press', 'Tab'],
        ['press', 'Tab'],
        ['focus'],
        ['press', 'Enter'],
        ['see', '#flows'],
        ['address'],
      ],
      'light',
      '380',
    );
    expect(told).toEqual(['drawbridge', 'Flows', '#/flows']);
  });

  page('shows the hostile name that a container asked for as text', async ({ host, scene: { address } }) => {
    const hostile = '<i onclick=x>evil</i>';
    const asker = await attach(host, withPolicy({ mode: 'allowlist', allow: ['*.example.org'] }), 'asker');
    const [gateway = ''] = /via (\S+)/.exec((await asker.exec(['ip', 'route'])).stdout)?.slice(1) ?? [];
    const query = `
import socket, struct
name = ${JSON.stringify(hostile)}.encode()
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(3)
s.sendto(struct.pack(">HHHHHH", 7, 256, 1, 0, 0, 0) + bytes([len(name)]) + name + b"\\0" + struct.pack(">HH", 1, 1), ("${gateway}", 53))
print(s.recv(512)[3] & 15)`;
    expect(
      await until('the proxy knows it', async () => (await asker.exec(['python3', '-c', query])).stdout.trim()),
    ).toBe('5');
    const { told, errors } = await visit(host, address, [
      ['see', 'tr.deny'],
      ['text', 'tr.deny'],
      ['count', 'main i'],
    ]);
    expect(told[0]).toContain('evil</i>');
    expect({ count: told[1], errors }).toEqual({ count: 0, errors: [] });
  });
});
