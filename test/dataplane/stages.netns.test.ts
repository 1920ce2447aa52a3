import { catalogue, type Catalogue } from '../../src/dataplane/catalogue.ts';
import { judging } from '../../src/dataplane/catalogue/stages.ts';
import { tableText } from '../../src/dataplane/layout.ts';
import { tableNames } from '../../src/nft/element.ts';
import { expect, test, type Host } from '../helpers/host.ts';

/** As somebody would add them: one set and two chains, which count what each stage takes a packet to be sent to. */
const extended: Catalogue = {
  ...catalogue,
  sets: [
    ...catalogue.sets,
    {
      table: 'inet drawbridge',
      name: 'selected4',
      key: ['ipv4_addr'],
      filledBy: 'peers',
      about: 'addresses of pods that a selector selects',
    },
  ],
  chains: [
    ...catalogue.chains,
    {
      table: 'inet drawbridge',
      name: 'stage_asked',
      hook: judging('asked', 'forward'),
      rules: ['ct original ip daddr @selected4 counter'],
    },
    {
      table: 'inet drawbridge',
      name: 'stage_translated',
      hook: judging('translated', 'forward'),
      rules: ['ip daddr @selected4 counter'],
    },
  ],
};

/** The packets that the rule of a chain counted. */
async function counted(host: Host, chain: string): Promise<number> {
  const listed = await host.run(['nft', 'list', 'chain', 'inet', 'drawbridge', chain]);
  return Number(/counter packets (\d+)/u.exec(listed)?.[1]);
}

test('a packet is judged by the destination that was asked for in the first stage, after translation in the second', async ({
  host,
}) => {
  const outside = await host.outside();
  await outside.address('8.8.8.8');
  await host.serve(outside, { port: 80, address: '8.8.8.8', reply: 'hello' });
  const client = await host.container();
  await host.sh(`
    sysctl -qw net.ipv4.ip_forward=1
    ip link add lone type veth peer name eth0 netns ${client.name}
    ip addr add 10.70.0.1/24 dev lone
    ip link set lone up
    ip -n ${client.name} addr add 10.70.0.2/24 dev eth0
    ip -n ${client.name} link set eth0 up
    ip -n ${client.name} route add default via 10.70.0.1`);
  const text = tableNames.map((table) => tableText(table, { from: extended })).join('');
  await host.run(['nft', '-f', '-'], {
    input: `${text}
      add element inet drawbridge masquerade4 { 10.70.0.2 }
      table ip service {
        chain translate { type nat hook prerouting priority -110; ip daddr 203.0.113.9 dnat to 8.8.8.8; }
      }
    `,
  });
  const counts: Record<string, [asked: boolean, translated: boolean]> = {};
  for (const selected of ['203.0.113.9', '8.8.8.8', '198.51.100.1']) {
    const before = [await counted(host, 'stage_asked'), await counted(host, 'stage_translated')];
    await host.run(['nft', 'add', 'element', 'inet', 'drawbridge', 'selected4', `{ ${selected} }`]);
    expect(await host.fetch(client, '203.0.113.9', 80)).toBe('hello');
    await host.run(['nft', 'delete', 'element', 'inet', 'drawbridge', 'selected4', `{ ${selected} }`]);
    const after = [await counted(host, 'stage_asked'), await counted(host, 'stage_translated')];
    counts[selected] = [after[0] !== before[0], after[1] !== before[1]];
  }
  // Those that answer go by what was asked too: "ct original" is the same for both directions.
  expect(counts).toEqual({ '203.0.113.9': [true, false], '8.8.8.8': [false, true], '198.51.100.1': [false, false] });
});
