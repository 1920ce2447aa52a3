/** Prefixes of NAT64 that an operator lists: /etc/drawbridge/nat64. */
import { addContainer, makeWorld, oneProcess, ways } from '../plugins/egress-policy/network.ts';
import { drawbridge } from '../cli/cli.ts';
import { startAgent, until } from '../agent/process/agent.ts';
import { describe, expect, test, type Host } from '../helpers/host.ts';

/** With the addresses of 8.8.8.8, 8.8.4.4, 10.7.7.7 and 169.254.169.254 in each. */
const prefixes = {
  '2600:32::/32': ['808:808::', '808:404::', 'a07:707::', 'a9fe:a9fe::'].map((rest) => `2600:32:${rest}`),
  '2600:40::/40': ['8:808:8::', '8:804:4::', 'a:707:7::', 'a9:fea9:fe::'].map((rest) => `2600:40:${rest}`),
  '2600:48:1::/48': ['808:8:800::', '808:4:400::', 'a07:7:700::', 'a9fe:a9:fe00::'].map((rest) => `2600:48:1:${rest}`),
  '2600:56:1::/56': ['8:8:808::', '8:8:404::', 'a:7:707::', 'a9:fe:a9fe::'].map((rest) => `2600:56:1:${rest}`),
  'fd64:64:1:2::/64': ['8:808:800:0', '8:804:400:0', 'a:707:700:0', 'a9:fea9:fe00:0'].map(
    (rest) => `fd64:64:1:2:${rest}`,
  ),
  '64:ff9b:1:96::/96': ['808:808', '808:404', 'a07:707', 'a9fe:a9fe'].map((rest) => `64:ff9b:1:96::${rest}`),
} as const;
/** In two of them, with a bit set that has to be zero. */
const malformed = ['2600:48:1:808:8008:800::', 'fd64:64:1:2:8008:808:800:0'];

async function list(host: Host, text: string): Promise<void> {
  await host.sh('mkdir -p /etc/drawbridge; cat > /etc/drawbridge/nat64', { input: text });
}

describe('addresses in the prefixes of /etc/drawbridge/nat64', () => {
  for (const [way, conflist] of Object.entries(ways))
    test(`are judged by the IPv4 address inside, as explain says: ${way}`, async ({ host }) => {
      const outside = await makeWorld(host);
      await list(host, Object.keys(prefixes).join('\n'));
      const all = [...Object.values(prefixes).flat(), ...malformed];
      await outside.address(...all);
      const job = await addContainer(host, conflist({ deny: ['8.8.4.4'], allowPrivate: ['fd64:64::/32'] }), {
        name: 'job',
      });
      const found: Record<string, string> = {};
      const said: Record<string, boolean> = {};
      for (const address of all) {
        found[address] = await host.fetch(job, address, 80);
        said[address] = (await drawbridge(host, ['explain', 'job', `[${address}]:80`])).code === 0;
      }
      const expected = Object.values(prefixes).flatMap((inside) =>
        inside.map((address, place) => [address, place === 0] as const),
      );
      const open = Object.fromEntries([...expected, ...malformed.map((address) => [address, false] as const)]);
      expect(said).toEqual(open);
      expect(found).toEqual(
        Object.fromEntries(Object.entries(open).map(([address, is]) => [address, is ? 'outside' : 'refused'])),
      );
    });

  test('are those of the file that the first container found, for agent and plugins, and doctor says until when', async ({
    host,
  }) => {
    const outside = await makeWorld(host);
    const [open, , inside] = prefixes['2600:48:1::/48'];
    await outside.address(open ?? '', inside ?? '');
    const agent = await startAgent(host);
    const first = await addContainer(host, oneProcess(), { name: 'first' });
    expect(await host.fetch(first, inside ?? '', 80)).toBe('outside');
    await list(host, '2600:48:1::/48\n');
    const second = await addContainer(host, oneProcess(), { name: 'second' });
    await host.run(['nft', 'flush', 'ruleset']);
    await until(async () => (await host.fetch(second, inside ?? '', 80)) === 'outside');
    const { json } = await drawbridge(host, ['doctor', '--json']);
    expect(json).toContainEqual(expect.objectContaining({ check: 'nat64', severity: 'notice' }));
    await agent.stop();
    for (const container of [first, second])
      expect((await host.delChain(oneProcess(), { container })).error).toBeUndefined();
    const third = await addContainer(host, oneProcess(), { name: 'third' });
    expect(await host.fetch(third, open ?? '', 80)).toBe('outside');
    expect(await host.fetch(third, inside ?? '', 80)).toBe('refused');
    await startAgent(host);
    await host.run(['nft', 'flush', 'ruleset']);
    await until(async () => (await host.fetch(third, open ?? '', 80)) === 'outside');
    expect(await host.fetch(third, inside ?? '', 80)).toBe('refused');
  });

  test('that cannot be understood are refused by ADD with their line, and doctor says so', async ({ host }) => {
    await makeWorld(host);
    await list(host, '# ours\n2001:db8:64::/95\n');
    const container = await host.container('job');
    const { error } = await host.addChain(oneProcess(), { container });
    expect(error).toMatchObject({ code: 7, msg: expect.stringContaining('/etc/drawbridge/nat64:2') });
    const { json } = await drawbridge(host, ['doctor', '--json']);
    expect(json).toContainEqual(expect.objectContaining({ check: 'nat64', severity: 'problem' }));
    await list(host, '# ours\n2001:db8:64::/96\n');
    expect((await host.addChain(oneProcess(), { container })).error).toBeUndefined();
  });
});
