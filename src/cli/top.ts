import { setTimeout as sleep } from 'node:timers/promises';
import { CniError, codes } from '../cni/errors.ts';
import { beginAccounting, endAccounting, isAccounting } from '../host/accounting.ts';
import { listCountedFlows } from '../host/conntrack.ts';
import { hostText } from '../ip/host-text.ts';
import { addressesOf } from '../records/sections.ts';
import { listRecords } from '../records/store.ts';
import { askAgent } from '../host/agent-socket.ts';
import { shownName } from '../repair/survey/container-names.ts';
import { readDenials } from '../repair/survey/denials.ts';
import { readKnownNames } from '../repair/survey/known-names.ts';
import { count } from '../repair/survey/words.ts';
import { UsageError, valueOf, type Invocation } from './command.ts';
import { byteWords } from './flows/line.ts';
import { patternOf } from './list/select.ts';
import { printTable } from './table.ts';
import { printJson, type Terminal } from './terminal.ts';
import { openScreen } from './top/screen.ts';
import { sorted, usageBetween, type ContainerUsage, type Owner, type Sample, type SortKey } from './top/usage.ts';

interface Look {
  readonly pattern: RegExp | undefined;
  readonly destinations: number;
  readonly interval: number;
  readonly isOnce: boolean;
  readonly isJson: boolean;
  sort: SortKey;
}

const keys: Readonly<Record<string, SortKey>> = { b: 'bytes', c: 'connections', d: 'denied', n: 'name' };

/** Shows what containers do, again and again, until it is ended. */
export async function run(invocation: Invocation, terminal: Terminal): Promise<number> {
  const look = lookOf(invocation);
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => stop.abort());
  const isLive = !look.isOnce && !look.isJson && process.stdin.isTTY && process.stdout.isTTY;
  let usages: readonly ContainerUsage[] | undefined;
  const draw = (): void => {
    if (usages !== undefined) screen?.draw((to) => linesOf(sorted(usages ?? [], look.sort), look, to));
  };
  const onKey = (key: string): void => {
    // Ctrl-C is a character in this mode.
    if (key === 'q' || key === '\u0003') stop.abort();
    look.sort = keys[key] ?? look.sort;
    draw();
  };
  const screen = isLive ? openScreen(terminal, { onKey, onResize: draw }) : undefined;
  const wasAccounting = isAccounting() !== false;
  try {
    screen?.draw(() => ['Waiting for the first two samples; q ends']);
    await account();
    let before = await sample();
    while (!stop.signal.aborted) {
      await sleep(look.interval, undefined, { signal: stop.signal }).catch(() => {});
      if (stop.signal.aborted) break;
      await account();
      const after = await sample();
      usages = await usagesOf(before, after, look);
      if (look.isJson) printJson(terminal, usages);
      else if (screen === undefined) printUsages(usages, look, terminal);
      else draw();
      if (look.isOnce) break;
      before = after;
    }
  } finally {
    screen?.close();
    // The agent puts it back by itself.
    if (!wasAccounting && (await askAgent('status')) === undefined) endAccounting();
  }
  return 0;
}

function lookOf(invocation: Invocation): Look {
  const number = (name: string, usual: number): number => {
    const text = valueOf(invocation, name) ?? String(usual);
    const value = Number(text);
    if (!/^\d+(?:\.\d+)?$/.test(text) || (name === 'interval' && value < 0.1))
      throw new UsageError(`Cannot use "--${name} ${text}": a number is expected`);
    return value;
  };
  const [pattern] = invocation.operands;
  return {
    pattern: pattern === undefined ? undefined : patternOf(pattern),
    destinations: number('destinations', 3),
    interval: number('interval', 2) * 1000,
    isOnce: invocation.options['once'] === true,
    isJson: invocation.options['json'] === true,
    sort: (valueOf(invocation, 'sort') ?? 'bytes') as SortKey,
  };
}

/** Has the kernel count: the agent, which puts it back when nobody asks any more, or this process. */
async function account(): Promise<void> {
  if ((await askAgent('account')) === undefined) beginAccounting();
}

async function sample(): Promise<Sample> {
  const flows = listCountedFlows();
  if (flows === undefined)
    throw new CniError(
      codes.commandFailed,
      'Cannot list the connections of this host: the kernel does not tell them to this process',
      'Load the kernel module "nf_conntrack_netlink"',
    );
  return { at: performance.now(), flows, denied: await readDenials(listRecords().records) };
}

async function usagesOf(before: Sample, after: Sample, { pattern, sort }: Look): Promise<ContainerUsage[]> {
  const { records } = listRecords();
  const names = await readKnownNames();
  const owners = [...Map.groupBy(records, ({ containerId }) => containerId)].map(([containerId, own]): Owner => ({
    containerId,
    name: shownName(containerId),
    keys: own.map(({ key }) => key),
  }));
  const byId = new Map(owners.map((owner) => [owner.containerId, owner]));
  const byAddress = new Map(
    records.flatMap((record) => addressesOf(record).map((address) => [address, byId.get(record.containerId)] as const)),
  );
  const wanted = owners.filter(
    ({ containerId, name }) => pattern === undefined || pattern.test(name) || pattern.test(containerId),
  );
  const usages = usageBetween(before, after, wanted, {
    ownerOf: (address) => byAddress.get(address),
    nameOf: (address) => byAddress.get(address)?.name ?? names.get(address)?.[0] ?? hostText(address),
  });
  return sorted(usages, sort);
}

/** What a live screen shows: totals and keys, and the table. */
function linesOf(usages: readonly ContainerUsage[], look: Look, terminal: Terminal): string[] {
  const lines = [terminal.paint.faint(headOf(usages, look))];
  printUsages(usages, look, { ...terminal, out: (text) => void lines.push(text) });
  return lines;
}

function printUsages(usages: readonly ContainerUsage[], look: Look, terminal: Terminal): void {
  const { paint } = terminal;
  const rate = (bytes: number): string => (bytes < 0.5 ? '-' : `${byteWords(Math.round(bytes))}/s`);
  const rows = usages.flatMap(({ name, sent, received, connections, denied, destinations }) => [
    [
      paint.strong(name),
      rate(sent),
      rate(received),
      String(connections),
      denied === 0 ? '0' : paint.bad(String(denied)),
    ],
    ...destinations
      .slice(0, look.destinations)
      .map((one) => [`  ${one.destination}`, rate(one.sent), rate(one.received), String(one.connections), '']),
  ]);
  const right = 'right' as const;
  printTable(
    terminal,
    [
      { title: 'CONTAINER', narrowest: 20 },
      { title: 'SENT', align: right },
      { title: 'RECEIVED', align: right },
      { title: 'CONNECTIONS', align: right },
      { title: 'DENIED', align: right },
    ],
    rows,
  );
}

function headOf(usages: readonly ContainerUsage[], { sort }: Look): string {
  const total = (value: (usage: ContainerUsage) => number): number =>
    usages.reduce((sum, usage) => sum + value(usage), 0);
  const bytes = byteWords(Math.round(total(({ sent, received }) => sent + received)));
  return `${count(usages.length, 'container')}, ${bytes}/s, ${count(
    total(({ connections }) => connections),
    'connection',
  )}; by ${sort}: b c d n sort, q ends`;
}
