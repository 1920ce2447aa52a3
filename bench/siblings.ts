/**
 * Rows about siblings of a container that attacks: what one container gets of throughput, connections and DNS while
 * another one does each of the things of docs/policies.md, "Bounds of one container", beside what it gets while
 * nobody does. "a busy loop" sends nothing: what it takes from a sibling is the processor.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { startAgent, until } from '../test/agent/process/agent.ts';
import { conflistWith } from '../test/agent/process/network.ts';
import { makeHost, type Container, type Host } from '../test/helpers/private-host.ts';
import { compare, type Row } from './row.ts';

const python = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3';
const here = (file: string): string => join(import.meta.dirname, file);
const traffic = here('packets.py');
const flooding = here('../test/attacks/flood.py');
const asking = here('../test/attacks/dns-flood.py');
const answering = here('../test/attacks/dns-server.py');
const server = '198.51.99.1';
const colluder = '198.51.99.2';
const gateway = '10.88.0.1';

/** What the attacker does again and again, by the name of its rows; its address is $SOURCE. */
const attacks: Readonly<Record<string, readonly [what: string, command: string]>> = {
  busy: ['a busy loop', `${python} -c "while True: pass"`],
  syn: ['SYNs from every port to the same server', `${python} ${flooding} syn $SOURCE ${server} 60000`],
  handshakes: ['connections that stay, to a colluder', `${python} -I -S ${traffic} hold ${colluder} 5002 20`],
  scan: ['a datagram to each address', `${python} ${flooding} scan $SOURCE 203.0.112.0 65536`],
  fragments: ['first fragments', `${python} ${flooding} fragment $SOURCE ${server} 60000`],
  'dns-tcp': ['16 connections full of queries', `${python} ${asking} tcp ${gateway} 20`],
  'dns-deaf': ['16 connections that never read', `${python} ${asking} deaf ${gateway} 20`],
  'dns-dead': ['names that nobody answers', `${python} ${asking} dead ${gateway} 20`],
  'dns-denied': ['queries for denied names', `${python} ${asking} denied ${gateway} 20`],
  'dns-fill': ['answers with 900 addresses', `${python} ${asking} fill ${gateway} 20`],
  'dns-tunnel': ['new names under a wildcard', `${python} ${asking} tunnel ${gateway} 20`],
  echo: ['pings of the host with one id', `${python} ${flooding} echo $SOURCE ${gateway} 100000`],
  denied: ['denied datagrams', `${python} ${flooding} scan $SOURCE 10.200.0.0 60000`],
};

const measures = {
  throughput: { mode: 'send', to: server, port: 5001, unit: 'Mbit/s', better: 'more', toReach: 0.9 },
  connections: { mode: 'connect', to: server, port: 80, unit: '/s', better: 'more', toReach: 0.9 },
  dns: { mode: 'dns', to: '9.9.9.9', port: 53, unit: 'ms', better: 'less', toReach: 1 / 0.9 },
} as const;

export const siblingRows = Object.keys(attacks).flatMap((attack) =>
  Object.keys(measures).map((measure) => `under-${attack}-${measure}`),
);

/** So many rounds of each attack, each measure a second, with and without it by turns. */
export async function measureSiblings(ids: readonly string[], rounds: number): Promise<Row[]> {
  await using host = await makeHost();
  const { attacker, sibling } = await makeScene(host);
  const rows: Row[] = [];
  for (const [attack, [what, command]] of Object.entries(attacks)) {
    const wanted = Object.entries(measures).filter(([measure]) => ids.includes(`under-${attack}-${measure}`));
    if (wanted.length === 0) continue;
    const found = new Map(wanted.map(([measure]) => [measure, { quiet: [] as number[], attacked: [] as number[] }]));
    for (let round = 0; round < rounds; round++)
      for (const when of ['quiet', 'attacked'] as const) {
        await using running = when === 'quiet' ? undefined : await attackWith(host, attacker, command);
        for (const [measure, { mode, to, port }] of wanted)
          found.get(measure)?.[when].push(await measured(host, sibling, [mode, to, String(port), '1']));
        if (running !== undefined && !(await running.isRunning())) throw new Error(`${what}: the attack ended`);
      }
    rows.push(
      ...wanted.map(([measure, { unit, better, toReach }]) =>
        compare(
          {
            id: `under-${attack}-${measure}`,
            what: `${measure} of a sibling under: ${what}`,
            peer: 'itself, quiet',
            unit,
            better,
            toReach,
          },
          found.get(measure)?.attacked ?? [],
          found.get(measure)?.quiet ?? [],
        ),
      ),
    );
  }
  return rows;
}

async function makeScene(host: Host): Promise<{ attacker: Container; sibling: Container }> {
  const outside = await host.outside();
  await outside.address(server, colluder, '198.51.100.1', '198.51.100.2', '198.51.100.5');
  for (const address of [server, colluder]) await ready(host, [python, '-I', '-S', traffic, 'serve', address], outside);
  await host.spawn([python, answering, outside.v4], { where: outside });
  await host.sh(`printf 'nameserver ${outside.v4}\\n' > /etc/resolv.conf`);
  await until(async () => (await host.exec(['dig', '+time=1', '+tries=1', `@${outside.v4}`, 'x.test'])).code === 0);
  await startAgent(host);
  const policy = { mode: 'allowlist', allow: [server, colluder, '*.example.net:80'] };
  const add = async (own: Record<string, unknown>): Promise<Container> => {
    const container = await host.container();
    const added = await host.addChain(conflistWith(own), { container });
    if (added.error !== undefined) throw new Error(JSON.stringify(added.error));
    return container;
  };
  const attacker = await add({ ...policy, allow: [...policy.allow, '203.0.0.0/16'] });
  const sibling = await add({ ...policy, dns: { maxQueriesPerMinute: 1_000_000 } });
  await until(async () =>
    (await host.run(['nft', 'list', 'set', 'inet', 'drawbridge', 'dnsforce4'])).includes('10.88.0.3'),
  );
  return { attacker, sibling };
}

async function ready(host: Host, command: readonly string[], where: Container): Promise<void> {
  const daemon = await host.spawn(command, { where });
  await until(async () => (await host.run(['cat', daemon.log])).includes('ready'));
}

interface RunningAttack extends AsyncDisposable {
  isRunning(): Promise<boolean>;
}

/** Half a second later the attack is under way. */
async function attackWith(host: Host, where: Container, command: string): Promise<RunningAttack> {
  const loop = `SOURCE=10.88.0.2; while :; do ${command} >/dev/null 2>&1; done`;
  const daemon = await host.spawn(['sh', '-c', loop], { where });
  await new Promise((resolve) => setTimeout(resolve, 500));
  return {
    isRunning: () => daemon.running(),
    [Symbol.asyncDispose]: async () => {
      // Its shell begins no other one while it stands still.
      await host.exec(['kill', '-STOP', String(daemon.pid)]);
      await host.exec(['pkill', '-9', '-P', String(daemon.pid)]);
      await daemon.stop(9);
      await host.exec(['conntrack', '-F']);
    },
  };
}

async function measured(host: Host, where: Container, words: readonly string[]): Promise<number> {
  return Number(await host.run([python, '-I', '-S', traffic, ...words], { where, timeout: 60_000 }));
}
