import { describe, expect, test, type Host } from '../../helpers/host.ts';
import { drawbridge } from '../../cli/cli.ts';
import { until } from './agent.ts';
import { makeSites, type Sites } from '../first-bytes/sites.ts';

const policy = { allow: ['*.example.org:443', 'good.example.org:443'], verifyNames: false };

const dig = async ({ container }: Sites, name: string): Promise<string> =>
  (await container.exec(['dig', '+time=3', '+tries=1', '+short', '@10.88.0.1', name])).stdout.trim();

/** Puts as many addresses into the policy's set as it takes, as nobody of ours does. */
async function fill(host: Host): Promise<void> {
  const name =
    /set (policy_\w+_names4_any_443) /.exec(
      await host.run(['nft', '-t', 'list', 'table', 'inet', 'drawbridge']),
    )?.[1] ?? '';
  const script = `print("flush set inet drawbridge ${name}")
for block in range(256):
    print("add element inet drawbridge ${name} { " + ", ".join(f"11.0.{block}.{one}" for one in range(256)) + " }")`;
  await host.sh(`python3 -c '${script}' | nft -f -`);
}

describe('a set of names that somebody else filled', () => {
  test('is written anew for the next address of ours, and the agent says why', async ({ host }) => {
    const sites = await makeSites(host, { policy });
    expect(await dig(sites, 'good.example.org')).toBe('198.51.100.1');
    await fill(host);
    expect(await dig(sites, 'also.example.org')).toBe('198.51.100.1');
    expect(await sites.curl('https://also.example.org/')).toBe('also.example.org HTTP/2.0\n');
    const why = 'was full of addresses that no name opened: somebody else put them there';
    expect((await sites.agent.log()).some(({ msg }) => msg.includes(why))).toBe(true);
    const { result } = await sites.agent.ask<{ text: string }>('metrics');
    expect(result.text).toMatch(/^drawbridge_names_overfilled 1$/m);
    const doctor = async (): Promise<string> => (await drawbridge(host, ['doctor'])).stdout.replaceAll(/\s+/g, ' ');
    await until(async () => (await doctor()).includes(why), 20_000);
  });

  test('fails no ADD without an agent', async ({ host }) => {
    const sites = await makeSites(host, { policy, withoutAgent: true });
    await fill(host);
    const container = await host.container();
    expect((await host.addChain(sites.conflist, { container })).error).toBeUndefined();
    expect(await sites.curlFrom(container, 'https://good.example.org/')).toBe('good.example.org HTTP/2.0\n');
  });
});
