/** Bits of marks that an operator chose: /etc/drawbridge/marks. */
import { addContainer, makeWorld, oneProcess, ways, world } from '../plugins/egress-policy/network.ts';
import { drawbridge } from '../cli/cli.ts';
import { startAgent, until } from '../agent/process/agent.ts';
import { describe, expect, test, type Host } from '../helpers/host.ts';

const chosen = 'packet 0xffe0\nconnection 0xc000\n';

async function choose(host: Host, text: string): Promise<void> {
  await host.sh('mkdir -p /etc/drawbridge; cat > /etc/drawbridge/marks', { input: text });
}

/** Masks of our routing rules. */
async function ruleMasks(host: Host): Promise<string[]> {
  const shown = await host.run(['ip', 'rule', 'show']);
  return [...new Set([...shown.matchAll(/fwmark 0x?0?\/(0x[0-9a-f]+) .*prohibit/gu)].map(([, mask = '']) => mask))];
}

describe('marks of /etc/drawbridge/marks', () => {
  for (const [way, conflist] of Object.entries(ways))
    test(`are those of tables and gates, which work as ever: ${way}`, async ({ host }) => {
      await makeWorld(host);
      await choose(host, chosen);
      const job = await addContainer(host, conflist(), { name: 'job' });
      expect(await ruleMasks(host)).toEqual(['0x20']);
      expect(await host.run(['nft', 'list', 'ruleset'])).not.toMatch(/mark .*0x00(?:0[1-9a-f]|[1-9a-f]\d)0000/u);
      expect(await host.fetch(job, world.public4, 80)).toBe('outside');
      expect(await host.fetch(job, world.private4, 80)).toBe('refused');
      await host.run(['nft', 'flush', 'ruleset']);
      expect(await host.fetch(job, world.public4, 80)).not.toBe('outside');
      await drawbridge(host, ['doctor', '--fix']);
      expect(await host.fetch(job, world.public4, 80)).toBe('outside');
      expect(await host.fetch(job, world.private4, 80)).toBe('refused');
    });

  test('stay what they are when the file changes, for agent and plugins, and doctor says until when', async ({
    host,
  }) => {
    await makeWorld(host);
    const agent = await startAgent(host);
    const first = await addContainer(host, oneProcess(), { name: 'first' });
    await choose(host, chosen);
    const second = await addContainer(host, oneProcess(), { name: 'second' });
    expect(await ruleMasks(host)).toEqual(['0x10000']);
    await host.run(['nft', 'flush', 'ruleset']);
    await until(async () => (await host.fetch(second, world.public4, 80)) === 'outside');
    expect(await host.fetch(first, world.public4, 80)).toBe('outside');
    expect(await ruleMasks(host)).toEqual(['0x10000']);
    const { json } = await drawbridge(host, ['doctor', '--json']);
    expect(json).toContainEqual(
      expect.objectContaining({ check: 'marks', severity: 'notice', found: expect.stringContaining('in force') }),
    );
    await agent.stop();
    for (const container of [first, second])
      expect((await host.delChain(oneProcess(), { container })).error).toBeUndefined();
    const third = await addContainer(host, oneProcess(), { name: 'third' });
    expect(await ruleMasks(host)).toEqual(['0x20']);
    expect(await host.fetch(third, world.public4, 80)).toBe('outside');
  });

  test('that cannot be understood are refused by ADD with their place, and doctor says so', async ({ host }) => {
    await makeWorld(host);
    await choose(host, 'packet 0xff\n');
    const container = await host.container('job');
    const { error } = await host.addChain(oneProcess(), { container });
    expect(error).toMatchObject({ code: 7, msg: expect.stringContaining('/etc/drawbridge/marks: packet') });
    const { json } = await drawbridge(host, ['doctor', '--json']);
    expect(json).toContainEqual(expect.objectContaining({ check: 'marks', severity: 'problem' }));
    await choose(host, chosen);
    expect((await host.addChain(oneProcess(), { container })).error).toBeUndefined();
  });

  test('are suggested by doctor where rules of others use the same bits, which it names', async ({ host }) => {
    await makeWorld(host);
    const job = await addContainer(host, oneProcess(), { name: 'job' });
    const marks = async (): Promise<{ found: string; remedy: string }[]> =>
      (
        (await drawbridge(host, ['doctor', '--json'])).json as { check: string; found: string; remedy: string }[]
      ).filter(({ check }) => check === 'marks');
    expect(await marks()).toEqual([]);
    await host.sh(`
      iptables -t mangle -A PREROUTING -i nothere0 -j MARK --set-xmark 0x40000/0xff0000
      ip6tables -t mangle -A PREROUTING -i nothere0 -m mark --mark 0x4000/0x4000 -j ACCEPT
      nft 'table inet other { chain c { ct mark & 0x2000000 != 0 accept; }; }'
      ip rule add fwmark 0x80000/0xff0000 lookup 52 pref 5230`);
    const [one, ...more] = await marks();
    expect(more).toEqual([]);
    for (const part of ['--set-xmark 0x40000/0xff0000', 'inet other: ct mark & 0x02000000', 'ip rule 5230'])
      expect(one?.found).toContain(part);
    expect(one?.found).not.toContain('0x4000/0x4000');
    expect(one?.remedy).toContain("printf 'packet 0x7f00b");
    expect(await host.fetch(job, world.public4, 80)).toBe('outside');
  });
});
