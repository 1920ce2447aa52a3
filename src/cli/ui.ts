import { once } from 'node:events';
import { CniError, codes } from '../cni/errors.ts';
import { valueOf, type Invocation } from './command.ts';
import type { PageRequest } from '../agent/services/page.ts';
import { followAgent } from '../repair/survey/agent.ts';
import { serveUi, type ListenAddress } from './ui/server.ts';
import type { Follow } from './ui/stream.ts';
import { newToken } from './ui/token.ts';
import type { Terminal } from './terminal.ts';

/** Where the page is served unless it is told otherwise: nobody but this host reaches it. */
const usualAddress = '127.0.0.1:9441';

/**
 * Serves the page until it is ended: the agent does where one runs, with its own records, else this command. Whoever
 * has the address that it prints may read everything that root may, and with --write open destinations.
 */
export async function run(invocation: Invocation, terminal: Terminal): Promise<number> {
  const given = valueOf(invocation, 'listen') ?? usualAddress;
  const listen = listenAddress(given);
  const mayWrite = invocation.options['write'] === true;
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());
  const tell = (address: string): void => {
    const place = 'path' in listen ? `a browser that reaches ${given}` : 'a browser on this host';
    terminal.out(terminal.paint.link(address));
    terminal.note(`Open it in ${place}. The part after "#" is a secret of this run. Ctrl-C ends it.`);
  };
  // What the agent sees as a path may be another folder: its unit hides some.
  if ('host' in listen && (await serveByAgent({ listen, mayWrite }, tell, stop.signal))) {
    if (stop.signal.aborted) return 0;
    terminal.note('The agent ended, and the page with it.');
    return 1;
  }
  const follow: Follow = async (onRecord, signal) => followAgent('follow', onRecord, signal);
  const server = await serveUi({ listen, token: newToken(), mayWrite, follow });
  tell(server.address);
  if (!stop.signal.aborted) await once(stop.signal, 'abort');
  await server.close();
  return 0;
}

/** False where no agent serves it: there is none, it is of another version, or it cannot have the address. */
async function serveByAgent(
  request: PageRequest,
  tell: (address: string) => void,
  signal: AbortSignal,
): Promise<boolean> {
  let isServed = false;
  const onEvent = (event: unknown): void => {
    isServed = true;
    tell((event as { readonly address: string }).address);
  };
  await followAgent('page', onEvent, signal, request);
  return isServed;
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
