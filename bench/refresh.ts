/**
 * The row about resolving again what policies name, on a host that is full: what it costs, and how long others wait for
 * it.
 */
import { join } from 'node:path';
import { executable } from '../test/helpers/executable.ts';
import { makeHost, type Host } from '../test/helpers/private-host.ts';
import { startDriver } from './driver.ts';
import type { Row } from './row.ts';
import { median } from './statistics.ts';

export const refreshRows = ['refresh'];

const node = join(import.meta.dirname, '../node_modules/.bin/node');

/** `drawbridge refresh` for so many names of 50 policies, on a host with so many containers. */
export async function measureRefresh(containers: number, names: number, rounds: number): Promise<Row[]> {
  await using host = await makeHost();
  await nameServer(host, names);
  await host.container('all');
  await host.sh('ip link add drawbridge0 up type bridge && ip addr add 10.88.0.1/16 dev drawbridge0');
  await host.run([node, join(import.meta.dirname, 'agent-records.ts'), String(containers), '50', String(names)], {
    timeout: 300_000,
  });
  const driver = startDriver(host);
  const times: { ms: number; cpu: number; held: number; nft: number }[] = [];
  try {
    for (let round = -1; round < rounds; round += 1) {
      const trace = `/run/refresh-${round}.json`;
      const { ms, cpu } = await driver.run({
        op: 'exec',
        cmd: [executable, 'refresh', '--force'],
        env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', DRAWBRIDGE_TRACE: trace },
      });
      const holds = await timesOf(host, trace, 'hold lock tables');
      // The first one opens the names; what follows is what the agent does every half hour.
      if (round >= 0) times.push({ ms, cpu, held: sum(holds), nft: sum(await timesOf(host, trace, 'nft')) });
    }
  } finally {
    await driver.stop();
  }
  const middle = (pick: (time: (typeof times)[number]) => number): string => median(times.map(pick)).toFixed(0);
  return [
    {
      id: 'refresh',
      what: `refresh of ${names} names, ${containers} containers`,
      peer: 'nobody has it',
      unit: 'ms',
      ours: median(times.map(({ ms }) => ms)),
      note: `CPU ${middle(({ cpu }) => cpu)} ms; nft ${middle(({ nft }) => nft)} ms; lock of the tables held ${middle(({ held }) => held)} ms`,
    },
  ];
}

async function nameServer(host: Host, names: number): Promise<void> {
  const outside = await host.outside();
  const hosts = Array.from(
    { length: names },
    (_, index) => `198.51.${Math.floor(index / 250)}.${1 + (index % 250)} n${index}.example.org\n`,
  );
  await host.run(['/bin/sh', '-c', `cat > /run/hosts && printf 'nameserver ${outside.v4}\\n' > /etc/resolv.conf`], {
    input: hosts.join(''),
  });
  const options = ['--keep-in-foreground', '--no-resolv', '--no-hosts', '--addn-hosts=/run/hosts', '--local=/#/'];
  const more = ['--local-ttl=300', '--user=root', '--pid-file=', '--conf-file=/dev/null', '--dns-forward-max=1000'];
  await host.spawn(['dnsmasq', ...options, ...more], { where: outside });
}

/** Durations of the events of a name, in milliseconds. */
async function timesOf(host: Host, file: string, name: string): Promise<number[]> {
  const text = await host.run(['cat', file]);
  const events = JSON.parse(`${text.trimEnd().replace(/,$/, '')}]`) as { name: string; dur: number }[];
  return events.filter((event) => event.name === name).map(({ dur }) => dur / 1000);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
