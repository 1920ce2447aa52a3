import { createHash, timingSafeEqual } from 'node:crypto';
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CniError, codes } from '../../cni/errors.ts';
import { familyOf } from '../../ip/family.ts';
import { systemReason } from '../../text/system-error.ts';
import { answerCommand, isAction } from './answers.ts';
import { pageHtml } from './html.ts';
import { streamFlows, type Follow } from './stream.ts';

export interface UiServer {
  /** What a person opens: with the token behind "#", which a browser sends to nobody. */
  readonly address: string;
  /** Absent on a Unix socket. */
  readonly port?: number;
  close(): Promise<void>;
}

/** Where to listen: an address with a port, or the path of a Unix socket. */
export type ListenAddress = { readonly host: string; readonly port: number } | { readonly path: string };

export interface UiOptions {
  readonly listen: ListenAddress;
  /** Whoever does not send it gets the empty page and nothing of the host. */
  readonly token: string;
  /** Whether the page may change anything. */
  readonly mayWrite: boolean;
  /** Where records come from as they are made. */
  readonly follow: Follow;
}

/** Connections at a time: a page has three. */
const mostConnections = 64;

/** Serves the page and what it asks for. Throws {@link CniError} with code 100 when the address cannot be had. */
export async function serveUi({ listen, token, mayWrite, follow }: UiOptions): Promise<UiServer> {
  const server = createServer((request, response) => {
    void answer(request, response, { token, mayWrite, follow, hosts: namesOf(server, listen) }).catch(
      (error: unknown) => {
        if (!response.headersSent) send(response, 500, 'text/plain', systemReason(error));
        else response.destroy();
      },
    );
  });
  server.maxConnections = mostConnections;
  server.requestTimeout = 10_000;
  await start(server, listen);
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise<void>((resolve) => void server.close(() => resolve()));
    if ('path' in listen) rmSync(listen.path, { force: true });
  };
  if ('path' in listen) return { address: `unix:${listen.path}#token=${token}`, close };
  const { port } = server.address() as AddressInfo;
  return { address: `http://${hostText(listen.host)}:${port}/#token=${token}`, port, close };
}

/** What a browser may call this server by; undefined on a Unix socket, which no browser reaches by a name. */
function namesOf(server: Server, listen: ListenAddress): ReadonlySet<string> | undefined {
  if ('path' in listen) return undefined;
  const { port } = server.address() as AddressInfo;
  return new Set([`${hostText(listen.host)}:${port}`, `localhost:${port}`]);
}

/** An address as it stands in the address of a page (RFC 3986, section 3.2.2). */
function hostText(address: string): string {
  return familyOf(address) === 4 ? address : `[${address}]`;
}

async function start(server: Server, listen: ListenAddress): Promise<void> {
  if ('path' in listen) rmSync(listen.path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        new CniError(
          codes.commandFailed,
          `Cannot listen at "${'path' in listen ? listen.path : `${listen.host}:${listen.port}`}": ${systemReason(error)}`,
          'Another port: drawbridge ui --listen 127.0.0.1:9442',
        ),
      ),
    );
    server.listen(listen, resolve);
  });
  if ('path' in listen) chmodSync(listen.path, 0o600);
}

interface Guard {
  readonly token: string;
  readonly mayWrite: boolean;
  readonly follow: Follow;
  /** As of {@link namesOf}. */
  readonly hosts: ReadonlySet<string> | undefined;
}

async function answer(request: IncomingMessage, response: ServerResponse, guard: Guard): Promise<void> {
  const refusal = refusalOf(request, guard);
  if (refusal !== undefined) return send(response, refusal.status, 'text/plain', refusal.why);
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
  if (pathname === '/') return sendPage(response);
  if (!isAuthorized(request, guard.token)) return send(response, 401, 'text/plain', 'The token is missing or wrong');
  if (isAction(pathname) !== (request.method === 'POST'))
    return send(response, 405, 'text/plain', 'Who reads says GET, who changes says POST');
  if (pathname === '/api/follow') return streamFlows(response, guard.follow);
  if (pathname === '/api/rights')
    return send(response, 200, 'application/json', JSON.stringify({ mayWrite: guard.mayWrite }));
  const { status, json } = await answerCommand(pathname, searchParams);
  send(response, status, 'application/json', json);
}

/**
 * A page of somebody else's may have its name lead to 127.0.0.1 (DNS rebinding): then Host is that name. One that asks
 * from its own address says so in Origin.
 */
function refusalOf(
  { method, headers }: IncomingMessage,
  { hosts, mayWrite }: Guard,
): { status: number; why: string } | undefined {
  const isWrite = method === 'POST';
  if (isWrite && !mayWrite) return { status: 405, why: 'This page only reads: "drawbridge ui --write" lets it change' };
  if (!isWrite && method !== 'GET') return { status: 405, why: 'Nothing here answers to this method' };
  if (hosts === undefined) return undefined;
  if (!hosts.has(headers.host ?? '')) return { status: 421, why: 'This server has another name' };
  const { origin } = headers;
  // Every browser says where a request to change something comes from (Fetch standard, "Origin header").
  if (isWrite && origin === undefined) return { status: 403, why: 'It is not said whose page asks' };
  if (origin !== undefined && ![...hosts].some((host) => origin === `http://${host}`))
    return { status: 403, why: 'The page of another server asks' };
  return undefined;
}

function isAuthorized({ headers }: IncomingMessage, token: string): boolean {
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(headers.authorization ?? ''), hash(`Bearer ${token}`));
}

function sendPage(response: ServerResponse): void {
  const { html, contentSecurityPolicy } = pageHtml();
  response.setHeader('Content-Security-Policy', `${contentSecurityPolicy}; frame-ancestors 'none'`);
  send(response, 200, 'text/html; charset=utf-8', html);
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    'Content-Type': type,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
  });
  response.end(body);
}
