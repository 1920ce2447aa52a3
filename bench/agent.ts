/**
 * What the agent costs on a full host, and how fast it repairs one: 1,000 containers under 50 policies with 100 names
 * each.
 *
 *   node bench/agent.ts [CONTAINERS POLICIES NAMES]
 *
 * Prints the time until it is ready, until every name is resolved and open, its memory, the processor time of that and
 * of a minute in which nothing happens; then for each kind of loss the time until a container reaches what it may reach
 * again, and whether it reached anything else meanwhile; and how long a change of all policies takes to be in force.
 *
 * IDLE=SECONDS and ROUNDS=NUMBER in the environment change how long it rests (60) and how often each loss comes (5).
 */
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { executable } from '../test/helpers/executable.ts';
import { makeHost } from '../test/helpers/private-host.ts';
import { startAgent, until } from '../test/agent/process/agent.ts';

const [containers = 1000, policies = 50, names = 5000] = process.argv.slice(2).map(Number);
const root = join(import.meta.dirname, '..');
const idle = Number(process.env['IDLE'] ?? 60) * 1000;
const rounds = Number(process.env['ROUNDS'] ?? 5);

await using host = await makeHost();
const outside = await host.outside();
const all = await host.container('all');
await host.sh(`ip link add drawbridge0 up type bridge
  ip addr add 10.88.0.1/16 dev drawbridge0 && ip addr add fd00:88::1/64 dev drawbridge0 nodad`);
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
await outside.address('198.51.0.1', '9.9.9.9');
await host.serve(outside, { port: 443, reply: 'hello' });
await host.sh(`ip -n outside route add 10.88.0.0/16 via ${outside.hostV4}`);

console.log(
  `${containers} containers, ${policies} policies, ${names} names; load ${loadavg()[0]?.toFixed(1)}; ${executable}`,
);
const started = performance.now();
const agent = await startAgent(host, [], {}, 60_000);
const first = await usage();
console.log(`ready after ${seconds(performance.now() - started)}, ${first.text}`);
await until(async () => (await openAddresses()) >= names, 180_000);
const resolved = await usage();
console.log(`every name open after ${seconds(performance.now() - started)}, ${resolved.text}`);
await pause(idle);
const rested = await usage();
console.log(
  `${idle / 1000} s later ${rested.text}: ${((100 * (rested.cpu - resolved.cpu)) / (idle / 1000)).toFixed(1)} % of a processor while nothing happens`,
);

const port = (await host.run(['ip', '-br', 'link', 'show', 'master', 'drawbridge0', 'up'])).split('@', 1)[0] ?? '';
const first4 = '10.88.1.1';
const losses: readonly { readonly what: string; readonly harm: string }[] = [
  { what: 'nft flush ruleset', harm: 'nft flush ruleset' },
  { what: 'one element deleted', harm: `nft delete element inet drawbridge egress4 '{ "drawbridge0" . ${first4} }'` },
  { what: 'a map flushed', harm: 'nft flush map inet drawbridge egress4' },
  {
    what: 'a rule of our chain gone, a foreign one in its place',
    harm: 'nft flush chain inet drawbridge egress_forward; nft add rule inet drawbridge egress_forward drop',
  },
  { what: 'gateway addresses deleted', harm: 'ip address flush dev drawbridge0 scope global' },
  { what: 'a port without its bridge', harm: `ip link set ${port} nomaster` },
  { what: 'the bridge down', harm: 'ip link set drawbridge0 down' },
  { what: 'forwarding off', harm: 'sysctl -qw net.ipv4.ip_forward=0' },
];
console.log(
  'loss                                                   until packets pass again (median, longest)   got out   the agent',
);
for (const { what, harm } of losses) {
  const times: number[] = [];
  let leaks = 0;
  const before = (await agent.log()).length;
  for (let round = 0; round < rounds; round += 1) {
    await until(works, 20_000);
    await pause(3000);
    await host.sh(harm, { timeout: 20_000 });
    const harmed = performance.now();
    await until(async () => {
      if ((await host.fetch(all, '9.9.9.9', 443, { timeout: 50 })) === 'hello') leaks += 1;
      return works();
    }, 30_000);
    times.push(performance.now() - harmed);
  }
  times.sort((one, other) => one - other);
  const repairs = (await agent.log()).slice(before).filter(({ msg }) => msg === 'repaired');
  console.log(
    `${what.padEnd(54)} ${seconds(times[times.length >> 1] ?? 0)}, ${seconds(times.at(-1) ?? 0)}`.padEnd(100) +
      `${leaks}`.padEnd(10) +
      repairs.map(({ resource, ms }) => `${resource} ${ms} ms`).join(', '),
  );
}
const changes: number[] = [];
for (let round = 0; round < rounds; round += 1) {
  for (const [edit, wanted] of [
    [`s/"allow":\\[/"allow":["9.9.9.9:443",/`, 'hello'],
    [`s/"9.9.9.9:443",//`, 'refused'],
  ] as const) {
    await host.sh(`sed -i '${edit}' /etc/drawbridge/policies/*.json`);
    const changed = performance.now();
    await until(async () => (await host.fetch(all, '9.9.9.9', 443, { timeout: 50 })) === wanted, 30_000).catch(
      async () => {
        throw new Error(JSON.stringify((await agent.log()).slice(-5)));
      },
    );
    changes.push(performance.now() - changed);
    await pause(3000);
  }
}
changes.sort((one, other) => one - other);
console.log(
  `the files of all ${policies} policies changed, ${containers} containers: in force after ${seconds(changes[changes.length >> 1] ?? 0)}, ${seconds(changes.at(-1) ?? 0)} (median, longest)`,
);
console.log(`at the end ${(await usage()).text}`);

async function works(): Promise<boolean> {
  return (await host.fetch(all, '198.51.0.1', 443, { timeout: 50 })) === 'hello';
}

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

async function pause(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(2)} s`;
}
