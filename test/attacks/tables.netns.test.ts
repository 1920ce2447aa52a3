import { describe, expect, test, type Host, type Place } from '../helpers/host.ts';
import { addContainer, makeWorld, ways, world } from '../plugins/egress-policy/network.ts';

/** What a container gets from services of the host, and from the world, in both families. */
async function answers(host: Host, from: Place): Promise<string[]> {
  const asked: [string, number][] = [
    ['10.1.0.1', 22],
    ['fd01::1', 22],
    ['192.0.2.1', 22],
    [world.public4, 80],
    [world.public6, 80],
  ];
  const all = await Promise.all(
    asked.map(async ([address, port]) => host.fetch(from, address, port, { timeout: 700 })),
  );
  return all.map((answer) => (['ssh', 'outside'].includes(answer) ? answer : ''));
}

const open = ['ssh', 'ssh', 'ssh', 'outside', 'outside'];
const shut = ['', '', '', '', ''];

describe.for(Object.entries(ways))('in %s', ([, list]) => {
  test.for(['inet', 'bridge'])(
    'a container reaches neither the host nor the world when "table %s drawbridge" alone is gone',
    async (family, { host }) => {
      await makeWorld(host);
      await host.serve(host, { port: 22, reply: 'ssh' });
      const container = await addContainer(host, list({ mode: 'open', hostAccess: 'all' }));
      expect(await answers(host, container)).toEqual(open);
      await host.run(['nft', 'delete', 'table', family, 'drawbridge']);
      expect(await answers(host, container)).toEqual(shut);
    },
  );

  test('a container goes on when the tables of the last resort are gone', async ({ host }) => {
    await makeWorld(host);
    await host.serve(host, { port: 22, reply: 'ssh' });
    const container = await addContainer(host, list({ mode: 'open', hostAccess: 'all' }));
    await host.sh('nft delete table ip drawbridge; nft delete table ip6 drawbridge');
    expect(await answers(host, container)).toEqual(open);
  });
});
