import { randomBytes } from 'node:crypto';
import { CniError, codes } from '../cni/errors.ts';
import { valueOf, type Invocation } from './command.ts';
import { serveUi, type ListenAddress } from './ui/server.ts';
import type { Terminal } from './terminal.ts';

/** Where the page is served unless it is told otherwise: nobody but this host reaches it. */
const usualAddress = '127.0.0.1:9441';

/**
 * Serves the page until it is ended. Whoever has the address that it prints may read everything that root may, and
 * with --write open destinations.
 */
export async function run(invocation: Invocation, terminal: Terminal): Promise<number> {
  const listen = valueOf(invocation, 'listen') ?? usualAddress;
  const token = randomBytes(16).toString('hex');
  const server = await serveUi({
    listen: listenAddress(listen),
    token,
    mayWrite: invocation.options['write'] === true,
  });
  const place = server.port === undefined ? `a browser that reaches ${listen}` : 'a browser on this host';
  terminal.out(`${terminal.paint.link(server.address)}`);
  terminal.note(`Open it in ${place}. The part after "#" is a secret of this run. Ctrl-C ends it.`);
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
  await server.close();
  return 0;
}

function listenAddress(text: string): ListenAddress {
  if (text.startsWith('/')) return { path: text };
  const [, bracketed, plain, port] = /^(?:\[([0-9a-fA-F:]+)\]|([0-9.]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host !== undefined && Number(port) <= 65_535) return { host, port: Number(port) };
  throw new CniError(
    codes.invalidConfig,
    `Cannot listen at "${text}": an address with a port, or the path of a socket, is expected`,
    `For instance "${usualAddress}", "[::1]:9441" or "/run/drawbridge-ui.sock"`,
  );
}
