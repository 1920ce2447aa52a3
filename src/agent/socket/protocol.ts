/**
 * The agent's socket, /run/drawbridge/agent.sock, mode 0600: JSON texts, one a line, each way.
 *
 *   > {"id": 1, "method": "status"}
 *   < {"id": 1, "result": {"protocol": 1, …}}
 *   > {"id": 2, "method": "refresh", "params": {"force": true}}
 *   < {"id": 2, "error": {"code": 100, "message": "Cannot …", "details": "…"}}
 *
 * "id" is given back as it came and may be left out. Requests of one connection are answered in their order. What a
 * reader does not know in an answer it has to pass over; "protocol" counts changes that break that.
 *
 *   status                     what the agent does and what is wrong; see AgentStatus
 *   names                      every name, its open addresses and the seconds that they have left
 *   seen                       [{"address", "name"}, …]: names that containers were told addresses of, also under audit
 *   refused                    [{"source", "name", "types", "why", "count", "firstAt", "lastAt"}, …]: names that DNS
 *   refused
 *   bounds                     [{"source", "bound", "packets", "ago"}, …]: bounds of names that containers met in the
 *   last
 *                              hour, with the queries or addresses that were over, and seconds
 *   pod {"key"}                answers when the policies of a pod of a cluster are in force; {"problem"} when they
 *   cannot be
 *   attached                   takes in what was attached; answers when DNS of it is
 *   refresh {"force": true}    reads the policies again and asks for all names now; answers when that is done
 *   grant {"grants": [[KEY, [Grant, …]], …]}
 *                              what attachments are granted from now on, in place of what they were granted before;
 *                              answers {"problems"} when that is in force
 *   repair                     looks at everything now; answers when that is done
 *   metrics                    {"contentType", "text"} as Prometheus reads it
 *   flows                      writes down what was recorded so far, for a reader of /var/lib/drawbridge/flows;
 *                              {"lost": {"share": 12}}: decisions that are in no record
 *   quotas                     reads now what containers used of their quotas, and begins anew what is due
 *   account                    has the kernel count the bytes of connections for the next half minute
 *   follow                     {} and then, until the connection is closed, a line for each record of a flow, and again
 *                              when its count has grown: {"id": …, "event": FlowRecord}; also {"id": …} now and then,
 *                              to find out who has gone
 *   page {"listen": {"host", "port"}, "mayWrite": false}
 *                              serves the page until the connection is closed: {} and then {"event": {"address"}}
 */
import { once } from 'node:events';
import type { Server, Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { CniError } from '../../cni/errors.ts';

/** Answers one method; with an iterable, until the reader goes. What it throws becomes the error. */
export type Method = (params: Readonly<Record<string, unknown>>) => unknown;

/** Bytes; requests are short. */
const longestLine = 64 * 1024;

/** Those that come beyond are closed at once. */
const mostConnections = 512;

/** Milliseconds after which a connection is closed on which nothing was said. */
const longestSilence = 300_000;

/** Milliseconds in which a reader has to take what was answered. */
const patience = 30_000;

/** Serves the protocol on a listening socket. */
export function serveProtocol(server: Server, methods: Readonly<Record<string, Method>>): { close(): Promise<void> } {
  const open = new Set<Socket>();
  server.maxConnections = mostConnections;
  server.on('connection', (socket) => {
    open.add(socket);
    socket.on('error', () => {});
    socket.setTimeout(longestSilence, () => socket.destroy());
    socket.on('close', () => open.delete(socket));
    // It went away in the middle of something.
    void serveConnection(socket, methods).catch(() => socket.destroy());
  });
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}

/**
 * Reads no further while a request is answered or an answer is not taken: so nobody can pile up work or answers here.
 */
async function serveConnection(socket: Socket, methods: Readonly<Record<string, Method>>): Promise<void> {
  let rest = '';
  socket.setEncoding('utf8');
  // What was answered last is still on its way when there is nothing more to read.
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    const lines = `${rest}${String(chunk)}`.split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > longestLine) return void socket.destroy();
    for (const line of lines.filter((text) => text.trim() !== '')) {
      const { id, answered, events } = await answer(line, methods);
      await send(socket, answered);
      if (events !== undefined) return stream(socket, id, events);
      // The agent has others to serve, and this one may have gone.
      await setImmediate();
      if (socket.destroyed) return;
    }
  }
  socket.end();
}

async function send(socket: Socket, value: object): Promise<void> {
  if (socket.write(`${JSON.stringify(value)}\n`)) return;
  await once(socket, 'drain', { signal: AbortSignal.timeout(patience) });
}

/** Milliseconds between lines that say nothing: writing is how one learns that a reader has gone. */
const heartbeat = 15_000;

/** Tells events for as long as somebody reads them. One who does not take them in time is let go. */
async function stream(socket: Socket, id: unknown, events: AsyncIterableIterator<unknown>): Promise<void> {
  socket.setTimeout(0);
  const timer = setInterval(() => void socket.write(`${JSON.stringify({ id })}\n`), heartbeat);
  const leave = (): void => void events.return?.();
  socket.once('close', leave);
  try {
    for await (const event of events) {
      await send(socket, { id, event });
      if (socket.destroyed) return;
    }
    socket.end();
  } finally {
    clearInterval(timer);
    leave();
  }
}

interface MethodAnswer {
  readonly id: unknown;
  readonly answered: object;
  /** What is told after that. */
  readonly events?: AsyncIterableIterator<unknown>;
}

async function answer(line: string, methods: Readonly<Record<string, Method>>): Promise<MethodAnswer> {
  let id: unknown = null;
  try {
    const request = JSON.parse(line) as { id?: unknown; method?: unknown; params?: unknown } | null;
    id = request?.id ?? null;
    const name = typeof request?.method === 'string' ? request.method : '';
    const method = Object.hasOwn(methods, name) ? methods[name] : undefined;
    if (method === undefined)
      throw new RangeError(`There is no method ${JSON.stringify(name)}: there are ${Object.keys(methods).join(', ')}`);
    const params = typeof request?.params === 'object' && request.params !== null ? request.params : {};
    const result = (await method(params as Record<string, unknown>)) ?? {};
    return isIterator(result) ? { id, answered: { id, result: {} }, events: result } : { id, answered: { id, result } };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const told = error instanceof CniError ? { code: error.code, message, details: error.details ?? '' } : { message };
    return { id, answered: { id, error: told } };
  }
}

function isIterator(value: unknown): value is AsyncIterableIterator<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}
