/**
 * Rows about connections whose first bytes are read ("verifyNames"), beside those of a sibling whose policy lists the
 * same server by its address, on one host in the same rounds; and beside a proxy that reads the same name and carries
 * every byte, on the same work.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../test/agent/process/agent.ts';
import { makeSites } from '../test/agent/first-bytes/sites.ts';
import { conflistWith } from '../test/agent/process/network.ts';
import { unpack } from '../test/firewall/packages.ts';
import { makeHost, type Container, type Host } from '../test/helpers/private-host.ts';
import { compare, type Row } from './row.ts';
import { median, quantile } from './statistics.ts';

export const firstBytesRows = ['names-throughput', 'names-requests', 'names-first', 'names-proxy'];

const server = '198.51.100.1';
const gateway = '10.88.0.1';
const name = 'good.example.org';
const width = 4;
const python = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3';
const program = join(import.meta.dirname, 'first-bytes.py');

/** One way to the server: who takes it, where to, and which process beside both ends works for it. */
interface Way {
  readonly from: Container;
  readonly to: string;
  readonly middle?: string;
}

interface Rounds {
  /** Megabits per second, and milliseconds of processor time of the process between the ends for a gigabit. */
  readonly rate: number[];
  readonly middle: number[];
  /** The same of client, server and the process between. */
  readonly all: number[];
  readonly requests: number[];
  /** Milliseconds until the first byte: median, and 99th of a hundred. */
  readonly first: number[];
  readonly slow: number[];
}

export async function measureFirstBytes(rounds: number, seconds: number): Promise<Row[]> {
  await using host = await makeHost();
  const checking = { mode: 'allowlist', allow: [`${name}:80`, `${name}:4443`], verifyNames: true };
  const { container, outside } = await makeSites(host, { policy: checking });
  const daemon = await host.spawn([python, '-I', program, 'serve', server, name, '0', '1'], { where: outside });
  await until(async () => (await host.run(['cat', daemon.log])).includes('ready'));
  const listed = { mode: 'allowlist', allow: [server], hostPorts: ['4443/tcp'] };
  const lacking = await startProxy(host);
  const checked: Way = { from: container, to: server, middle: 'read-first-bytes' };
  const open: Way = { from: await sibling(host, listed), to: server };
  const proxied: Way = { ...open, to: gateway, middle: 'nginx: worker' };
  const ways = [checked, open, ...(lacking === undefined ? [proxied] : [])];
  const found = new Map(ways.map((way) => [way, none()]));
  for (let round = -1; round < rounds; round++)
    for (const [place] of ways.entries()) {
      const way = ways[(round + 1 + place) % ways.length] ?? checked;
      // The first round warms both: the reader has just been started.
      await measure(host, way, round < 0 ? none() : (found.get(way) ?? none()), { seconds, isProxy: way === proxied });
    }
  return rowsOf(found.get(checked) ?? none(), found.get(open) ?? none(), found.get(proxied) ?? lacking ?? '');
}

function none(): Rounds {
  return { rate: [], middle: [], all: [], requests: [], first: [], slow: [] };
}

async function measure(
  host: Host,
  way: Way,
  found: Rounds,
  { seconds, isProxy }: { seconds: number; isProxy: boolean },
): Promise<void> {
  const before = await processorTimes(host, way);
  const [rate = 0, own = 0] = numbers(await client(host, way, 'take', seconds));
  const after = await processorTimes(host, way);
  const gigabits = (rate * seconds) / 1000;
  found.rate.push(rate);
  found.middle.push(Math.max(after.middle - before.middle, tick) / gigabits);
  found.all.push((own + after.middle - before.middle + after.server - before.server) / gigabits);
  if (isProxy) return;
  found.requests.push(...numbers(await client(host, way, 'request', seconds)).slice(0, 1));
  const times = numbers(await client(host, way, 'first', seconds)).map((one) => one / 1000);
  found.first.push(median(times));
  found.slow.push(quantile(times, 0.99));
}

function rowsOf(checked: Rounds, open: Rounds, proxied: Rounds | string): Row[] {
  const peer = 'itself, by an address of the policy';
  const more = (one: readonly number[], other: readonly number[]): string => (median(one) - median(other)).toFixed(2);
  const note = `${checked.rate.length} rounds`;
  return [
    compare(
      {
        id: 'names-throughput',
        what: 'TCP throughput, name checked',
        peer,
        unit: 'Mbit/s',
        toReach: 0.99,
        better: 'more',
        note,
      },
      checked.rate,
      open.rate,
    ),
    compare(
      {
        id: 'names-requests',
        what: `HTTP requests on a new connection each, ${width} clients, name checked`,
        peer,
        unit: '/s',
        toReach: 0.7,
        better: 'more',
        note,
      },
      checked.requests,
      open.requests,
    ),
    compare(
      {
        id: 'names-first',
        what: 'from connect() to the first byte, name checked',
        peer,
        note: `${note}; adds ${more(checked.first, open.first)} ms, ${more(checked.slow, open.slow)} ms at the 99th of a hundred`,
      },
      checked.first,
      open.first,
    ),
    ...(typeof proxied === 'string'
      ? [skippedProxy(checked, proxied)]
      : [
          compare(
            {
              id: 'names-proxy',
              what: 'processor time of what is between both ends, for a gigabit',
              peer: 'nginx, stream with ssl_preread',
              toReach: 0.2,
              note: `${note}; with both ends ${(median(checked.all) / median(proxied.all)).toFixed(2)}x; throughput ${(median(checked.rate) / median(proxied.rate)).toFixed(2)}x`,
            },
            checked.middle,
            proxied.middle,
          ),
        ]),
  ];
}

function skippedProxy({ middle }: Rounds, why: string): Row {
  return {
    id: 'names-proxy',
    what: 'processor time of what is between both ends, for a gigabit',
    peer: 'nginx, stream with ssl_preread',
    unit: 'ms',
    ours: median(middle),
    note: `not compared: ${why}`,
  };
}

async function sibling(host: Host, policy: Record<string, unknown>): Promise<Container> {
  const container = await host.container('sibling');
  const { error } = await host.addChain(conflistWith(policy), { container });
  if (error !== undefined) throw new Error(JSON.stringify(error));
  return container;
}

/** A proxy on the host that reads the name and carries the bytes; why there is none, where that is so. */
async function startProxy(host: Host): Promise<string | undefined> {
  const root = unpack('libnginx-mod-stream');
  const module = `${root}/usr/lib/nginx/modules/ngx_stream_module.so`;
  if (root === undefined || !existsSync(module)) return "Debian's libnginx-mod-stream cannot be had";
  const conf = `load_module ${module}; worker_processes 1; daemon off; pid /run/nginx/proxy-pid; user root;
    error_log /run/nginx/proxy-errors; events { worker_connections 4096; }
    stream {
      map $ssl_preread_server_name $behind { ${name} ${server}:4443; }
      server { listen ${gateway}:4443; ssl_preread on; proxy_pass $behind; }
    }`;
  await host.run(['/bin/sh', '-c', 'cat > /run/nginx/splice'], { input: conf });
  const { log } = await host.spawn(['nginx', '-e', '/run/nginx/proxy-errors', '-c', '/run/nginx/splice']);
  try {
    await until(async () => (await host.exec(['nc', '-z', gateway, '4443'])).code === 0);
    return undefined;
  } catch {
    return `nginx does not start with it: ${(await host.run(['cat', log])).trim().split('\n').at(-1)}`;
  }
}

/** Times of processes are told in steps of so many milliseconds. */
const tick = 10;

/** Milliseconds of processor time that the process between the ends and the server have had. */
async function processorTimes(host: Host, { middle }: Way): Promise<{ middle: number; server: number }> {
  const text = await host.sh(`
    sum() { for one in $(pgrep -f "$1"); do cat /proc/$one/stat 2>/dev/null; done |
      sed 's/.*) //' | awk '{ ticks += $12 + $13 } END { print ticks + 0 }'; }
    ${middle === undefined ? 'echo 0' : `sum '${patternOf(middle)}'`}; sum '[f]irst-bytes.py serve'`);
  const [own = 0, server = 0] = numbers(text).map((ticks) => ticks * tick);
  return { middle: own, server };
}

/** Not the shell that looks for it. */
function patternOf(words: string): string {
  return words.replace(/^(.)/, '[$1]');
}

async function client(host: Host, { from, to }: Way, mode: string, seconds: number): Promise<string> {
  return host.run([python, '-I', program, mode, to, name, String(seconds), String(width)], {
    where: from,
    timeout: 60_000,
  });
}

function numbers(text: string): number[] {
  return text.trim().split(/\s+/).map(Number);
}
