/**
 * What the DNS proxy adds to a lookup: 200 queries a second, asked of dnsmasq directly and through the proxy.
 *
 *   node bench/dns.ts [SECONDS]      each row takes so long; default 5
 *
 * Everything happens in a private host (test/helpers/host.ts). "new names" are forwarded and opened, "cached names" are
 * opened again; all wait for nft before they are answered.
 */
import { createSocket } from 'node:dgram';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { queryBytes } from '../test/agent/client.ts';
import { compileDriver, makeDnsLab, type RuntimeName } from '../test/agent/lab.ts';

const perSecond = 200;

interface Measured {
  readonly sent: number;
  readonly answered: number;
  /** Milliseconds, in ascending order. */
  readonly times: readonly number[];
}

const [mode = '5', ...rest] = process.argv.slice(2);
if (mode === 'load') await load(rest);
else await compare(Number(mode));

async function compare(seconds: number): Promise<void> {
  await compileDriver();
  console.log(
    `${perSecond} queries a second for ${seconds} s; milliseconds until the answer; load before ${loadavg()[0]?.toFixed(1)}`,
  );
  console.log(
    'way                                              answered  median     99th   added: median   99th   memory',
  );
  for (const runtime of ['bun', 'node'] as const) await compareRuntime(runtime, seconds);
}

async function compareRuntime(runtime: RuntimeName, seconds: number): Promise<void> {
  await using lab = await makeDnsLab(runtime);
  const count = perSecond * seconds;
  const name = (index: number): string => `n${index}.example.net`;
  await lab.hosts(
    Array.from({ length: count }, (_, index) => `198.51.${100 + (index >> 8)}.${index & 255} ${name(index)}`),
  );
  const run = async (where: 'host' | 'c1', server: string, names: number): Promise<Measured> => {
    const cmd = [
      join(import.meta.dirname, '../node_modules/.bin/node'),
      import.meta.filename,
      'load',
      server,
      String(seconds),
      String(names),
    ];
    return JSON.parse(
      await lab.host.run(cmd, { ...(where === 'c1' ? { where: lab.c1 } : {}), timeout: seconds * 1000 + 20_000 }),
    ) as Measured;
  };
  await run('host', lab.outside.v4, 10);
  const direct = await run('host', lab.outside.v4, count);
  const print = async (what: string, measured: Measured, pid?: number): Promise<void> => {
    const memory =
      pid === undefined
        ? ''
        : `${Math.round(Number(/VmRSS:\s+(\d+)/.exec(await lab.host.run(['cat', `/proc/${pid}/status`]))?.[1]) / 1024)} MB`;
    const added = (share: number): string =>
      pid === undefined ? '' : (at(measured, share) - at(direct, share)).toFixed(2);
    console.log(
      `${what.padEnd(48)} ${`${measured.answered}/${measured.sent}`.padStart(8)} ${at(measured, 0.5).toFixed(2).padStart(7)} ${at(measured, 0.99).toFixed(2).padStart(8)} ${added(0.5).padStart(15)} ${added(0.99).padStart(6)} ${memory.padStart(8)}`,
    );
  };
  if (runtime === 'bun') await print('dnsmasq, asked directly', direct);
  for (const spawn of [false, true]) {
    const how = `${runtime === 'bun' ? 'executable' : 'node'}, ${spawn ? 'an nft for each transaction' : 'one nft that stays'}`;
    const proxy = await lab.startProxy({ spawn, quiet: true });
    await print(`${how}, new names`, await run('c1', '10.88.0.1', count), proxy.pid);
    await print(`${how}, cached names`, await run('c1', '10.88.0.1', 50), proxy.pid);
    await proxy.stop(9);
  }
}

function at({ times }: Measured, share: number): number {
  return times[Math.floor(times.length * share)] ?? Number.NaN;
}

/** Runs in the private host: sends at even intervals, whatever has been answered. */
async function load([server = '', seconds = '1', names = '1']: readonly string[]): Promise<void> {
  const socket = createSocket('udp4');
  const sentAt = new Map<number, number>();
  const times: number[] = [];
  socket.on('message', (answer) => {
    const id = answer.readUInt16BE(0);
    const at = sentAt.get(id);
    if (at === undefined || answer.readUInt16BE(6) === 0) return;
    sentAt.delete(id);
    times.push(performance.now() - at);
  });
  await new Promise<void>((resolve) => socket.connect(53, server, resolve));
  const total = perSecond * Number(seconds);
  const started = performance.now();
  for (let sent = 0; sent < total; sent += 1) {
    const wait = started + (sent * 1000) / perSecond - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    const query = queryBytes(`n${sent % Number(names)}.example.net`, 'A', 1232);
    query.writeUInt16BE(sent & 0xffff, 0);
    sentAt.set(sent & 0xffff, performance.now());
    socket.send(query);
  }
  await new Promise((resolve) => setTimeout(resolve, 2000));
  socket.close();
  const measured: Measured = {
    sent: total,
    answered: times.length,
    times: times.toSorted((one, other) => one - other),
  };
  console.log(JSON.stringify(measured));
}
