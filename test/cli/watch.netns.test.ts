import { setTimeout as sleep } from 'node:timers/promises';
import { attach, drawbridge, schemaErrors, shipped, withPolicy } from './cli.ts';
import { startDns } from '../helpers/dns.ts';
import { executable } from '../helpers/executable.ts';
import { describe, expect, test, type Container, type Host } from '../helpers/host.ts';

async function remember(host: Host, name: string, ...addresses: string[]): Promise<void> {
  const known = {
    version: 1,
    name,
    resolvedAt: Date.now(),
    addresses: addresses.map((address) => ({ address, ttl: 300, seenAt: Date.now() })),
  };
  await host.sh(`mkdir -p /var/lib/drawbridge/names; cat > /var/lib/drawbridge/names/${name}.json`, {
    input: JSON.stringify(known),
  });
}

describe('drawbridge watch', () => {
  test('shows denials as they happen, with container, name and rule', async ({ host }) => {
    const outside = await host.outside();
    await outside.address('8.8.8.8', '203.0.113.7');
    await remember(host, 'api.example.org', '203.0.113.7');
    const job = await attach(host, withPolicy({ mode: 'allowlist', allow: ['8.8.8.8:443'] }), 'job');
    const web = await attach(host, shipped('10-drawbridge'), 'web0');
    await host.fetch(job, '8.8.8.8', 80);
    const watching = drawbridge(host, ['watch', '--json', '--container', 'job', '--for', '3']);
    const text = drawbridge(host, ['watch', '--for', '3']);
    await sleep(1000);
    await host.fetch(job, '203.0.113.7', 443);
    await host.fetch(web, '10.7.7.7', 80);
    const lines = (await watching).stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
    expect(lines.map((line) => schemaErrors('watch', line))).toEqual([[]]);
    expect(lines).toMatchObject([
      {
        containerId: 'job',
        destination: '203.0.113.7',
        protocol: 'tcp',
        port: 443,
        names: ['api.example.org'],
        packets: 1,
        rule: 'mode "allowlist"',
        audited: false,
      },
    ]);
    const { stdout } = await text;
    expect(stdout).toMatch(
      /^\d\d:\d\d:\d\d {2}job {2}203\.0\.113\.7:443\/tcp \(api\.example\.org\) {2}denied by mode "allowlist"$/m,
    );
    expect(stdout).toMatch(/web0 {2}10\.7\.7\.7:80\/tcp {2}denied by private$/m);
  });
});

describe('drawbridge learn', () => {
  test('makes the smallest policy that allows what a container did, which then holds', async ({ host }) => {
    const outside = await host.outside();
    await outside.address('8.8.8.8', '203.0.113.7', '10.7.7.7', '2001:db8:5::5');
    await remember(host, 'api.example.org', '203.0.113.7');
    const audit = withPolicy({ mode: 'allowlist', preset: ['none'], audit: true });
    const job = await attach(host, audit, 'job');
    const specs = [
      ['203.0.113.7', 443],
      ['8.8.8.8', 80],
      ['10.7.7.7', 5432],
      ['2001:db8:5::5', 443],
      ['10.90.0.1', 5000],
    ] as const;
    for (const [address, port] of specs) {
      await host.serve(address === '10.90.0.1' ? host : outside, { port, address, reply: 'here' });
      expect(await host.fetch(job, address, port)).toBe('here');
    }
    await host.fetch(job, '169.254.169.254', 80);
    const { code, json } = await drawbridge(host, ['learn', 'job', '--json']);
    expect(schemaErrors('learn', json)).toEqual([]);
    expect(code).toBe(0);
    expect(json).toMatchObject({
      policy: {
        mode: 'allowlist',
        allow: ['8.8.8.8:80/tcp', '[2001:db8:5::5]:443/tcp', 'api.example.org:443/tcp'],
        allowPrivate: ['10.7.7.7:5432/tcp'],
        hostPorts: ['5000/tcp', '53/tcp', '53/udp'],
      },
      unnamed: expect.arrayContaining(['8.8.8.8:80/tcp', '[2001:db8:5::5]:443/tcp']),
      refused: [{ destination: '169.254.169.254:80/tcp', why: expect.stringContaining('credentials') }],
    });
    const { stdout, stderr } = await drawbridge(host, ['learn', 'job']);
    expect(JSON.parse(stdout)).toEqual(json.policy);
    expect(stderr).toContain('No DNS answer named');
    expect(stderr).toContain('169.254.169.254:80/tcp stays closed');
    await host.delChain(audit, { container: job });
    const again = await attach(host, withPolicy(json.policy), 'again');
    for (const [address, port] of specs)
      expect(await host.fetch(again, address, port), `${address} ${port}`).toBe('here');
    // That, and nothing beside it: other ports, other addresses, other protocols.
    await outside.address('8.8.8.9', '203.0.113.8', '10.7.7.8');
    for (const [address, port, proto = 'tcp'] of [
      ['203.0.113.7', 80],
      ['203.0.113.8', 443],
      ['8.8.8.8', 443],
      ['8.8.8.9', 80],
      ['8.8.8.8', 80, 'udp'],
      ['10.7.7.7', 5433],
      ['10.7.7.8', 5432],
      ['10.90.0.1', 5001],
      ['192.0.2.1', 5000],
      ['169.254.169.254', 80],
    ] as const) {
      if (!['10.90.0.1', '192.0.2.1', '169.254.169.254'].includes(address))
        await host.serve(outside, { port, address, proto, reply: 'here' });
      expect(await host.fetch(again, address, port, { proto, timeout: 300 }), `${address} ${port} ${proto}`).toMatch(
        /^(?:refused|unreachable)$/,
      );
    }
  });

  test('names what a container asked the agent for, and the policy that is saved opens it by name', async ({
    host,
  }) => {
    const outside = await host.outside();
    await outside.address('203.0.113.7', '203.0.113.8');
    const { upstream } = await startDns(
      host,
      { 'api.example.org': { A: ['203.0.113.7'], ttl: 300 }, 'cdn.example.net': { A: ['203.0.113.8'], ttl: 300 } },
      { where: outside, address: '192.0.2.2' },
    );
    for (const address of ['203.0.113.7', '203.0.113.8'])
      await host.serve(outside, { port: 443, address, reply: 'here' });
    await host.spawn([executable, 'agent']);
    await host.sh('until [ -S /run/drawbridge/agent.sock ]; do sleep 0.05; done');
    const job = await attach(
      host,
      withPolicy({ mode: 'allowlist', preset: ['none'], audit: true, dns: { upstream: [upstream] } }),
      'job',
    );
    const resolve = async (container: Container, name: string) =>
      (await container.exec(['dig', '+short', '+time=2', '+tries=1', '@10.90.0.1', name])).stdout.trim();
    await expect.poll(async () => resolve(job, 'api.example.org'), { timeout: 10_000 }).toBe('203.0.113.7');
    expect(await resolve(job, 'cdn.example.net')).toBe('203.0.113.8');
    for (const address of ['203.0.113.7', '203.0.113.8']) expect(await host.fetch(job, address, 443)).toBe('here');

    const learnt = await drawbridge(host, ['learn', 'job']);
    expect(learnt.json).toEqual({
      mode: 'allowlist',
      allow: ['api.example.org:443/tcp', 'cdn.example.net:443/tcp'],
      dns: { upstream: ['192.0.2.2'], denied: 'refused' },
    });
    expect(learnt.stderr).not.toContain('No DNS answer named');
    const { stdout: watched } = await drawbridge(host, ['list', '--json']);
    expect(watched).toContain('"denied": ');

    await host.sh('mkdir -p /etc/drawbridge/policies; cat > /etc/drawbridge/policies/job.json', {
      input: learnt.stdout,
    });
    const again = await attach(host, withPolicy({ policy: 'job' }), 'again');
    // The agent takes a moment to see a new container; until then it answers none of its questions.
    await expect.poll(async () => resolve(again, 'api.example.org'), { timeout: 10_000 }).toBe('203.0.113.7');
    expect(await host.fetch(again, '203.0.113.7', 443)).toBe('here');
    expect(await host.fetch(again, '203.0.113.7', 80)).toBe('refused');
    expect(await resolve(again, 'other.example.org')).toBe('');
  });

  test('says that a container without a policy teaches nothing', async ({ host }) => {
    await attach(host, shipped('20-interface-only'), 'plain');
    expect(await drawbridge(host, ['learn', 'plain'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('it has no policy'),
    });
  });
});
