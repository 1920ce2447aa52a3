import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compileDriver, makeDnsLab, until, type DnsLab } from './lab.ts';

describe.each(['node', 'bun'] as const)('the proxy, run by %s', (runtime) => {
  let lab: DnsLab;

  beforeAll(async () => {
    if (runtime === 'bun') await compileDriver();
    lab = await makeDnsLab(runtime);
    await lab.hosts([
      '198.51.100.1 api.example.org',
      '2001:db8:1::1 api.example.org',
      '198.51.100.2 a.example.net',
      '198.51.100.3 real.example.com',
      '10.0.0.7 rebind.example.net',
      '198.51.100.4 evil.example',
      ...Array.from({ length: 120 }, (_, index) => `198.51.101.${index} many.example.net`),
    ]);
    await lab.startProxy();
    await lab.outside.address('198.51.100.1', '198.51.100.2', '198.51.100.3', '198.51.100.4', '2001:db8:1::1');
    await lab.host.serve(lab.outside, { port: 80, reply: 'hello' });
  });
  afterAll(() => lab[Symbol.asyncDispose]());

  test('glibc finds a name of the policy in both families, and reaches it', async () => {
    expect(await lab.host.fetch(lab.c1, '198.51.100.1', 80)).toBe('refused');
    const { stdout } = await lab.inContainer(['getent', 'ahosts', 'api.example.org']);
    const found = stdout.split('\n').map((line) => line.split(' ')[0]);
    expect(new Set(found)).toEqual(new Set(['198.51.100.1', '2001:db8:1::1', '']));
    expect(await lab.host.fetch(lab.c1, '198.51.100.1', 80)).toBe('hello');
    expect(await lab.host.fetch(lab.c1, '2001:db8:1::1', 80)).toBe('hello');
  });

  test('whatever server is asked, over either family and protocol, the proxy answers for it', async () => {
    for (const how of [
      ['@8.8.8.8'],
      ['@8.8.8.8', '+tcp'],
      ['@2001:4860:4860::8888'],
      ['@2001:4860:4860::8888', '+tcp'],
      ['@fd00:88::1'],
      ['@10.88.0.1'],
    ]) {
      const { stdout } = await lab.inContainer(['dig', '+short', '+time=2', '+tries=1', ...how, 'a.example.net']);
      expect(stdout.trim()).toBe('198.51.100.2');
    }
  });

  test('a name outside the policy is refused, with the reason, and dnsmasq never hears of it', async () => {
    const { stdout } = await lab.inContainer(['dig', '@10.88.0.1', 'evil.example']);
    expect(stdout).toContain('status: REFUSED');
    expect(stdout).toContain('EDE: 18 (Prohibited): (drawbridge: the name is not in the policy)');
    expect(await lab.host.run(['cat', '/run/dnsmasq.log'])).not.toContain('evil');
    expect(await lab.host.fetch(lab.c1, '198.51.100.4', 80)).toBe('refused');
  });

  test('the address at the end of a CNAME is open', async () => {
    const { stdout } = await lab.inContainer(['getent', 'ahostsv4', 'www.example.net']);
    expect(stdout).toContain('198.51.100.3');
    expect(await lab.host.fetch(lab.c1, '198.51.100.3', 80)).toBe('hello');
  });

  test('a name that points inside is empty, and nothing inside is open', async () => {
    const { stdout } = await lab.inContainer(['dig', '@10.88.0.1', 'rebind.example.net']);
    expect(stdout).toContain('status: NOERROR');
    expect(stdout).toContain('EDE: 17 (Filtered)');
    expect(await lab.open()).not.toContain('10.0.0.7');
  });

  test('120 addresses come by TCP to glibc and dig, and all are open', async () => {
    const { stdout } = await lab.inContainer(['dig', '+short', '@10.88.0.1', 'many.example.net']);
    expect(stdout.trim().split('\n')).toHaveLength(120);
    const glibc = await lab.inContainer(['getent', 'ahostsv4', 'many.example.net']);
    expect(
      new Set(
        glibc.stdout
          .trim()
          .split('\n')
          .map((line) => line.split(' ')[0]),
      ).size,
    ).toBe(120);
    expect((await lab.open()).filter((address) => address.startsWith('198.51.101.'))).toHaveLength(120);
  });

  test('glibc with search domains and many dots to go finds the name', async () => {
    const resolvConf = 'nameserver 10.88.0.1\nsearch default.svc.cluster.local svc.cluster.local\noptions ndots:5';
    const { stdout, ms } = await lab.inContainer(['getent', 'ahostsv4', 'api.example.org'], resolvConf);
    expect(stdout).toContain('198.51.100.1');
    expect(ms).toBeLessThan(3000);
  });

  test('busybox finds a name of the policy', async () => {
    expect((await lab.inContainer(['busybox', 'nslookup', 'api.example.org'])).stdout).toContain('198.51.100.1');
  });
});

describe('musl', () => {
  const folder = mkdtempSync(join(tmpdir(), 'musl-'));
  const program = join(folder, 'lookup');
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test.runIf(hasMusl())(
    'asks for both families at once, gets both, and goes through its search after NXDOMAIN',
    async () => {
      execFileSync('musl-gcc', ['-static', '-o', program, join(import.meta.dirname, 'musl-lookup.c')]);
      await using lab = await makeDnsLab('node', { dns: { upstream: ['192.0.2.2'], denied: 'nxdomain' } });
      await lab.hosts([
        '198.51.100.1 api.example.org',
        '2001:db8:1::1 api.example.org',
        ...Array.from({ length: 60 }, (_, index) => `198.51.101.${index} many.example.net`),
      ]);
      await lab.startProxy();
      const search = 'nameserver 10.88.0.1\nsearch default.svc.cluster.local\noptions ndots:5';
      expect((await lab.inContainer([program, 'api.example.org'])).stdout.trim().split('\n').toSorted()).toEqual([
        '198.51.100.1',
        '2001:db8:1::1',
      ]);
      expect((await lab.inContainer([program, 'api.example.org'], search)).stdout).toContain('198.51.100.1');
      const denied = await lab.inContainer([program, 'evil.example']);
      expect([denied.stdout, denied.ms < 2000]).toEqual(['error Name does not resolve\n', true]);
      // 1.2.3 and older never ask by TCP: what they get by UDP has to be usable.
      const many = (await lab.inContainer([program, 'many.example.net'])).stdout.trim().split('\n');
      expect(many.length).toBeGreaterThan(20);
      expect(await lab.open()).toEqual(expect.arrayContaining(many));
    },
  );
});

describe('what happens beside', () => {
  test('with the policy gone from the kernel, an answer is SERVFAIL, and after its return good again', async () => {
    await using lab = await makeDnsLab('node');
    await lab.hosts(['198.51.100.1 api.example.org']);
    await lab.startProxy();
    const ruleset = await lab.host.run(['nft', 'list', 'ruleset']);
    // All of it: without the inet table alone the last resort lets nothing of the container come to the host.
    await lab.host.run(['nft', 'flush', 'ruleset']);
    expect((await lab.inContainer(['dig', '+tries=1', '@10.88.0.1', 'api.example.org'])).stdout).toContain(
      'status: SERVFAIL',
    );
    await lab.host.run(['nft', '-f', '-'], { input: ruleset });
    expect((await lab.inContainer(['dig', '+tries=1', '@10.88.0.1', 'api.example.org'])).stdout).toContain(
      'status: NOERROR',
    );
    expect(await lab.open()).toEqual(['198.51.100.1']);
  });

  test('killed and started again, it closes nothing that was open', async () => {
    await using lab = await makeDnsLab('node');
    await lab.hosts(['198.51.100.2 a.example.net']);
    await lab.outside.address('198.51.100.2');
    await lab.host.serve(lab.outside, { port: 80, reply: 'hello' });
    const first = await lab.startProxy();
    await lab.inContainer(['dig', '@10.88.0.1', 'a.example.net']);
    await first.stop(9);
    expect(await lab.host.fetch(lab.c1, '198.51.100.2', 80)).toBe('hello');
    await until(async () => (await lab.host.exec(['pgrep', '-x', 'nft'])).stdout === '');
    await lab.startProxy();
    expect((await lab.inContainer(['dig', '+short', '@10.88.0.1', 'a.example.net'])).stdout.trim()).toBe(
      '198.51.100.2',
    );
  });

  test('names that nobody asks for are open after the start', async () => {
    await using lab = await makeDnsLab('node');
    await lab.hosts(['198.51.100.1 api.example.org', '2001:db8:1::1 api.example.org']);
    const { policy, policyId } = lab;
    await lab.startProxy({
      refresh: [{ policyId, names: policy.names, upstream: policy.dns.upstream, refreshIntervalMinutes: 30 }],
    });
    await until(async () => (await lab.open()).length === 2);
    expect(await lab.open()).toEqual(['198.51.100.1', '2001:db8:1::1']);
    expect(await lab.host.sh('cat /var/lib/drawbridge/names/*')).toContain('"name":"api.example.org"');
  });
});

function hasMusl(): boolean {
  try {
    execFileSync('which', ['musl-gcc'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
