import { setTimeout } from 'node:timers/promises';
import { CniError } from '../../../cni/errors.ts';
import type { Element } from '../../../nft/element.ts';
import type { Asker } from '../../names/claims.ts';
import { HostState } from '../../host-state.ts';
import type { ListenAddress } from '../listener.ts';
import { NetworkNames } from '../network-names.ts';
import { DnsProxy } from '../proxy.ts';
import type { Notice, Order } from './messages.ts';
import { ReportTeller } from './tell-reports.ts';

/** Milliseconds between looks at which servers the host asks. */
const slowly = 30_000;

/** Milliseconds after the start of this process in which another one may still have its ports. */
const earlier = 2000;

interface WaitingAnswer {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * The process that answers DNS for the agent: listens where it is told to, and has the agent open addresses. It ends
 * with its stdin. Whatever containers send, the agent's own work goes on beside it.
 */
export async function serveDns(): Promise<void> {
  const state = new HostState();
  const names = new NetworkNames(() => state.records);
  const opening = new Map<number, WaitingAnswer>();
  const teller = new ReportTeller((reports, refused) => tell({ notice: 'reports', reports, refused }));
  let last = 0;
  const proxy = new DnsProxy({
    policyOf: (source) => state.policyOf(source),
    neighbours: (source, name) => names.find(source, name),
    open: (elements, asker) => open(elements, asker),
    report: (report) => teller.note(report),
  });
  // Whoever started this process ends it: a signal to both, as a terminal sends it, is the other's to obey.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});
  process.stdout.on('error', () => process.exit(0));
  await state.loadServers([]);
  state.load();
  setInterval(() => void state.loadServers(proxy.addresses), slowly);
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  process.stdin.on('end', end);
  process.stdin.on('error', end);
  readLines((line) => void obey(JSON.parse(line) as Order));
  await ended;

  async function obey(order: Order): Promise<void> {
    switch (order.order) {
      case 'listen':
        return answer(order.id, () => listen(order.at));
      case 'unlisten':
        return answer(order.id, () => proxy.unlisten(order.address));
      case 'follow':
        return answer(order.id, async () => {
          await state.loadServers(proxy.addresses);
          state.load();
        });
      case 'opened': {
        const waiting = opening.get(order.id);
        opening.delete(order.id);
        if (order.failure === undefined) waiting?.resolve();
        else waiting?.reject(new Error(order.failure));
      }
    }
  }

  /** A process that answered for an agent that was killed may be about to end. */
  async function listen(at: ListenAddress): Promise<number> {
    for (;;) {
      try {
        return await proxy.listen(at);
      } catch (error) {
        if (performance.now() > earlier) throw error;
        await setTimeout(50);
      }
    }
  }

  function open(elements: readonly Element[], asker: Asker): Promise<void> {
    last += 1;
    const id = last;
    return new Promise((resolve, reject) => {
      opening.set(id, { resolve, reject });
      tell({ notice: 'open', id, opening: { elements, asker } });
    });
  }
}

function readLines(onLine: (line: string) => void): void {
  let rest = '';
  process.stdin.setEncoding('utf8');
  process.stdin.on('data', (chunk: string) => {
    const lines = `${rest}${chunk}`.split('\n');
    rest = lines.pop() ?? '';
    lines.forEach(onLine);
  });
}

async function answer(id: number, work: () => Promise<number | void>): Promise<void> {
  try {
    const port = await work();
    tell({ notice: 'done', id, ...(port === undefined ? {} : { port }) });
  } catch (error) {
    const { code, details } = error instanceof CniError ? error : { code: 100, details: undefined };
    const message = error instanceof Error ? error.message : String(error);
    tell({ notice: 'failed', id, failure: { code, message, ...(details === undefined ? {} : { details }) } });
  }
}

function tell(notice: Notice): void {
  process.stdout.write(`${JSON.stringify(notice)}\n`);
}
