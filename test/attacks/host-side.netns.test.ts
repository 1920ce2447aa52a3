/** What an unprivileged user of the host, or a careless one, does to agent and plugins from the host's side. */
import { startAgent, until } from '../agent/process/agent.ts';
import { attach, drawbridge, withPolicy } from '../cli/cli.ts';
import { describe, expect, test } from '../helpers/host.ts';

describe('half-sent requests for metrics', () => {
  test('take neither the repair of rules nor the metrics from others', async ({ host }) => {
    const outside = await host.outside();
    await outside.address('8.8.8.8');
    await host.serve(outside, { port: 80 });
    const job = await attach(host, withPolicy({ allow: ['8.8.8.8:80'] }), 'job');
    const agent = await startAgent(host, ['--metrics-address', '127.0.0.1:9440']);
    await host.sh('touch /run/attacked; chmod 666 /run/attacked');
    const attacker = await host.spawn([
      'setpriv',
      '--reuid=65534',
      '--clear-groups',
      'python3',
      '-c',
      `import socket, time
held = []
while True:
  for i in range(200):
    s = socket.socket(); s.setblocking(False); s.bind(("127.0.0.2", 0))
    try: s.connect(("127.0.0.1", 9440))
    except BlockingIOError: pass
    held.append(s)
  time.sleep(0.2)
  for s in held:
    try: s.send(b"GET /metrics HTTP/1.1\\r\\nX: ")
    except OSError: pass
  open("/run/attacked", "w").write(str(len(held)))
  if len(held) > 800: [s.close() for s in held[:400]]; held = held[400:]`,
    ]);
    await until(async () => Number((await host.exec(['cat', '/run/attacked'])).stdout) >= 600);
    expect((await host.run(['ls', `/proc/${agent.pid}/fd`])).split('\n').length).toBeLessThan(120);
    await host.sh('nft flush ruleset');
    await until(async () => (await host.fetch(job, '8.8.8.8', 80)) === '192.0.2.1');
    const metrics = await host.run([
      'python3',
      '-c',
      'import urllib.request as u; print(u.urlopen("http://127.0.0.1:9440/metrics").read().decode())',
    ]);
    expect(metrics).toContain('drawbridge_attachments{state="ready"} 1');
    expect(await attacker.running()).toBe(true);
  });
});

describe('what is no file in place of a policy', () => {
  test.each([
    ['a pipe', 'mkfifo'],
    ['a device without end', 'ln -s /dev/zero'],
  ])('stops neither ADD nor agent: %s', async (_, make) => {
    await using host = await (await import('../helpers/private-host.ts')).makeHost();
    const outside = await host.outside();
    await outside.address('8.8.8.8');
    await host.serve(outside, { port: 80 });
    await host.sh(
      `mkdir -p /etc/drawbridge/policies; cd /etc/drawbridge/policies; echo '{ "allow": ["8.8.8.8"] }' > work.json`,
    );
    const job = await attach(host, withPolicy({ policy: 'work' }), 'job');
    await host.sh(`cd /etc/drawbridge/policies; ${make} bad.json; rm work.json; ${make} work.json`);
    const refused = await host.addChain(withPolicy({ policy: 'bad' }), { container: await host.container('late') });
    expect(refused.error).toMatchObject({ code: 7, msg: expect.stringContaining('it is no regular file') });
    const agent = await startAgent(host);
    expect((await agent.ask<{ invalidPolicies: object[] }>('status')).result.invalidPolicies).toMatchObject([
      { policy: 'work', why: expect.stringContaining('it is no regular file') },
    ]);
    expect(await host.fetch(job, '8.8.8.8', 80)).toBe('192.0.2.1');
    const { json } = await drawbridge(host, ['doctor', '--json']);
    expect(json).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ check: 'policies', found: expect.stringContaining('bad.json cannot be read') }),
      ]),
    );
    expect((await drawbridge(host, ['list'])).stdout.replaceAll(/\s+/g, ' ')).toContain('it is no regular file');
    expect((await drawbridge(host, ['explain', 'job', '8.8.8.8'])).code).toBe(0);
  });
});
