/**
 * What the agent costs on a full host: 1,000 containers under 50 policies with 100 names each.
 *
 *   node bench/agent.ts [CONTAINERS POLICIES NAMES]
 *
 * Prints the time until it is ready, until every name is resolved and open, its memory, the processor time of that and of a
 * minute in which nothing happens, and how long it takes to write everything anew after "nft flush ruleset".
 */
import { join } from 'node:path';
import { executable } from '../test/helpers/executable.ts';
import { makeHost } from '../test/helpers/private-host.ts';
import { startAgent, until } from '../test/agent/process/agent.ts';

const [containers = 1000, policies = 50, names = 5000] = process.argv.slice(2).map(Number);
const root = join(import.meta.dirname, '..');
const idle = Number(process.env['IDLE'] ?? 60) * 1000;

await using host = await makeHost();
const outside = await host.outside();
await host.container('all');
await host.sh('ip link add drawbridge0 up type bridge && ip addr add 10.88.0.1/16 dev drawbridge0');
const hosts = Array.from(
  { length: names },
  (_, index) => `198.51.${Math.floor(index / 250)}.${1 + (index % 250)} n${index}.example.org\n`,
);
await host.run(['/bin/sh', '-c', `cat > /run/hosts && printf 'nameserver ${outside.v4}\\n' > /etc/resolv.conf`], {
  input: hosts.join(''),
});
const dns = [
  '--keep-in-foreground',
  '--no-resolv',
  '--no-hosts',
  '--addn-hosts=/run/hosts',
  '--local=/#/',
  '--local-ttl=300',
  '--user=root',
  '--pid-file=',
  '--conf-file=/dev/null',
  '--dns-forward-max=1000',
];
await host.spawn(['dnsmasq', ...dns], { where: outside });
await host.run(
  [
    join(root, 'node_modules/.bin/node'),
    join(import.meta.dirname, 'agent-records.ts'),
    String(containers),
    String(policies),
    String(names),
  ],
  { timeout: 120_000 },
);

console.log(`${containers} containers, ${policies} policies, ${names} names; ${executable}`);
const started = performance.now();
const agent = await startAgent(host, [], {}, 60_000);
const first = await usage();
console.log(`ready after ${seconds(performance.now() - started)}, ${first.text}`);
await until(async () => (await openAddresses()) >= names, 180_000);
const resolved = await usage();
console.log(`every name open after ${seconds(performance.now() - started)}, ${resolved.text}`);
await new Promise((resolve) => setTimeout(resolve, idle));
const rested = await usage();
console.log(
  `a minute later ${rested.text}: ${((100 * (rested.cpu - resolved.cpu)) / (idle / 1000)).toFixed(1)} % of a processor while nothing happens`,
);
for (let round = 0; round < 3; round += 1) {
  const before = (await agent.log()).length;
  const flushed = performance.now();
  await host.run(['nft', 'flush', 'ruleset'], { timeout: 20_000 });
  await until(
    async () => (await host.exec(['nft', 'list', 'chain', 'inet', 'drawbridge', 'egress_out'])).code === 0,
    20_000,
  );
  const took = performance.now() - flushed;
  await new Promise((resolve) => setTimeout(resolve, 5000));
  const repairs = (await agent.log()).slice(before).filter(({ msg }) => msg === 'repaired');
  console.log(
    `rules back ${seconds(took)} after "nft flush ruleset"; the agent: ${repairs.map(({ concern, ms }) => `${concern} ${ms} ms`).join(', ')}`,
  );
}
console.log(`at the end ${(await usage()).text}`);

async function openAddresses(): Promise<number> {
  return (await agent.ask<{ openAddresses: number }>('status')).result.openAddresses;
}

async function usage(): Promise<{ cpu: number; text: string }> {
  const { text } = (await agent.ask<{ text: string }>('metrics')).result;
  const read = (name: string): number => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? 0);
  const cpu = read('process_cpu_seconds_total');
  return {
    cpu,
    text: `${(read('process_resident_memory_bytes') / 1024 / 1024).toFixed(0)} MB, ${cpu.toFixed(1)} s of processor`,
  };
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(2)} s`;
}
