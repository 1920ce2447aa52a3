import { describe, expect, test, type Host } from '../../helpers/host.ts';
import { executable } from '../../helpers/executable.ts';
import { startAgent, talk, until } from './agent.ts';
import { attach, conflistWith } from './network.ts';

const policyFile = '/etc/drawbridge/policies/web.json';

async function writePolicy(host: Host, text: string): Promise<void> {
  await host.run(['/bin/sh', '-ec', `mkdir -p /etc/drawbridge/policies && cat > ${policyFile}`], { input: text });
}

describe('the agent', () => {
  test('applies a changed policy to running containers within a second', async ({ host }) => {
    await writePolicy(host, '{ "mode": "allowlist", "allow": ["8.8.8.8:80"] }');
    const { container } = await attach(host, { policy: 'web' });
    const agent = await startAgent(host);
    expect(await host.fetch(container, '9.9.9.9', 80)).toBe('refused');
    await writePolicy(host, '{ "mode": "allowlist", "allow": ["9.9.9.9:80"] }');
    const took = await until(async () => (await host.fetch(container, '9.9.9.9', 80, { timeout: 100 })) === 'hello');
    console.log(`policy change: ${took.toFixed(0)} ms`);
    expect(took).toBeLessThan(1000);
    expect(await host.fetch(container, '8.8.8.8', 80)).toBe('refused');
    await until(async () => (await agent.log()).some(({ msg }) => msg === 'policies changed'));
    expect((await agent.log()).filter(({ msg }) => msg === 'repaired')).toEqual([]);
  });

  test("applies a change of an operator's preset to the containers whose policy names it", async ({ host }) => {
    const writePreset = async (allow: readonly string[]): Promise<void> => {
      const text = JSON.stringify({ allow });
      await host.sh('mkdir -p /etc/drawbridge/presets && cat > /etc/drawbridge/presets/web.json', { input: text });
    };
    await writePreset(['8.8.8.8:80']);
    await writePolicy(host, '{ "preset": "web" }');
    const { container } = await attach(host, { policy: 'web' });
    await startAgent(host);
    expect(await host.fetch(container, '8.8.8.8', 80)).toBe('hello');
    expect(await host.fetch(container, '9.9.9.9', 80)).toBe('refused');
    await writePreset(['9.9.9.9:80']);
    await until(async () => (await host.fetch(container, '9.9.9.9', 80, { timeout: 100 })) === 'hello');
    expect(await host.fetch(container, '8.8.8.8', 80)).toBe('refused');
  });

  test('keeps the old policy when the file becomes invalid, and says so in log, status, metrics and list', async ({
    host,
  }) => {
    await writePolicy(host, '{ "mode": "allowlist", "allow": ["8.8.8.8:80"] }');
    const { container } = await attach(host, { policy: 'web' });
    const agent = await startAgent(host);
    await writePolicy(host, '{ "mode": "allowlist", "alow": ["9.9.9.9:80"] }');
    const invalid = async () =>
      (await agent.ask<{ invalidPolicies: { policy: string; why: string }[] }>('status')).result.invalidPolicies;
    await until(async () => (await invalid()).length === 1);
    expect((await invalid())[0]).toMatchObject({ policy: 'web', why: expect.stringContaining('"alow"') });
    expect((await agent.log()).find(({ msg }) => msg === 'policy')?.problem).toContain('stays in force');
    expect((await agent.ask<{ text: string }>('metrics')).result.text).toContain(
      'drawbridge_policy_invalid{policy="web"} 1',
    );
    const listed = (await host.run([executable, 'list'])).replaceAll(/\s+/g, ' ');
    expect(listed).toContain('"alow"');
    expect(listed).toContain('the policy as it was stays in force');
    const [{ stale = [] } = {}] = JSON.parse(await host.run([executable, 'list', '--json'])) as { stale?: string[] }[];
    expect(stale).toEqual([expect.stringContaining('"alow"')]);
    expect(await host.fetch(container, '8.8.8.8', 80)).toBe('hello');
    await writePolicy(host, '{ "mode": "restricted" }');
    await until(async () => (await invalid()).length === 0);
    expect(await host.fetch(container, '9.9.9.9', 80)).toBe('hello');
  });

  test('applies a change that was made while there was no agent', async ({ host }) => {
    await writePolicy(host, '{ "mode": "allowlist", "allow": ["8.8.8.8:80"] }');
    const { container } = await attach(host, { policy: 'web' });
    await writePolicy(host, '{ "mode": "allowlist", "allow": ["9.9.9.9:80"] }');
    await startAgent(host);
    expect(await host.fetch(container, '9.9.9.9', 80)).toBe('hello');
  });

  test('is the only one of its host, and is replaced at once when it was killed', async ({ host }) => {
    const agent = await startAgent(host);
    const second = await host.exec([executable, 'agent']);
    expect(second.code).toBe(1);
    expect(second.stderr).toContain('another one answers');
    await agent.kill();
    const next = await startAgent(host);
    expect((await next.ask<{ pid: number }>('status')).result.pid).toBe(next.pid);
    expect((await next.stop()).code).toBe(0);
  });

  test('puts back at its start what was lost while there was none', async ({ host }) => {
    const { container } = await attach(host, { mode: 'allowlist', allow: ['8.8.8.8:80'] });
    await (await startAgent(host)).kill();
    await host.sh('nft flush ruleset; ip rule del pref 90; ip link set drawbridge0 down');
    await startAgent(host);
    await until(async () => (await host.fetch(container, '8.8.8.8', 80, { timeout: 100 })) === 'hello');
    expect(await host.fetch(container, '9.9.9.9', 80)).toBe('refused');
    expect(await host.run(['ip', 'rule'])).toContain('prohibit');
  });

  test('reports attachments without a container, and removes them with --clean after the grace', async ({ host }) => {
    const { container, conflist } = await attach(host, { mode: 'restricted' });
    const stays = await host.container();
    await host.addChain(conflist, { container: stays });
    const reporting = await startAgent(host);
    await container.remove();
    await until(async () => !(await host.run(['ip', 'link'])).includes('@if2: '), 500).catch(() => {});
    await reporting.stop();
    const dead = async (agent: typeof reporting) =>
      (await agent.ask<{ dead: { network: string; why: string }[] }>('status')).result.dead;
    const again = await startAgent(host);
    expect(await dead(again)).toMatchObject([{ network: 'lab', why: expect.stringContaining('are gone') }]);
    expect((await host.run(['ls', '/run/drawbridge/attachments'])).trim().split('\n')).toHaveLength(2);
    await again.stop();
    const cleaning = await startAgent(host, ['--clean', '--grace', '0']);
    expect(await dead(cleaning)).toEqual([]);
    expect((await host.run(['ls', '/run/drawbridge/attachments'])).trim().split('\n')).toHaveLength(1);
    expect(await host.run(['ls', '/var/lib/cni/networks/lab'])).not.toMatch(/^10\.88\.0\.2$/m);
    expect(await host.fetch(stays, '8.8.8.8', 80)).toBe('hello');
  });

  test('looks at everything when it is told to, at hints too', async ({ host }) => {
    await attach(host, { mode: 'restricted' });
    const agent = await startAgent(host);
    const hints = () => host.run(['find', '/run/drawbridge/shared', '/run/drawbridge/addresses', '-type', 'f']);
    const before = (await hints()).split('\n').toSorted();
    await host.sh('rm -r /run/drawbridge/shared/* /run/drawbridge/addresses/*');
    await host.run(['kill', '-HUP', String(agent.pid)]);
    await until(async () => (await hints()).split('\n').toSorted().join() === before.join());
    expect((await agent.log()).map(({ msg }) => msg)).toContain('agent looks at everything');
  });

  test('frees the leases of an earlier boot', async ({ host }) => {
    await attach(host, { mode: 'restricted' });
    const folder = '/var/lib/cni/networks/lab';
    // As if the machine had booted since: another boot's stamp, and no records.
    await host.sh(
      `rm -r /run/drawbridge/attachments; sed -i 's/"bootId":"[^"]*"/"bootId":"earlier"/' /var/lib/drawbridge/boot/*.json`,
    );
    const agent = await startAgent(host);
    expect((await agent.log()).map(({ msg }) => msg)).toContain('leases of earlier boots are free');
    expect((await host.run(['ls', folder])).split('\n').filter((name) => name.startsWith('10.'))).toEqual([]);
  });

  test('answers each line of its socket, and nobody but root may ask', async ({ host }) => {
    await attach(host, { mode: 'restricted' });
    await startAgent(host, ['--metrics-address', '127.0.0.1:9440']);
    expect(await host.run(['stat', '-c', '%a %u', '/run/drawbridge/agent.sock'])).toBe('600 0\n');
    const lines = (
      await talk(host, '{"id":"a","method":"status"}\nnonsense\n{"id":2,"method":"no"}\n{"id":3,"method":"names"}\n')
    )
      .trim()
      .split('\n');
    const answers = lines.map(
      (line) => JSON.parse(line) as { id: unknown; result?: unknown; error?: { message: string } },
    );
    expect(answers[0]).toMatchObject({ id: 'a', result: { protocol: 1, attachments: 1, problems: [] } });
    expect(answers[1]).toMatchObject({ id: null, error: {} });
    expect(answers[2]?.error?.message).toContain(
      'status, names, seen, refused, bounds, attached, refresh, grant, repair, metrics',
    );
    expect(answers[3]).toEqual({ id: 3, result: [] });
    const metrics = await host.run([
      'python3',
      '-c',
      'import urllib.request as u; print(u.urlopen("http://127.0.0.1:9440/metrics").read().decode())',
    ]);
    expect(metrics).toContain('drawbridge_attachments{state="ready"} 1');
    expect(metrics).toContain('drawbridge_leases{network="lab",subnet="10.88.0.0/16"} 1');
    expect(metrics).toMatch(/drawbridge_denied_packets\{network="lab",container="[^"]+",ifname="eth0"\} 0/);
  });

  test('tells systemd when it is ready and alive', async ({ host }) => {
    await host.spawn([
      'python3',
      '-c',
      'import socket;s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM);s.bind("/run/notify")\nf=open("/run/notified","w",buffering=1)\nwhile True: f.write(s.recv(4096).decode()+"\\n")',
    ]);
    await until(async () => (await host.exec(['test', '-S', '/run/notify'])).code === 0);
    const agent = await startAgent(host, [], { NOTIFY_SOCKET: '/run/notify', WATCHDOG_USEC: '900000' });
    await until(async () => (await host.run(['cat', '/run/notified'])).includes('WATCHDOG=1'));
    await agent.stop();
    const told = await host.run(['cat', '/run/notified']);
    expect(told).toContain('READY=1');
    expect(told).toContain('STATUS=0 attachments');
    expect(told).toContain('STOPPING=1');
  });

  test('starts on a host without containers and serves those that come', async ({ host }) => {
    const agent = await startAgent(host);
    const outside = await host.outside();
    await outside.address('8.8.8.8');
    await host.serve(outside, { port: 80, reply: 'hello' });
    const container = await host.container();
    expect((await host.addChain(conflistWith({ mode: 'restricted' }), { container })).error).toBeUndefined();
    await until(async () => (await agent.ask<{ attachments: number }>('status')).result.attachments === 1);
    await host.run(['nft', 'flush', 'ruleset']);
    await until(async () => (await host.fetch(container, '8.8.8.8', 80, { timeout: 100 })) === 'hello', 2000);
  });
});
