import { describe, expect, test } from '../../helpers/host.ts';
import { startAgent, until } from './agent.ts';
import { makeNamesLab, writeHosts } from './names-lab.ts';

describe('the agent', () => {
  test('answers DNS of a container with names, whatever server it asks, opens the answer, and lets no other name out', async ({
    host,
  }) => {
    const { container, ask, add, forced } = await makeNamesLab(host);
    const agent = await startAgent(host);
    await add();
    await until(forced);
    expect(await host.fetch(container, '198.51.100.2', 80)).toBe('refused');
    expect(await ask('x.example.net', '9.9.9.9')).toContain('198.51.100.2');
    expect(await host.fetch(container, '198.51.100.2', 80)).toBe('hello');
    expect(await ask('secret.example.com')).toContain('REFUSED');
    expect(await host.run(['cat', '/run/dnsmasq.log'])).not.toContain('secret');
    const { result } = await agent.ask<{ name: string; addresses: { address: string; seconds: number }[] }[]>('names');
    expect(result.find(({ name }) => name === 'x.example.net')?.addresses).toMatchObject([
      { address: '198.51.100.2', seconds: expect.any(Number) },
    ]);
    const metrics = async (): Promise<string> => (await agent.ask<{ text: string }>('metrics')).result.text;
    // The process that answers tells the agent of it now and then.
    await until(async () => (await metrics()).includes('drawbridge_dns_queries_total{verdict="denied",from=""} 1'));
    const text = await metrics();
    expect(text).toContain('drawbridge_name_addresses 2');
    expect(text).toMatch(/drawbridge_dns_query_seconds_bucket\{le="0.5"\} 2/);
    expect(text).toMatch(/drawbridge_denied_packets\{[^}]*\} [1-9]/);
  });

  test('keeps open what was open through kill -9, a flush and a restart', async ({ host }) => {
    const { container, ask, add, forced } = await makeNamesLab(host);
    const agent = await startAgent(host);
    await add();
    await until(forced);
    await ask('x.example.net');
    await until(
      async () => (await host.exec(['grep', '-q', '198.51.100.2', '/var/lib/drawbridge/learnt.json'])).code === 0,
    );
    await agent.kill();
    expect(await host.fetch(container, '198.51.100.1', 80)).toBe('hello');
    expect(await host.fetch(container, '198.51.100.2', 80)).toBe('hello');
    await host.run(['nft', 'flush', 'ruleset']);
    const next = await startAgent(host);
    expect(await host.fetch(container, '198.51.100.1', 80)).toBe('hello');
    expect(await host.fetch(container, '198.51.100.2', 80)).toBe('hello');
    expect(await host.fetch(container, '8.8.8.8', 80)).toBe('refused');
    await host.run(['nft', 'flush', 'ruleset']);
    await until(async () => (await host.fetch(container, '198.51.100.2', 80, { timeout: 100 })) === 'hello', 1500);
    expect(await forced()).toBe(true);
    await next.stop();
  });

  test('redirects DNS for as long as it lives, and no longer', async ({ host }) => {
    const { add, forced } = await makeNamesLab(host);
    const agent = await startAgent(host);
    await add();
    await until(forced);
    expect(await host.run(['nft', 'list', 'set', 'inet', 'drawbridge', 'dnsforce4'])).toMatch(/timeout 30s expires/);
    expect(await agent.stop()).toEqual({ code: 0 });
    await until(async () => !(await forced()), 2000);
  });

  test('redirects no DNS of a container that may not reach port 53 of the host, and keeps its names open', async ({
    host,
  }) => {
    const { container, add, forced } = await makeNamesLab(host, { hostAccess: 'none' });
    const agent = await startAgent(host);
    await add();
    await until(async () => (await agent.ask<{ attachments: number }>('status')).result.attachments === 1);
    expect(await forced()).toBe(false);
    expect((await agent.ask<{ dns: { addresses: string[] } }>('status')).result.dns.addresses).toEqual([]);
    expect(await host.fetch(container, '198.51.100.1', 80)).toBe('hello');
  });

  test('says when another server has port 53 of a gateway, redirects nothing to it, and tries again', async ({
    host,
  }) => {
    const { outside, add, forced } = await makeNamesLab(host);
    const other = await host.spawn([
      'dnsmasq',
      '--keep-in-foreground',
      '--conf-file=/dev/null',
      '--pid-file=',
      '--user=root',
      '--no-resolv',
      `--server=${outside.v4}`,
    ]);
    const agent = await startAgent(host);
    await add();
    const problems = async () => (await agent.ask<{ dns: { problems: string[] } }>('status')).result.dns.problems;
    await until(async () => (await problems()).length > 0);
    expect((await problems())[0]).toContain('another server has it');
    expect(await forced()).toBe(false);
    await other.stop();
    await until(forced, 15_000);
    expect(await problems()).toEqual([]);
  });

  test('asks for all names when told to', async ({ host }) => {
    const { container, add } = await makeNamesLab(host);
    const agent = await startAgent(host);
    await add();
    await until(async () => (await agent.ask<{ names: number }>('status')).result.names === 2);
    await writeHosts(host, ['198.51.100.2 api.example.org']);
    expect(await host.fetch(container, '198.51.100.2', 80)).toBe('refused');
    expect((await agent.ask<object>('refresh')).result).toEqual({ names: 1, problems: [] });
    expect(await host.fetch(container, '198.51.100.2', 80)).toBe('hello');
    expect(await host.fetch(container, '198.51.100.1', 80)).toBe('hello');
  });
});
