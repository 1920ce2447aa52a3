/**
 * What the agent's DNS proxy adds to a lookup: 200 queries a second, asked of dnsmasq directly and through the agent.
 *
 *   node bench/dns.ts [SECONDS]      each row takes so long; default 30
 *
 * Everything happens in a private host (test/helpers/host.ts). "new names" are forwarded and opened, "cached names" are
 * opened again, "denied names" are answered at once; what is opened waits for nft before it is answered.
 */
import { createSocket } from 'node:dgram';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { queryBytes } from '../test/agent/dns/client.ts';
import { startAgent, until } from '../test/agent/process/agent.ts';
import { makeNamesLab, writeHosts } from '../test/agent/process/names-lab.ts';
import { makeHost, type Place } from '../test/helpers/private-host.ts';

const perSecond = 200;

interface Measured {
  readonly sent: number;
  readonly answered: number;
  /** Milliseconds, in ascending order. */
  readonly times: readonly number[];
}

const [mode = '30', ...rest] = process.argv.slice(2);
if (mode === 'load') await load(rest);
else await compare(Number(mode));

async function compare(seconds: number): Promise<void> {
  await using host = await makeHost();
  const lab = await makeNamesLab(host, { allow: ['*.example.net:443'], dns: { maxQueriesPerMinute: 1_000_000 } });
  const count = perSecond * seconds;
  const name = (index: number): string => `n${index}.example.net`;
  await writeHosts(
    host,
    Array.from({ length: count }, (_, index) => `198.51.${100 + (index >> 8)}.${index & 255} ${name(index)}`),
  );
  const agent = await startAgent(host);
  await lab.add();
  await until(lab.forced);
  const run = async (where: Place, server: string, domain: string, names: number): Promise<Measured> => {
    const node = join(import.meta.dirname, '../node_modules/.bin/node');
    const cmd = [node, import.meta.filename, 'load', server, String(seconds), String(names), domain];
    return JSON.parse(await host.run(cmd, { where, timeout: seconds * 1000 + 20_000 })) as Measured;
  };
  const usage = async (): Promise<{ memory: number; cpu: number }> => {
    const { text } = (await agent.ask<{ text: string }>('metrics')).result;
    const read = (metric: string): number => Number(new RegExp(`^${metric} (\\S+)$`, 'm').exec(text)?.[1] ?? 0);
    return { memory: read('process_resident_memory_bytes') / 1024 / 1024, cpu: read('process_cpu_seconds_total') };
  };
  console.log(
    `${perSecond} queries a second for ${seconds} s; milliseconds until the answer; load before ${loadavg()[0]?.toFixed(1)}`,
  );
  console.log('way                        answered  median    99th   added: median    99th   agent: memory  processor');
  const direct = await run(host, lab.outside.v4, 'example.net', count);
  print('dnsmasq, asked directly', direct);
  for (const [what, domain, names] of [
    ['agent, new names', 'example.net', count],
    ['agent, cached names', 'example.net', 50],
    ['agent, denied names', 'example.com', 50],
  ] as const) {
    const before = await usage();
    const measured = await run(lab.container, '10.88.0.1', domain, names);
    const after = await usage();
    print(
      what,
      measured,
      direct,
      `${after.memory.toFixed(0).padStart(11)} MB ${((100 * (after.cpu - before.cpu)) / (seconds + 2)).toFixed(1).padStart(8)} %`,
    );
  }
}

function print(what: string, measured: Measured, direct?: Measured, more = ''): void {
  const cell = (value: number, width: number): string => value.toFixed(2).padStart(width);
  const added = (share: number): number =>
    direct === undefined ? Number.NaN : at(measured, share) - at(direct, share);
  console.log(
    `${what.padEnd(24)} ${`${measured.answered}/${measured.sent}`.padStart(11)} ${cell(at(measured, 0.5), 7)} ${cell(at(measured, 0.99), 7)}` +
      (direct === undefined ? '' : ` ${cell(added(0.5), 15)} ${cell(added(0.99), 7)} ${more}`),
  );
}

function at({ times }: Measured, share: number): number {
  return times[Math.floor(times.length * share)] ?? Number.NaN;
}

/** Runs in the private host: sends at even intervals, whatever has been answered. */
async function load([server = '', seconds = '1', names = '1', domain = '']: readonly string[]): Promise<void> {
  const socket = createSocket('udp4');
  const sentAt = new Map<number, number>();
  const times: number[] = [];
  socket.on('message', (answer) => {
    const id = answer.readUInt16BE(0);
    const at = sentAt.get(id);
    // A refusal has no records, and is one; anything else without is no answer.
    if (at === undefined || (answer.readUInt16BE(6) === 0 && (answer.readUInt16BE(2) & 0xf) !== 5)) return;
    sentAt.delete(id);
    times.push(performance.now() - at);
  });
  await new Promise<void>((resolve) => socket.connect(53, server, resolve));
  const total = perSecond * Number(seconds);
  const started = performance.now();
  for (let sent = 0; sent < total; sent += 1) {
    const wait = started + (sent * 1000) / perSecond - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    const query = queryBytes(`n${sent % Number(names)}.${domain}`, 'A', 1232);
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
