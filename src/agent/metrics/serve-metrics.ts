import { createServer, isIP, type Socket } from 'node:net';
import { hostname } from 'node:os';
import { CniError, codes } from '../../cni/errors.ts';
import { parseServerAddress } from '../dns/exchange.ts';

/** What one answer says. */
interface MetricsText {
  readonly contentType: string;
  readonly text: string;
}

/** Connections at a time: a Prometheus has one. What the agent has to repair needs descriptors as well. */
const mostConnections = 16;
const mostOfOneSource = 4;
/** Milliseconds in which a request has to be there, and the answer taken. */
const deadline = 5000;
/** Bytes of a request's head. */
const longestHead = 8192;

/**
 * Serves metrics at "address:port" by HTTP, at /metrics: one answer for each connection, and never more connections
 * than are bounded here, however slowly somebody asks. Throws code 7 for another text, and 100 when the address cannot
 * be had.
 */
export async function serveMetrics(at: string, read: () => Promise<MetricsText>): Promise<{ close(): Promise<void> }> {
  if (!/^(?:\[[0-9a-fA-F:]+\]|[0-9.]+):\d{1,5}$/.test(at))
    throw new CniError(
      codes.invalidConfig,
      `Cannot serve metrics at "${at}": an address with a port is expected`,
      'For instance "127.0.0.1:9440" or "[::1]:9440"',
    );
  const { address, port } = parseServerAddress(at);
  const sources = new Map<Socket, string>();
  const shared = shareRuns(read);
  const server = createServer((socket) => {
    const source = socket.remoteAddress ?? '';
    const own = [...sources.values()].filter((one) => one === source).length;
    if (sources.size >= mostConnections || own >= mostOfOneSource) return void socket.destroy();
    sources.set(socket, source);
    socket.on('close', () => sources.delete(socket));
    answer(socket, shared);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(new CniError(codes.commandFailed, `Cannot serve metrics at "${at}": ${error.message}`)),
    );
    server.listen({ host: address, port, exclusive: true }, resolve);
  });
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sources.keys()) socket.destroy();
      }),
  };
}

/**
 * Reads the head of one request and answers it. The time is that of the whole, so that a byte now and then wins
 * nothing.
 */
function answer(socket: Socket, read: () => Promise<MetricsText>): void {
  const timer = setTimeout(() => socket.destroy(), deadline);
  let head = '';
  socket.setEncoding('latin1');
  socket.on('close', () => clearTimeout(timer));
  socket.on('error', () => socket.destroy());
  socket.on('data', (part: string) => {
    if (head.includes('\r\n\r\n')) return;
    head += part;
    if (head.length > longestHead) return end(socket, '431 Request Header Fields Too Large');
    if (!head.includes('\r\n\r\n')) return;
    const refusal = refusalOf(head);
    if (refusal !== undefined) return end(socket, refusal);
    read().then(
      (value) => end(socket, '200 OK', value),
      () => end(socket, '500 Internal Server Error'),
    );
  });
}

/** Status of a request that gets no metrics (RFC 9110, section 15). */
function refusalOf(head: string): string | undefined {
  const [, method, target = ''] = /^(\S+) (\S+) HTTP\/1\.[01]\r\n/.exec(head) ?? [];
  if (method === undefined) return '400 Bad Request';
  const [, host = ''] = /\r\nhost:[ \t]*([^\r]*?)[ \t]*\r\n/i.exec(head) ?? [];
  if (!isOurs(host)) return '421 Misdirected Request';
  return method === 'GET' && target.split('?', 1)[0] === '/metrics' ? undefined : '404 Not Found';
}

/**
 * Whether a request is meant for this host: a page of somebody else whose name leads here (DNS rebinding) says its own
 * name. An address, "localhost" and the name of this machine, with any domain behind it, are ours.
 */
function isOurs(host: string): boolean {
  const name = host
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase();
  const own = (hostname().split('.', 1)[0] ?? '').toLowerCase();
  return isIP(name) !== 0 || name === 'localhost' || (own !== '' && name.split('.', 1)[0] === own);
}

function end(socket: Socket, status: string, { contentType, text }: MetricsText = plain(status)): void {
  const body = Buffer.from(text);
  socket.write(
    `HTTP/1.1 ${status}\r\nContent-Type: ${contentType}\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`,
  );
  socket.end(body);
}

function plain(status: string): MetricsText {
  return { contentType: 'text/plain; charset=utf-8', text: `${status}\n` };
}

/** Whoever asks while an answer is being made gets that one. */
function shareRuns<T>(run: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined;
  return async () =>
    (running ??= run().finally(() => {
      running = undefined;
    }));
}
