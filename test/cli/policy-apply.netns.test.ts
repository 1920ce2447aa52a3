/** Policies that are tried, applied, applied for a time, and taken back. */
import { startAgent, until } from '../agent/process/agent.ts';
import { describe, expect, test, type Host } from '../helpers/host.ts';
import { attach, drawbridge, schemaErrors, withPolicy } from './cli.ts';

const narrow = { mode: 'allowlist', allow: ['8.8.8.8:80'] };
const wide = { mode: 'allowlist', allow: ['8.8.8.8:80', '9.9.9.9:80'] };

async function makeLab(host: Host) {
  const outside = await host.outside();
  await outside.address('8.8.8.8', '9.9.9.9');
  await host.serve(outside, { port: 80, reply: 'hello' });
  await host.sh('mkdir -p /etc/drawbridge/policies; cat > /etc/drawbridge/policies/web.json', {
    input: JSON.stringify(narrow),
  });
  await host.sh('cat > /run/wide.json', { input: JSON.stringify(wide) });
  return attach(host, withPolicy({ policy: 'web' }), 'job');
}

describe('drawbridge policy apply', () => {
  test('shows the difference, waits until it is in force, and undo takes it back', async ({ host }) => {
    const job = await makeLab(host);
    expect(await host.fetch(job, '9.9.9.9', 80)).toBe('refused');
    const { code, stdout } = await drawbridge(host, ['policy', 'apply', '/run/wide.json', '--name', 'web']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('+ 9.9.9.9:80') });
    expect(stdout).toContain('In force: policy web, for job.');
    expect(await host.fetch(job, '9.9.9.9', 80)).toBe('hello');
    const undone = await drawbridge(host, ['policy', 'undo', 'web', '--json']);
    expect(schemaErrors('policy-apply', undone.json)).toEqual([]);
    expect(undone.json).toMatchObject({ policy: 'web', containers: ['job'], inForce: true, until: null });
    expect(await host.fetch(job, '9.9.9.9', 80)).toBe('refused');
    expect(await host.fetch(job, '8.8.8.8', 80)).toBe('hello');
  });

  test('adds an entry to the file of one, shows it first when asked to, and undo takes it back', async ({ host }) => {
    const job = await makeLab(host);
    const dry = await drawbridge(host, ['policy', 'add', 'web', '9.9.9.9:80', '--dry-run', '--json']);
    expect(schemaErrors('policy-apply', dry.json)).toEqual([]);
    expect(dry).toMatchObject({
      code: 0,
      json: { policy: 'web', containers: ['job'], differences: [{ key: 'allow', removed: [], added: ['9.9.9.9:80'] }] },
    });
    expect(await host.fetch(job, '9.9.9.9', 80)).toBe('refused');
    expect(await drawbridge(host, ['policy', 'add', 'web', '9.9.9.9:80'])).toMatchObject({ code: 0 });
    expect(await host.fetch(job, '9.9.9.9', 80)).toBe('hello');
    expect(await drawbridge(host, ['policy', 'add', 'web', 'no where'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no where'),
    });
    expect(await drawbridge(host, ['policy', 'undo', 'web'])).toMatchObject({ code: 0 });
    expect(await host.run(['cat', '/etc/drawbridge/policies/web.json'])).toBe(JSON.stringify(narrow));
    expect(await host.fetch(job, '9.9.9.9', 80)).toBe('refused');
  });

  test('takes YAML and comments, follows such a file, and names the place of its entry', async ({ host }) => {
    const job = await makeLab(host);
    await host.sh('rm /etc/drawbridge/policies/web.json; cat > /run/web.yaml', {
      input: '# resolvers\nallow:\n  - 8.8.8.8:80\n  - 9.9.9.9:80\ndeny: [203.0.113.0/24]\n',
    });
    expect(await drawbridge(host, ['policy', 'apply', '/run/web.yaml'])).toMatchObject({ code: 0 });
    expect(await host.sh('ls /etc/drawbridge/policies')).toBe('web.yaml\n');
    expect(await host.fetch(job, '9.9.9.9', 80)).toBe('hello');
    const { json } = await drawbridge(host, ['explain', 'job', '9.9.9.9:80', '--json']);
    expect(json).toMatchObject({ place: { file: '/etc/drawbridge/policies/web.yaml', line: 4, column: 5 } });
    expect(await drawbridge(host, ['policy', 'apply', '/run/wide.json', '--name', 'web'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('Cannot put JSON in the place of "/etc/drawbridge/policies/web.yaml"'),
    });
    await host.sh('cat > /run/bad.yaml', { input: 'mode: allowlist\nallow:\n  - 8.8.8.8:443\n  - nowhere:99999\n' });
    expect((await drawbridge(host, ['policy', 'check', '/run/bad.yaml', '--json'])).json).toMatchObject([
      { file: '/run/bad.yaml', severity: 'error', line: 4, column: 5 },
    ]);
    // What is written in a file of two names is in force as it was.
    await host.sh(`echo '{ "allow": ["1.1.1.1"] } // mine' > /etc/drawbridge/policies/web.json`);
    const listed = await drawbridge(host, ['policy', 'list', '--json']);
    expect(listed).toMatchObject({
      code: 1,
      json: [{ name: 'web', problem: expect.stringContaining('Cannot tell which') }],
    });
    expect(await host.fetch(job, '9.9.9.9', 80)).toBe('hello');
    const late = await host.container('late');
    const { error } = await host.addChain(withPolicy({ policy: 'web' }), { container: late });
    expect(error?.['msg']).toContain('Cannot tell which policy "web" is');
    await host.sh('rm /etc/drawbridge/policies/web.yaml');
    expect(await drawbridge(host, ['refresh'])).toMatchObject({ code: 0 });
    expect(await host.fetch(job, '9.9.9.9', 80)).toBe('refused');
  });

  test('changes nothing for a file that is no policy, and for a time when no agent would end it', async ({ host }) => {
    const job = await makeLab(host);
    await host.sh(`echo '{"mode": "wide"}' > /run/bad.json`);
    const bad = await drawbridge(host, ['policy', 'apply', '/run/bad.json', '--name', 'web']);
    expect({ code: bad.code, stderr: bad.stderr }).toEqual({ code: 1, stderr: expect.stringContaining('"wide"') });
    const timed = await drawbridge(host, ['policy', 'apply', '/run/wide.json', '--name', 'web', '--for', '10m']);
    expect({ code: timed.code, stderr: timed.stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining('no agent runs'),
    });
    expect(await host.fetch(job, '9.9.9.9', 80)).toBe('refused');
    expect(await host.run(['cat', '/etc/drawbridge/policies/web.json'])).toBe(JSON.stringify(narrow));
  });

  test('goes back by itself when its time is over, also when the agent was killed meanwhile', async ({ host }) => {
    const job = await makeLab(host);
    const agent = await startAgent(host);
    const applied = await drawbridge(host, ['policy', 'apply', '/run/wide.json', '--name', 'web', '--for', '3s']);
    expect({ code: applied.code, stdout: applied.stdout }).toEqual({
      code: 0,
      stdout: expect.stringContaining('goes back by itself'),
    });
    expect(await host.fetch(job, '9.9.9.9', 80)).toBe('hello');
    await agent.kill();
    await startAgent(host);
    await until(async () => (await host.fetch(job, '9.9.9.9', 80)) === 'refused');
    expect(await host.fetch(job, '8.8.8.8', 80)).toBe('hello');
  });

  test.for([
    ['was set back by a day since', 's/"wall":[0-9]*/"wall":9999999999999/', '3s'],
    [
      'hides in which earlier boot it began',
      's/"boot":"[^"]*"/"boot":"other"/; s/"wall":[0-9]*/"wall":9999999999999/',
      '1h',
    ],
  ] as const)('goes back by itself when the clock %s', async ([, change, time], { host }) => {
    const job = await makeLab(host);
    await startAgent(host);
    const applied = await drawbridge(host, ['policy', 'apply', '/run/wide.json', '--name', 'web', '--for', time]);
    expect(applied.code).toBe(0);
    expect(await host.fetch(job, '9.9.9.9', 80)).toBe('hello');
    await host.sh(
      `sed -i '${change}' /var/lib/drawbridge/policies/web.json; grep -q 9999999999999 /var/lib/drawbridge/policies/web.json`,
    );
    await until(async () => (await host.fetch(job, '9.9.9.9', 80)) === 'refused');
  });

  test('takes what an editor makes of a policy', async ({ host }) => {
    const job = await makeLab(host);
    const edited = await drawbridge(host, ['policy', 'edit', 'web'], { env: { EDITOR: 'cp /run/wide.json' } });
    expect({ code: edited.code, stdout: edited.stdout }).toEqual({
      code: 0,
      stdout: expect.stringContaining('In force'),
    });
    expect(await host.fetch(job, '9.9.9.9', 80)).toBe('hello');
    const failed = await drawbridge(host, ['policy', 'edit', 'web'], { env: { EDITOR: 'false' } });
    expect({ code: failed.code, stderr: failed.stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining('nothing was changed'),
    });
  });
});

describe('drawbridge policy test', () => {
  test('says what a policy would deny that was reached, and open that was denied', async ({ host }) => {
    const outside = await host.outside();
    await outside.address('8.8.8.8', '9.9.9.9');
    await host.serve(outside, { port: 80, reply: 'hello' });
    const job = await attach(host, withPolicy({ ...narrow, record: 'all' }), 'job');
    await startAgent(host);
    expect(await host.fetch(job, '8.8.8.8', 80)).toBe('hello');
    expect(await host.fetch(job, '9.9.9.9', 80)).toBe('refused');
    await host.sh('cat > /run/new.json', { input: JSON.stringify({ mode: 'allowlist', allow: ['9.9.9.9:80'] }) });
    let answer = await drawbridge(host, ['policy', 'test', '/run/new.json', '--json']);
    await until(async () => {
      answer = await drawbridge(host, ['policy', 'test', '/run/new.json', '--json']);
      return answer.json.destinations === 2;
    });
    expect(schemaErrors('policy-test', answer.json)).toEqual([]);
    expect(answer.code).toBe(1);
    expect(answer.json).toMatchObject({
      denied: [{ container: 'job', destination: '8.8.8.8:80/tcp', before: 'allow', after: 'deny' }],
      opened: [{ destination: '9.9.9.9:80/tcp', rule: 'allow "9.9.9.9:80"' }],
    });
    const { stdout } = await drawbridge(host, ['policy', 'test', '/run/new.json', '--container', 'job']);
    expect(stdout).toContain('would deny 1 of 2 destinations');
    await host.sh('cat > /run/same.json', { input: JSON.stringify(narrow) });
    expect((await drawbridge(host, ['policy', 'test', '/run/same.json'])).code).toBe(0);
  });
});

describe('drawbridge top', () => {
  test('shows bytes, connections and denials of a container and of its destinations, and puts back what it set', async ({
    host,
  }) => {
    const outside = await host.outside();
    await outside.address('8.8.8.8', '9.9.9.9');
    await host.spawn(
      [
        'python3',
        '-c',
        'import socket\ns=socket.create_server(("",80))\nc=s.accept()[0]\nwhile True: c.sendall(b"x"*1000)\n',
      ],
      { where: outside },
    );
    const job = await attach(host, withPolicy(narrow), 'job');
    await attach(host, withPolicy(narrow), 'idle');
    const top = drawbridge(host, ['top', '--once', '--json', '--interval', '2']);
    await until(async () => (await host.run(['cat', '/proc/sys/net/netfilter/nf_conntrack_acct'])).trim() === '1');
    await host.spawn(
      ['python3', '-c', 'import socket\ns=socket.create_connection(("8.8.8.8",80))\nwhile s.recv(1000): pass\n'],
      { where: job },
    );
    for (let round = 0; round < 10; round += 1) {
      await host.fetch(job, '9.9.9.9', 80);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const { json } = await top;
    expect(schemaErrors('top', json)).toEqual([]);
    expect(json).toMatchObject([
      { name: 'job', connections: 1, destinations: [{ destination: '8.8.8.8' }] },
      { name: 'idle', connections: 0, received: 0 },
    ]);
    expect(json[0].received).toBeGreaterThan(1000);
    expect(json[0].denied).toBeGreaterThan(0);
    expect((await host.run(['cat', '/proc/sys/net/netfilter/nf_conntrack_acct'])).trim()).toBe('0');
    const { stdout } = await drawbridge(host, ['top', '--once', '--interval', '0.5']);
    expect(stdout).toMatch(/^CONTAINER +SENT +RECEIVED +CONNECTIONS +DENIED$/m);
    expect(stdout).toMatch(/^job +\S.*B\/s +\S.*B\/s +1 +0$/m);
  });
});
