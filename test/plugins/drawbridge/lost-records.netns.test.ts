import { attach, conflistWith } from '../../agent/process/network.ts';
import { describe, expect, test, type Container, type Host } from '../../helpers/host.ts';

const policy = { mode: 'allowlist', allow: ['8.8.8.8:80'] };
const portMappings = [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }];

/** Two containers under one policy, the second with a published port. */
async function attachTwo(host: Host): Promise<{ first: Container; second: Container; conflist: object }> {
  const { container: first, conflist } = await attach(host, policy);
  const second = await host.container();
  const [made = {}, ...others] = conflist.plugins;
  const list = { ...conflist, plugins: [{ ...made, capabilities: { portMappings: true } }, ...others] };
  const added = await host.addChain(list, { container: second, runtimeConfig: { portMappings } });
  expect(added.error).toBeUndefined();
  return { first, second, conflist };
}

/** Removes the record of a container, and whatever else of it is named. */
async function lose(host: Host, container: Container, more = ''): Promise<void> {
  await host.sh(`cd /run/drawbridge; rm "$(grep -l '"${container.name}"' attachments/*.json)"; ${more}`);
}

async function reach(host: Host, container: Container): Promise<string[]> {
  return Promise.all([host.fetch(container, '8.8.8.8', 80), host.fetch(container, '9.9.9.9', 80)]);
}

describe('DEL of a container', () => {
  test('leaves one alone under its policy whose record was lost, though no other has a record', async ({ host }) => {
    const { first, second } = await attachTwo(host);
    await lose(host, first, 'rm -r shared addresses');
    expect((await host.delChain(conflistWith(policy), { container: second })).error).toBeUndefined();
    expect(await reach(host, first)).toEqual(['hello', 'refused']);
    expect(await host.run(['nft', 'list', 'map', 'inet', 'drawbridge', 'published4'])).not.toContain('8080');
  });

  test('takes its elements and index entries along when its record was lost', async ({ host }) => {
    const { first, second } = await attachTwo(host);
    await lose(host, second);
    const traces = async () =>
      (
        await host.sh(
          'nft list ruleset | grep -c "10.88.0.3\\|8080" || :; ls -R /run/drawbridge | grep -c "10.88.0.3\\|8080" || :',
        )
      )
        .trim()
        .split('\n')
        .map(Number);
    for (const count of await traces()) expect(count).toBeGreaterThan(0);
    expect((await host.delChain(conflistWith(policy), { container: second })).error).toBeUndefined();
    expect(await traces()).toEqual([0, 0]);
    expect(await reach(host, first)).toEqual(['hello', 'refused']);
  });

  test('takes the tables along when it was the last and its record was lost', async ({ host }) => {
    const { container, conflist } = await attach(host, policy);
    await lose(host, container);
    expect((await host.delChain(conflist, { container })).error).toBeUndefined();
    expect(await host.run(['nft', 'list', 'tables'])).toBe('');
  });
});
