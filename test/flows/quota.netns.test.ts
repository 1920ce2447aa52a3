/** Byte quotas: counted and kept by the kernel, remembered by the agent. */
import { startAgent, until } from '../agent/process/agent.ts';
import { attach, drawbridge, schemaErrors, withPolicy } from '../cli/cli.ts';
import { describe, expect, test, type Container, type Host, type Outside } from '../helpers/host.ts';
import type { Conflist, Json } from '../helpers/runtime.ts';

const quota = { quota: { bytes: '300kB', per: 'day' } } as const;

/** A server at 8.8.8.8:9000 that sends as much as it is asked for, and at 2001:db8:8::8. */
async function source(host: Host): Promise<Outside> {
  const outside = await host.outside();
  await outside.address('8.8.8.8', '2001:db8:8::8');
  await serve(host, outside);
  return outside;
}

async function serve(host: Host, where: Outside | Container): Promise<void> {
  await host.spawn(
    [
      'python3',
      '-c',
      `import socket,threading
s=socket.socket(socket.AF_INET6); s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1); s.bind(("::",9000)); s.listen(50)
def serve(c):
  try:
    n=int(c.recv(100))
    while n>0:
      c.sendall(b"x"*min(n,10000)); n-=10000
    c.close()
  except OSError: pass
while True: threading.Thread(target=serve,args=(s.accept()[0],),daemon=True).start()`,
    ],
    { where },
  );
  await until(async () => (await host.exec(['sh', '-c', 'ss -ltn | grep -q :9000'], { where })).code === 0);
}

/** How many bytes come of so many that are asked for, and how that ended. */
async function load(
  container: Container,
  bytes: number,
  address = '8.8.8.8',
  port = 9000,
): Promise<{ got: number; end: string }> {
  const { stdout } = await container.exec([
    'python3',
    '-c',
    `import socket,json
got=0; end="closed"
try:
  s=socket.create_connection(("${address}",${port}),timeout=2); s.sendall(b"${bytes}")
  while True:
    d=s.recv(65536)
    if not d: break
    got+=len(d)
except ConnectionResetError: end="reset"
except ConnectionRefusedError: end="refused"
except TimeoutError: end="timeout"
print(json.dumps({"got":got,"end":end}))`,
  ]);
  return JSON.parse(stdout) as { got: number; end: string };
}

/** A network with a bridge of its own. */
function elsewhere(egress: Json): Conflist {
  const { plugins, ...rest } = withPolicy(egress, 'elsewhere');
  const ipam = { type: 'host-local', ranges: [[{ subnet: '10.91.0.0/16' }]] };
  return { ...rest, plugins: plugins.map((plugin) => ({ ...plugin, bridge: 'drawbridge3', ipam })) };
}

/** What the kernel has counted. */
async function used(host: Host): Promise<number> {
  const [, number, unit = ''] = /quota over .* used (\d+) (\w+)/.exec(await host.run(['nft', 'list', 'ruleset'])) ?? [];
  return Number(number ?? 0) * ({ bytes: 1, kbytes: 1024, mbytes: 1024 * 1024 }[unit] ?? 1);
}

describe('a quota', () => {
  test('ends what is over it, also a connection that is established, of both families, and of that container alone', async ({
    host,
  }) => {
    await source(host);
    const job = await attach(host, withPolicy(quota), 'job');
    const other = await attach(host, withPolicy(quota), 'other');
    expect(await load(job, 100_000)).toEqual({ got: 100_000, end: 'closed' });
    expect(await load(job, 100_000, '2001:db8:8::8')).toEqual({ got: 100_000, end: 'closed' });
    const cut = await load(job, 1_000_000);
    expect(cut.got).toBeLessThan(100_000);
    expect(cut.end).not.toBe('closed');
    expect((await load(job, 1000)).got).toBe(0);
    expect((await load(job, 1000, '2001:db8:8::8')).got).toBe(0);
    expect(await load(other, 100_000)).toEqual({ got: 100_000, end: 'closed' });
  });

  test('is told by list, by metrics and by a record of what it ended', async ({ host }) => {
    await source(host);
    const job = await attach(host, withPolicy(quota), 'job');
    const agent = await startAgent(host);
    await load(job, 1_000_000);
    await load(job, 1000);
    await agent.ask('quotas');
    const { json } = await drawbridge(host, ['list', '--json']);
    expect(json[0].quota).toMatchObject({ bytes: 300_000, per: 'day', used: 300_000 });
    expect((await drawbridge(host, ['list'])).stdout).toContain('quota 100 %');
    const { text } = (await agent.ask<{ text: string }>('metrics')).result;
    expect(text).toMatch(/^drawbridge_quota_used_bytes\{.*container="job".*\} 300000$/m);
    expect(text).toMatch(/^drawbridge_quota_limit_bytes\{.*container="job".*\} 300000$/m);
    const { stdout } = await drawbridge(host, ['flows', 'job', '--json']);
    expect(stdout).toContain('"rule":"quota"');
  });

  test('that is used up is what explain says of that container, and until when', async ({ host }) => {
    await source(host);
    const job = await attach(host, withPolicy(quota), 'job');
    await attach(host, withPolicy(quota), 'other');
    const ask = async (container: string, ...words: string[]) =>
      drawbridge(host, ['explain', container, '8.8.8.8:9000', ...words]);
    expect(await ask('job')).toMatchObject({ code: 0 });
    await load(job, 1_000_000);
    expect((await load(job, 1000)).got).toBe(0);
    const alone = await ask('job', '--json');
    expect(schemaErrors('explain', alone.json)).toEqual([]);
    expect(alone).toMatchObject({
      code: 1,
      json: { rule: 'quota', reason: 'the policy allows it, but its quota is used up: 300 kB each day' },
    });
    expect((await ask('job')).stdout).toContain('Do: start the agent, without which no quota begins anew');
    await startAgent(host);
    expect((await ask('job')).stdout).toMatch(
      /Do: wait until \d{4}-\d\d-\d\d 00:00:00, or raise "quota" in its policy/,
    );
    expect(await ask('other')).toMatchObject({ code: 0 });
  });

  test.for([
    ['a container of another bridge', { mode: 'open' }, '203.0.113.7:9001', 0, true],
    ['a sibling at a port of the host', {}, '203.0.113.7:9001', 0, true],
    ['a sibling', { isolation: 'bridge' }, '10.90.0.2:9000', 0, false],
    ['a sibling whose packets br_netfilter shows', { isolation: 'bridge' }, '10.90.0.2:9000', 1, true],
  ] as const)(
    'that is used up is what explain says to who asks that container, where its packets are counted: %s',
    async ([who, policy, asked, seen, isCounted], { host }) => {
      await source(host);
      await host.sh(`for file in /proc/sys/net/bridge/bridge-nf-call-ip*tables; do echo ${seen} > $file; done`);
      const job = await attach(host, withPolicy({ ...quota, isolation: 'bridge' }), 'job', {
        runtimeConfig: { portMappings: [{ hostPort: 9001, containerPort: 9000, protocol: 'tcp' }] },
      });
      await host.sh('ip address add 203.0.113.7/32 dev lo');
      await serve(host, job);
      const network = who === 'a container of another bridge' ? elsewhere(policy) : withPolicy(policy);
      const asker = await attach(host, network, 'asker');
      const [address, port] = asked.split(':');
      const ask = async () => drawbridge(host, ['explain', 'asker', asked, '--json']);
      expect((await load(asker, 1000, address, Number(port))).got).toBe(1000);
      expect(await ask()).toMatchObject({ code: 0 });
      await load(job, 1_000_000);
      expect((await load(asker, 1000, address, Number(port))).got).toBe(isCounted ? 0 : 1000);
      const reason = 'the policy allows it, but the quota of job is used up: 300 kB each day';
      expect(await ask()).toMatchObject(isCounted ? { code: 1, json: { rule: 'quota', reason } } : { code: 0 });
    },
  );

  test('keeps its use through a refresh, a flush that the agent mends, a container that comes again, and a reboot', async ({
    host,
  }) => {
    await source(host);
    const conflist = withPolicy(quota);
    const job = await attach(host, conflist, 'job');
    const agent = await startAgent(host);
    await load(job, 100_000);
    const before = await used(host);
    expect(before).toBeGreaterThan(100_000);
    await agent.ask('quotas');
    await host.sh('nft flush ruleset');
    await until(async () => (await used(host)) > 0);
    expect(await used(host)).toBeGreaterThanOrEqual(before);
    await load(job, 50_000);
    const then = await used(host);
    await host.delChain(conflist, { container: job });
    await host.addChain(conflist, { container: job });
    expect(await used(host)).toBeGreaterThanOrEqual(then);
    await agent.stop();
    await host.delChain(conflist, { container: job });
    await host.sh('rm -rf /run/drawbridge/*; nft flush ruleset');
    await host.addChain(conflist, { container: job });
    expect(await used(host)).toBeGreaterThanOrEqual(then);
    expect((await load(job, 1_000_000)).got).toBeLessThan(150_000);
  });

  test('begins anew when its period is over', async ({ host }) => {
    await source(host);
    const job = await attach(host, withPolicy(quota), 'job');
    const agent = await startAgent(host);
    await load(job, 1_000_000);
    await agent.ask('quotas');
    expect((await load(job, 1000)).got).toBe(0);
    const file = '/var/lib/drawbridge/quotas.json';
    const yesterday = (await host.run(['cat', file])).replace(/"start":\d+/, `"start":${Date.now() - 90_000_000}`);
    await host.sh(`cat > ${file}`, { input: yesterday });
    await agent.ask('quotas');
    expect(await load(job, 1000)).toEqual({ got: 1000, end: 'closed' });
    expect((await agent.log()).some(({ msg }) => msg === 'quotas begin anew')).toBe(true);
  });
});
