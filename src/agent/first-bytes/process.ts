import { setPriority } from 'node:os';
import { createInterface } from 'node:readline';
import { systemReason } from '../../text/system-error.ts';
import type { FromReader, ToReader } from './messages.ts';
import { FirstBytesReader } from './reader.ts';

/** Nice value: a new connection waits for this process three times, and on a busy host for its turn each time. */
const priority = -5;

/**
 * A process of its own beside the agent: what keeps the agent busy, a rebuild of a full host, holds up no connection.
 * It ends with the agent, when its stdin does. Exit status 1 when it cannot go on, with the reason on stderr.
 */
export async function runReader(): Promise<number> {
  prefer();
  // Whoever stops the agent from a terminal stops both: the agent ends this one.
  process.on('SIGINT', () => {});
  const lines = createInterface({ input: process.stdin });
  return new Promise((resolve) => {
    const fail = (reason: string): void => {
      process.stderr.write(`${reason}\n`);
      resolve(1);
    };
    const reader = new FirstBytesReader((message: FromReader) => process.stdout.write(`${JSON.stringify(message)}\n`));
    lines.on('line', (line) => reader.hear(JSON.parse(line) as ToReader));
    lines.on('close', () => resolve(0));
    reader.start(fail).catch((error: unknown) => fail(systemReason(error)));
  });
}

function prefer(): void {
  try {
    setPriority(priority);
  } catch {
    // As root of a user namespace nobody is preferred.
  }
}
