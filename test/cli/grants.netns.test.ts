/** What one container may reach for a time, on top of its policy. */
import { startAgent, until } from '../agent/process/agent.ts';
import { describe, expect, test, type Container, type Host, type Outside } from '../helpers/host.ts';
import { hold, makeSites } from '../agent/first-bytes/sites.ts';
import { attach, drawbridge, schemaErrors, withPolicy } from './cli.ts';

const narrow = { mode: 'allowlist', allow: ['8.8.8.8:80'] };

async function makeLab(
  host: Host,
  policy: object = narrow,
): Promise<{ job: Container; sibling: Container; outside: Outside }> {
  const outside = await host.outside();
  await outside.address('8.8.8.8', '9.9.9.9');
  await host.serve(outside, { port: 80, reply: 'hello' });
  await host.sh('mkdir -p /etc/drawbridge/policies; cat > /etc/drawbridge/policies/web.json', {
    input: JSON.stringify(policy),
  });
  const conf = withPolicy({ policy: 'web' });
  return { job: await attach(host, conf, 'job'), sibling: await attach(host, conf, 'sibling'), outside };
}

/** Opens a connection that stays; what is returned sends a line and says whether it came back. */
async function talk(host: Host, container: Container, outside: Outside): Promise<() => Promise<boolean>> {
  await host.spawn(['socat', 'TCP-LISTEN:7,fork,reuseaddr', 'EXEC:cat'], { where: outside });
  await until(async () => (await host.exec(['nc', '-z', '9.9.9.9', '7'], { where: outside })).code === 0);
  const script = `import socket, sys
one = socket.create_connection(("9.9.9.9", 7)); one.settimeout(2)
listener = socket.socket(socket.AF_UNIX); listener.bind("/run/talk"); listener.listen()
while True:
    asker, _ = listener.accept()
    try:
        one.sendall(b"x"); answer = one.recv(1) or b"closed"
    except OSError as error: answer = repr(error).encode()
    asker.sendall(answer); asker.close()`;
  await host.run(['/bin/sh', '-c', 'cat > /run/talk.py'], { input: script });
  await host.spawn(['python3', '/run/talk.py'], { where: container });
  await until(async () => (await host.exec(['test', '-S', '/run/talk'])).code === 0);
  return async () => (await host.run(['socat', '-t10', '-', 'UNIX:/run/talk'])) === 'x';
}

describe('a grant', () => {
  test('opens a destination to one container, is shown, and "revoke" takes it back', async ({ host }) => {
    const { job, sibling } = await makeLab(host);
    const allowed = await drawbridge(host, ['allow', 'job', '9.9.9.9:80', '--for', '10m']);
    expect({ code: allowed.code, stdout: allowed.stdout }).toEqual({
      code: 0,
      stdout: 'Beside its policy it may reach 9.9.9.9:80 for 10 min.\n',
    });
    expect(await host.fetch(job, '9.9.9.9', 80)).toBe('hello');
    expect(await host.fetch(job, '8.8.8.8', 80)).toBe('hello');
    expect(await host.fetch(sibling, '9.9.9.9', 80)).toBe('refused');
    const listed = await drawbridge(host, ['list', '--json']);
    expect(schemaErrors('list', listed.json)).toEqual([]);
    expect(listed.json).toMatchObject([
      { containerId: 'job', grants: [{ entry: '9.9.9.9:80' }], stale: [] },
      { containerId: 'sibling', grants: [] },
    ]);
    expect((await drawbridge(host, ['list'])).stdout).toContain('! job: granted 9.9.9.9:80 beside its policy');
    const shown = await drawbridge(host, ['policy', 'show', 'job', '--json']);
    expect(schemaErrors('policy-show', shown.json)).toEqual([]);
    expect(shown.json).toMatchObject({ policy: { allow: ['8.8.8.8:80'] }, grants: [{ entry: '9.9.9.9:80' }] });
    expect((await drawbridge(host, ['explain', 'job', '9.9.9.9:80', '--json'])).json).toMatchObject({
      verdict: 'allow',
      rule: 'grant "9.9.9.9:80"',
    });
    expect(JSON.parse(await host.run(['cat', '/etc/drawbridge/policies/web.json']))).toEqual(narrow);
    const again = await drawbridge(host, ['allow', 'job', '9.9.9.9:80', '--json']);
    expect(schemaErrors('grants', again.json)).toEqual([]);
    expect(again.json).toMatchObject([{ containerId: 'job', grants: [{ entry: '9.9.9.9:80' }] }]);
    const revoked = await drawbridge(host, ['revoke', 'job', '9.9.9.9:80']);
    expect(revoked.stdout).toBe('It is granted nothing beside its policy.\n');
    expect(await host.fetch(job, '9.9.9.9', 80)).toBe('refused');
    expect((await drawbridge(host, ['revoke', 'job'])).code).toBe(1);
  });

  test('is ended by the kernel, without an agent, with the connections that it opened and no other', async ({
    host,
  }) => {
    const { job, outside } = await makeLab(host);
    expect((await drawbridge(host, ['allow', 'job', '9.9.9.9', '--for', '6s'])).code).toBe(0);
    const says = await talk(host, job, outside);
    expect(await says()).toBe(true);
    await until(async () => (await host.fetch(job, '9.9.9.9', 80)) === 'refused', 12_000);
    expect(await says()).toBe(false);
    expect(await host.fetch(job, '8.8.8.8', 80)).toBe('hello');
    expect((await drawbridge(host, ['list', '--json'])).json).toMatchObject([{ grants: [] }, { grants: [] }]);
    expect((await drawbridge(host, ['explain', 'job', '9.9.9.9:80'])).code).toBe(1);
  });

  test('comes back after a flush with the time that is left, by the agent and by the next ADD', async ({ host }) => {
    const { job } = await makeLab(host);
    await drawbridge(host, ['allow', 'job', '9.9.9.9:80', '--for', '100s']);
    const left = async (): Promise<number> => {
      const { stdout } = await host.exec(['nft', 'list', 'table', 'inet', 'drawbridge']);
      const set = /set \S+_grant_\w+_4 \{[^}]*?elements = \{ [\d.]+ timeout (\S+)/.exec(stdout)?.[1] ?? '0s';
      const [, minutes = '0', seconds = '0'] = /(?:(\d+)m)?(?:(\d+)s)?/.exec(set) ?? [];
      return Number(minutes) * 60 + Number(seconds);
    };
    expect(await left()).toBeGreaterThan(90);
    await host.sh('sleep 3; nft flush ruleset');
    await attach(host, withPolicy({ policy: 'web' }), 'third');
    expect(await left()).toBeGreaterThan(60);
    expect(await left()).toBeLessThan(98);
    expect(await host.fetch(job, '9.9.9.9', 80)).toBe('hello');
    await startAgent(host);
    await host.sh('nft flush ruleset');
    await until(async () => (await left()) > 0);
    expect(await left()).toBeLessThan(98);
    expect(await host.fetch(job, '9.9.9.9', 80)).toBe('hello');
  });

  test('outlives the agent, and a change of its policy file, and is put away when it is over', async ({ host }) => {
    const { job, outside } = await makeLab(host);
    const agent = await startAgent(host);
    expect((await drawbridge(host, ['allow', 'job', '9.9.9.9', '--for', '25s'])).code).toBe(0);
    const says = await talk(host, job, outside);
    await agent.kill();
    expect(await host.fetch(job, '9.9.9.9', 80)).toBe('hello');
    const next = await startAgent(host);
    await host.sh('cat > /etc/drawbridge/policies/web.json', { input: JSON.stringify({ ...narrow, onDeny: 'drop' }) });
    await until(async () => (await next.log()).some(({ msg }) => msg === 'policies changed'));
    expect(await host.fetch(job, '9.9.9.9', 80)).toBe('hello');
    expect(await says()).toBe(true);
    await until(async () => (await next.log()).some(({ msg }) => msg === 'grant ends: its time is over'), 40_000);
    await until(async () => !(await says()), 5000);
    expect(await host.run(['nft', 'list', 'table', 'inet', 'drawbridge'])).not.toContain('_grant_');
  });

  test('of a name is resolved, answered to that container alone, and checked where names are', async ({ host }) => {
    const { container, curl, curlFrom, conflist } = await makeSites(host);
    const other = await host.container();
    expect((await host.addChain(conflist, { container: other })).error).toBeUndefined();
    const dig = async (from: Container, name: string): Promise<string> =>
      (await from.exec(['dig', '+time=2', '+tries=1', '+short', '@10.88.0.1', name])).stdout.trim();
    expect(await curl('https://also.example.org/')).toBe('curl: 35');
    const granted = await drawbridge(host, ['allow', container.name, 'also.example.org:443', '--for', '20s']);
    expect({ code: granted.code, stderr: granted.stderr }).toEqual({ code: 0, stderr: '' });
    expect(await dig(container, 'also.example.org')).toBe('198.51.100.1');
    expect(await dig(other, 'also.example.org')).toBe('');
    expect(await curl('https://also.example.org/')).toBe('also.example.org HTTP/2.0\n');
    expect(await curl('https://evil.example.net/')).toBe('curl: 35');
    expect(await curlFrom(other, 'https://also.example.org/')).toBe('curl: 35');
    const also = await hold(host, container, 'also.example.org');
    const good = await hold(host, container);
    expect([(await also()).includes('200 OK'), (await good()).includes('200 OK')]).toEqual([true, true]);
    await until(async () => (await curl('https://also.example.org/')).startsWith('curl'), 30_000);
    await until(async () => !(await also()).includes('200 OK'), 5000);
    expect(await good()).toContain('200 OK');
    expect(await curl('https://good.example.org/')).toBe('good.example.org HTTP/2.0\n');
  });
});

test('nothing is granted beyond "maxGrants", nor to a container without a list', async ({ host }) => {
  const { job } = await makeLab(host, { ...narrow, maxGrants: { within: ['9.9.9.0/24:80'], for: '10m', count: 1 } });
  const refusal = async (...words: string[]): Promise<string> => {
    const { code, stderr } = await drawbridge(host, ['allow', 'job', ...words]);
    expect(code).toBe(1);
    return stderr;
  };
  expect(await refusal('9.9.9.9:80', '--for', '11m')).toContain('"maxGrants" lets a grant last 10 min');
  expect(await refusal('9.9.9.9:443', '--for', '1m')).toContain('"maxGrants" opens nothing that holds');
  expect((await drawbridge(host, ['allow', 'job', '9.9.9.9:80', '--for', '1m'])).code).toBe(0);
  expect(await refusal('9.9.9.8:80', '--for', '1m')).toContain('"maxGrants" lets 1 be there at once');
  expect((await drawbridge(host, ['allow', 'job', '9.9.9.9:80', '--for', '9m'])).stdout).toContain('for 9 min');
  expect(await host.fetch(job, '9.9.9.9', 80)).toBe('hello');
  await attach(host, withPolicy({ mode: 'restricted' }), 'free');
  expect((await drawbridge(host, ['allow', 'free', '9.9.9.9:80'])).stderr).toContain('opens every public destination');
});
