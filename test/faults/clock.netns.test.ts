import { existsSync } from 'node:fs';
import { describe, expect, test, type Container, type Host } from '../helpers/host.ts';
import { makeNamesLab, writeHosts } from '../agent/process/names-lab.ts';
import { attachmentsLeft, conflist, interfaceConf, options, outcome, prepare } from './network.ts';

/** libfaketime: the plugin, and what it runs, see another time of day. The times of files stay those of the kernel. */
const library = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1';

function clock(offset: string): { env: Record<string, string> } {
  return { env: { LD_PRELOAD: library, FAKETIME: offset } };
}

async function attached(host: Host, name: string, offset: string): Promise<{ container: Container; address: string }> {
  const container = await host.container(name);
  const added = await host.addChain(conflist, { container, ...clock(offset) });
  expect(outcome(added)).toBe('code 0');
  const [{ address = '' } = {}] = (added.result?.['ips'] ?? []) as { address?: string }[];
  return { container, address };
}

describe.skipIf(!existsSync(library))('a clock that is set', () => {
  test.for([
    ['back by a day', '-1d'],
    ['forward by a day', '+1d'],
    ['back by ten years', '-3650d'],
  ] as const)(
    '%s between any two verbs gives no address twice, loses nothing and leaves nothing',
    async ([, jump], { host }) => {
      await prepare(host);
      const jumped = await host.cni('VERSION', '{"cniVersion":"1.1.0"}', clock(jump));
      expect(outcome(jumped)).toBe('code 0');
      const one = await attached(host, 'one', '+0');
      const two = await attached(host, 'two', jump);
      const three = await attached(host, 'three', '+0');
      expect(new Set([one.address, two.address, three.address]).size).toBe(3);
      for (const [{ container }, offset] of [
        [one, jump],
        [two, '+0'],
        [three, jump],
      ] as const)
        expect(outcome(await host.checkChain(conflist, { container, ...clock(offset) }))).toBe('code 0');
      const valid = [one, two].map(({ container: { name } }) => ({ containerID: name, ifname: 'eth0' }));
      expect(outcome(await host.gcChain(conflist, valid, clock(jump)))).toBe('code 0');
      expect(outcome(await host.checkChain(conflist, { container: one.container }))).toBe('code 0');
      expect(outcome(await host.delChain(conflist, { container: one.container, ...clock(jump) }))).toBe('code 0');
      expect(outcome(await host.checkChain(conflist, { container: two.container }))).toBe('code 0');
      expect(outcome(await host.delChain(conflist, { container: two.container }))).toBe('code 0');
      expect(await attachmentsLeft(host)).toEqual([]);
    },
  );

  test.for([
    ['back', '-1h'],
    ['forward', '+1h'],
  ] as const)('%s by an hour gives an address of a name no other time than it had', async ([, jump], { host }) => {
    const { container, conflist: named } = await makeNamesLab(host);
    expect(outcome(await host.addChain(named, { container }))).toBe('code 0');
    await writeHosts(host, ['198.51.100.9 api.example.org']);
    const next = {
      ...named,
      plugins: named.plugins.map((one, index) => (index === 1 ? { ...one, onDeny: 'drop' } : one)),
    };
    const other = await host.container();
    expect(outcome(await host.addChain(next, { container: other, ...clock(jump) }))).toBe('code 0');
    const sets = await host.run(['nft', '-j', 'list', 'table', 'inet', 'drawbridge']);
    const lefts = [...sets.matchAll(/"val": "198\.51\.100\.1", "timeout": (\d+)/gu)].map(([, left]) => Number(left));
    expect(lefts).toHaveLength(2);
    // A TTL counts as a minute at least, with half an hour of grace.
    for (const left of lefts) expect(left).toSatisfy((seconds: number) => seconds > 1700 && seconds <= 1860);
  });

  test('back while an ADD was killed under a lock costs the next ADD no day of waiting', async ({ host }) => {
    await prepare(host);
    const container = await host.container();
    await host.sh('mkdir -p /run/drawbridge/locks/tables.lock; touch -d +1day /run/drawbridge/locks/tables.lock');
    await host.sh(
      `sleep 600 & printf '{"pid":%d,"what":"ADD","since":"","began":"1","namespaces":"%s %s","lock":%d}' $! "$(readlink /proc/self/ns/pid)" "$(readlink /proc/self/ns/time)" "$(stat -c %i /run/drawbridge/locks/tables.lock)" > /run/drawbridge/locks/tables.holder; kill $!`,
    );
    const added = await host.cni('ADD', interfaceConf, options(container));
    expect(outcome(added)).toBe('code 0');
    expect(added.ms).toBeLessThan(5000);
  });
});
