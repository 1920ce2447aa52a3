import { setTimeout as sleep } from 'node:timers/promises';
import { attach, drawbridge, schemaErrors, shipped, withPolicy } from './cli.ts';
import { describe, expect, test, type Host } from '../helpers/host.ts';

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
    const wishes = [
      ['203.0.113.7', 443],
      ['8.8.8.8', 80],
      ['10.7.7.7', 5432],
      ['2001:db8:5::5', 443],
      ['10.90.0.1', 5000],
    ] as const;
    for (const [address, port] of wishes) {
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
        allowPrivate: ['10.7.7.7:5432/tcp', '169.254.169.254:80/tcp'],
        hostPorts: ['5000/tcp', '53/tcp', '53/udp'],
      },
      unnamed: expect.arrayContaining(['8.8.8.8:80/tcp', '[2001:db8:5::5]:443/tcp']),
      refused: [],
    });
    const { stdout, stderr } = await drawbridge(host, ['learn', 'job']);
    expect(JSON.parse(stdout)).toEqual(json.policy);
    expect(stderr).toContain('No answer named');
    await host.delChain(audit, { container: job });
    const again = await attach(host, withPolicy(json.policy), 'again');
    for (const [address, port] of wishes)
      expect(await host.fetch(again, address, port), `${address} ${port}`).toBe('here');
    expect(await host.fetch(again, '8.8.8.8', 443)).toBe('refused');
  });

  test('says that a container without a policy teaches nothing', async ({ host }) => {
    await attach(host, shipped('20-interface-only'), 'plain');
    expect(await drawbridge(host, ['learn', 'plain'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('it has no policy'),
    });
  });
});
