import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { familyOf } from '../ip/family.ts';
import type { Invocation } from './command.ts';
import type { Terminal } from './terminal.ts';

/** Milliseconds until silence is an answer. */
const patience = 1500;

/**
 * Opens one connection, or sends one datagram, and prints what became of it. For `explain --trace`, inside a
 * container's namespace.
 */
export async function run(
  { operands: [address = '', port = '', protocol = 'tcp'] }: Invocation,
  { out }: Terminal,
): Promise<number> {
  out(protocol === 'udp' ? await sendDatagram(address, Number(port)) : await openConnection(address, Number(port)));
  return 0;
}

async function openConnection(host: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (outcome: string): void => {
      socket.destroy();
      resolve(outcome);
    };
    socket.setTimeout(patience, () => end('timeout'));
    socket.once('connect', () => end('connected'));
    socket.once('error', (error: NodeJS.ErrnoException) => end(outcomeOf(error)));
  });
}

async function sendDatagram(host: string, port: number): Promise<string> {
  const socket = createSocket(familyOf(host) === 6 ? 'udp6' : 'udp4');
  return new Promise((resolve) => {
    const end = (outcome: string): void => {
      clearTimeout(timer);
      socket.close();
      resolve(outcome);
    };
    const timer = setTimeout(() => end('timeout'), patience);
    socket.once('message', () => end('answered'));
    socket.once('error', (error: NodeJS.ErrnoException) => end(outcomeOf(error)));
    socket.connect(port, host, () => socket.send('drawbridge'));
  });
}

function outcomeOf({ code }: NodeJS.ErrnoException): string {
  if (code === 'ECONNREFUSED' || code === 'ECONNRESET') return 'refused';
  return code === 'ETIMEDOUT' ? 'timeout' : 'unreachable';
}
