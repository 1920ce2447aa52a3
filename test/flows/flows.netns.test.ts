/** What the agent records of packets and queries, and how "drawbridge flows" shows it. */
import { parse } from 'yaml';
import { startAgent, talk, until, type Agent } from '../agent/process/agent.ts';
import { makeNamesLab } from '../agent/process/names-lab.ts';
import { conflistWith } from '../agent/process/network.ts';
import { attach, drawbridge, schemaErrors, withPolicy } from '../cli/cli.ts';
import { executable } from '../helpers/executable.ts';
import { describe, expect, test, type Host } from '../helpers/host.ts';

interface Shown {
  readonly id: string;
  readonly verdict: string;
  readonly direction: string;
  readonly container: string;
  readonly source: string;
  readonly destination: string;
  readonly port?: number;
  readonly protocol: string;
  readonly name?: string;
  readonly rule: string;
  readonly count: number;
  readonly ended?: boolean;
  readonly bytes?: { readonly sent: number; readonly received: number };
}

async function flows(host: Host, ...words: readonly string[]): Promise<Shown[]> {
  const { code, stdout, stderr } = await drawbridge(host, ['flows', '--json', ...words]);
  if (code !== 0) throw new Error(stderr);
  const lines = stdout.split('\n').filter((line) => line !== '');
  const records = lines.map((line) => JSON.parse(line) as Shown);
  for (const record of records) expect(schemaErrors('flows', record)).toEqual([]);
  return records;
}

/** Waits until so many records are there. */
async function settled(host: Host, number: number, ...words: readonly string[]): Promise<Shown[]> {
  let found: Shown[] = [];
  await until(async () => {
    found = await flows(host, ...words);
    return found.length >= number;
  });
  return found;
}

async function metric(agent: Agent, name: string): Promise<string[]> {
  const { text } = (await agent.ask<{ text: string }>('metrics')).result;
  return text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
}

/** Whether the kernel counts the bytes of connections. */
async function accounting(host: Host): Promise<string> {
  return (await host.run(['cat', '/proc/sys/net/netfilter/nf_conntrack_acct'])).trim();
}

const closed = { mode: 'allowlist', allow: ['8.8.8.8:443'] } as const;

describe('flow records', () => {
  test('tell of a denial, with the container, the destination, the rule and its place, once a minute with a count', async ({
    host,
  }) => {
    await host.outside();
    await host.sh('mkdir -p /etc/drawbridge/policies; cat > /etc/drawbridge/policies/web.json', {
      input: '{\n  "mode": "allowlist",\n  "allow": ["8.8.8.8:443"],\n  "deny": ["203.0.113.0/24"]\n}\n',
    });
    const job = await attach(host, withPolicy({ policy: 'web' }), 'job');
    const agent = await startAgent(host);
    for (let round = 0; round < 5; round++) expect(await host.fetch(job, '203.0.113.7', 443)).toBe('refused');
    expect(await host.fetch(job, '2001:db8:9::9', 443, { proto: 'udp' })).not.toBe('hello');
    const found = await settled(host, 2);
    expect(found).toMatchObject([
      {
        verdict: 'deny',
        direction: 'egress',
        container: 'job',
        source: '10.90.0.2',
        destination: '203.0.113.7',
        port: 443,
        protocol: 'tcp',
        policy: 'web',
        rule: 'deny "203.0.113.0/24"',
        place: '/etc/drawbridge/policies/web.json:4:12',
        count: 5,
      },
      { destination: '2001:db8:9::9', port: 443, protocol: 'udp', rule: 'mode "allowlist"' },
    ]);
    const shown = async (...words: string[]) => (await drawbridge(host, ['flows', ...words])).stdout;
    expect((await shown()).replaceAll(/\s+/g, ' ')).toContain(
      ' 2 records of 1 container: 2 denied, 0 would be denied, 0 allowed; 6 times in all. ',
    );
    expect(await shown('-o', 'name')).toBe('job\n');
    expect(await shown('-o', 'wide')).toContain('policy web, /etc/drawbridge/policies/web.json:4:12]');
    expect(parse(await shown('-o', 'yaml', '--sort', 'destination'))).toMatchObject([
      { destination: '203.0.113.7' },
      { destination: '2001:db8:9::9' },
    ]);
    expect((await flows(host, '--sort', 'count')).map(({ count }) => count)).toEqual([5, 1]);
    expect(await flows(host, '--stale')).toEqual([]);
    expect(await flows(host, '--no-policy')).toEqual([]);
    const totals = await metric(agent, 'drawbridge_flows_total');
    expect(totals).toContain(
      'drawbridge_flows_total{verdict="deny",direction="egress",policy="web",rule="deny \\"203.0.113.0/24\\""} 5',
    );
  });

  test('tell what is asked of the host, of a sibling, of another bridge and from outside', async ({ host }) => {
    const outside = await host.outside();
    const one = await attach(host, withPolicy(closed), 'one');
    await attach(host, withPolicy(closed), 'two');
    await startAgent(host);
    await host.fetch(one, '10.90.0.1', 22);
    await host.fetch(one, '10.90.0.3', 80);
    await host.sh('ip route add 10.90.0.0/16 via 192.0.2.1', { where: outside });
    await host.fetch(outside, '10.90.0.2', 8080);
    const found = await settled(host, 3);
    expect(found).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ direction: 'host', container: 'one', destination: '10.90.0.1', port: 22 }),
        expect.objectContaining({ direction: 'sibling', container: 'one', destination: '10.90.0.3', peer: 'two' }),
        expect.objectContaining({
          direction: 'ingress',
          container: 'one',
          source: '192.0.2.2',
          destination: '10.90.0.2',
          port: 8080,
          rule: 'ingress "published"',
        }),
      ]),
    );
  });

  test('tell what was asked for where the published port of another container translated it', async ({ host }) => {
    await host.outside();
    const asker = await host.container('asker');
    expect((await host.addChain(conflistWith(closed), { container: asker })).error).toBeUndefined();
    await attach(host, withPolicy(closed), 'web', {
      runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] },
    });
    await startAgent(host);
    await host.fetch(asker, '192.0.2.1', 8080);
    expect(await settled(host, 1)).toMatchObject([{ container: 'asker', destination: '192.0.2.1', port: 8080 }]);
  });

  test('name a refused name, and an address by what the container was told', async ({ host }) => {
    const { add, ask, container } = await makeNamesLab(host);
    await add();
    await startAgent(host);
    await until(async () => (await ask('api.example.org')).includes('198.51.100.1'));
    await ask('secret.example.com');
    await host.fetch(container, '198.51.100.1', 22);
    const found = await settled(host, 2);
    expect(found).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ protocol: 'dns', destination: 'secret.example.com', verdict: 'deny' }),
        expect.objectContaining({ destination: '198.51.100.1', port: 22, name: 'api.example.org' }),
      ]),
    );
    expect(await flows(host, '--to', '*.example.com')).toMatchObject([{ destination: 'secret.example.com' }]);
    expect(await flows(host, '--to', '198.51.100.0/24')).toMatchObject([{ port: 22 }]);
  });

  test('are marked as audit where the policy only looks on', async ({ host }) => {
    const outside = await host.outside();
    await outside.address('8.8.8.8');
    await host.serve(outside, { port: 80, reply: 'hello' });
    const job = await attach(host, withPolicy({ mode: 'allowlist', preset: ['none'], audit: true }), 'job');
    await startAgent(host);
    expect(await host.fetch(job, '8.8.8.8', 80)).toBe('hello');
    expect(await settled(host, 1, '--denied')).toMatchObject([{ verdict: 'audit', destination: '8.8.8.8' }]);
  });

  test('have each connection with its bytes under "record": "all", and nothing under "none"', async ({ host }) => {
    const outside = await host.outside();
    await outside.address('8.8.8.8');
    await host.serve(outside, { port: 443, reply: 'hello' });
    const all = await attach(host, withPolicy({ ...closed, record: 'all' }), 'all');
    const none = await attach(host, withPolicy({ ...closed, record: 'none' }), 'none');
    const usual = await attach(host, withPolicy(closed), 'usual');
    const agent = await startAgent(host);
    expect(await accounting(host)).toBe('1');
    for (const container of [all, none, usual]) expect(await host.fetch(container, '8.8.8.8', 443)).toBe('hello');
    await host.fetch(none, '9.9.9.9', 443);
    await host.fetch(usual, '9.9.9.9', 443);
    await settled(host, 2);
    await host.sh('conntrack -D -p tcp 2>/dev/null');
    await until(async () => (await flows(host, 'all')).some(({ ended }) => ended === true));
    const found = await flows(host);
    expect(found.map(({ container, verdict }) => `${container} ${verdict}`)).toEqual(['all allow', 'usual deny']);
    const [connection] = found;
    expect(connection).toMatchObject({ destination: '8.8.8.8', port: 443, rule: 'allow "8.8.8.8:443"' });
    expect(connection?.bytes?.sent).toBeGreaterThan(100);
    expect(connection?.bytes?.received).toBeGreaterThan(100);
    const { json } = await drawbridge(host, ['doctor', '--json']);
    expect(json).toContainEqual(expect.objectContaining({ check: 'conntrack', severity: 'notice' }));
    await agent.stop();
    expect(await accounting(host)).toBe('0');
  });

  test('outlive the container, and an agent that is killed', async ({ host }) => {
    await host.outside();
    const conflist = withPolicy(closed);
    const job = await attach(host, conflist, 'job');
    const agent = await startAgent(host);
    await host.fetch(job, '9.9.9.9', 80);
    await settled(host, 1);
    await agent.kill();
    await host.delChain(conflist, { container: job });
    const { stdout, stderr } = await drawbridge(host, ['flows']);
    expect(stdout).toMatch(/^\d\d:\d\d:\d\d {2}job {2}9\.9\.9\.9:80\/tcp {2}denied by mode "allowlist"$/m);
    expect(stderr).toContain('No agent runs');
    await startAgent(host);
    expect(await flows(host)).toHaveLength(1);
  });

  test('are told as they come to whoever follows', async ({ host }) => {
    await host.outside();
    const job = await attach(host, withPolicy(closed), 'job');
    await startAgent(host);
    await host.fetch(job, '9.9.9.9', 80);
    await settled(host, 1);
    const following = await host.spawn([executable, 'flows', '--follow', '--json']);
    const ports = async (): Promise<number[]> =>
      (await host.run(['cat', following.log]))
        .split('\n')
        .flatMap((line) => (line === '' ? [] : ((JSON.parse(line) as Shown).port ?? [])));
    await until(async () => (await ports()).length === 1);
    await host.fetch(job, '9.9.9.9', 81);
    await until(async () => (await ports()).length === 2);
    expect(await ports()).toEqual([80, 81]);
    expect(await following.stop()).toEqual({ code: 0 });
  });

  test('stay few under a flood, whose rest is counted as lost', async ({ host }) => {
    await host.outside();
    const job = await attach(host, withPolicy({ ...closed, onDeny: 'drop' }), 'job');
    const agent = await startAgent(host);
    await host.sh(
      `python3 -c '
import socket
s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for n in range(20000): s.sendto(b"x", ("9.9.9.9", 1000))
for n in range(3000): s.sendto(b"x", ("9.9.9.%d" % (n % 200 + 10), 2000 + n))'`,
      { where: job },
    );
    await until(async () => (await metric(agent, 'drawbridge_flows_lost_total')).length > 0, 20_000);
    const found = await flows(host, '--last', '100000');
    expect(found.filter(({ port }) => port === 1000)).toHaveLength(1);
    expect(found.length).toBeLessThanOrEqual(1000);
    expect((await talk(host, '{"method":"status"}\n')).length).toBeGreaterThan(0);
  });
});

describe('what was recorded', () => {
  test('is what "learn" learns from, long after the kernel forgot it, and what "watch" shows first', async ({
    host,
  }) => {
    await host.outside();
    const job = await attach(host, withPolicy({ mode: 'allowlist', preset: ['none'], audit: true }), 'job');
    const agent = await startAgent(host);
    await host.fetch(job, '203.0.113.7', 443);
    await host.fetch(job, '8.8.8.8', 80);
    await settled(host, 2);
    await agent.stop();
    await host.sh('nft flush set inet drawbridge denied4');
    const { json } = await drawbridge(host, ['learn', 'job', '--json']);
    expect(json.policy.allow).toEqual(['203.0.113.7:443/tcp', '8.8.8.8:80/tcp']);
    expect((await drawbridge(host, ['learn', 'job', '--json', '--since', '2020-01-01'])).json.destinations).toBe(2);
    const { stdout } = await drawbridge(host, ['watch', '--for', '0.2']);
    expect(stdout.trim().split('\n')).toEqual([
      expect.stringContaining('job  203.0.113.7:443/tcp'),
      expect.stringContaining('job  8.8.8.8:80/tcp'),
    ]);
  });
});
